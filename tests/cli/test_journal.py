"""What a batch writes down survives any end of the process."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from heygen_async._cli.exit_codes import UsageError
from heygen_async._cli.job_rows import RowReader
from heygen_async._cli.journal import JOURNAL, RESULTS, Journal

if TYPE_CHECKING:
    import pathlib

    from heygen_async._cli.job_rows import ParsedRow

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def row(folder: pathlib.Path, key: str, prompt: str = "A tour") -> ParsedRow:
    """A row of a job file."""
    return RowReader(folder, "generate").row(2, 1, {"prompt": prompt, "key": key})


def result(key: str, status: str = "completed", fingerprint: str = "f") -> dict[str, object]:
    """A line of the results."""
    return {"key": key, "status": status, "job": fingerprint}


def keys(path: pathlib.Path) -> list[str]:
    """The keys of a file's lines."""
    return [json.loads(line)["key"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_what_was_begun_is_known_to_the_next_run(tmp_path: pathlib.Path) -> None:
    """An intent comes back with its time, a session with its ref, and what has ended not at all."""
    with Journal(tmp_path / "out", resume=False) as journal:
        for key in ("intended", "made", "ended"):
            journal.intend(key, "f", NOON)
        journal.note("made", "f", b'{"v":1}')
        journal.note("ended", "f", b"{}")
        journal.finish(result("ended"))

    with Journal(tmp_path / "out", resume=True) as again:
        assert {"intended": (NOON, None), "made": (None, b'{"v":1}')} == {
            key: (begun.started_at, begun.ref) for key, begun in again.begun.items()
        }
        assert {"ended": "f"} == again.ended


def test_only_final_ends_stay_in_the_results(tmp_path: pathlib.Path) -> None:
    """A job that was late or unfinished is gone on with, so its line makes room for its real end."""
    with Journal(tmp_path, resume=True) as journal:
        for status in ("completed", "late", "failed", "unfinished", "paused"):
            journal.finish(result(status, status))

    with Journal(tmp_path, resume=True) as again:
        assert {"completed": 1, "failed": 1} == again.ends
    assert ["completed", "failed"] == keys(tmp_path / RESULTS)


@pytest.mark.parametrize(
    "torn",
    [
        b'{"key": "hal',
        b'{"key": "whole", "job": "f", "at": "x"}',
        b"\0" * 70_000,
        b'{"a": "' + b"x" * 200_000,
    ],
)
def test_a_torn_last_line_is_cut_off(tmp_path: pathlib.Path, torn: bytes) -> None:
    """What a killed process left half written is dropped, and the next line begins on a line of its own."""
    with Journal(tmp_path, resume=False) as journal:
        journal.intend("before", "f", NOON)
        journal.finish(result("before"))
    for name in (JOURNAL, RESULTS):
        with (tmp_path / name).open("ab") as file:
            file.write(torn)

    with Journal(tmp_path, resume=True) as journal:
        journal.intend("after", "f", NOON)
        journal.finish(result("after"))
    with Journal(tmp_path, resume=True) as again:
        assert {"before": "f", "after": "f"} == again.ended
    assert ["before", "after"] == keys(tmp_path / RESULTS)


@pytest.mark.parametrize("name", [JOURNAL, RESULTS])
@pytest.mark.parametrize("damage", [b"\0" * 40, b'{"key": "b", ', b"[1]", b'"b"', b"{" * 9_000], ids=repr)
def test_a_line_that_cannot_be_read_is_refused(tmp_path: pathlib.Path, name: str, damage: bytes) -> None:
    """Only the last line may be torn: one inside stood for a job that may be paid for, and is named by its number."""
    with Journal(tmp_path, resume=False) as journal:
        for key in "ab":
            journal.intend(key, "f", NOON)
            journal.finish(result(key))
    path = tmp_path / name
    lines = path.read_bytes().splitlines()
    lines[1] = damage
    path.write_bytes(b"\n".join([*lines, b""]))
    before = path.read_bytes()

    with pytest.raises(UsageError, match="line 2"):
        Journal(tmp_path, resume=True)
    assert before == path.read_bytes()


def test_a_journal_torn_in_its_first_line_begins_again(tmp_path: pathlib.Path) -> None:
    """A process killed while it made the journal leaves nothing that stops the next."""
    (tmp_path / JOURNAL).write_bytes(b'{"v": 1, "ru')

    with Journal(tmp_path, resume=True) as journal:
        assert ({}, {}) == (journal.begun, journal.ended)


def test_a_line_is_whole_when_written(tmp_path: pathlib.Path) -> None:
    """A process that dies right after a line was written has left that line, without closing anything."""
    code = f"""
import os, pathlib
from heygen_async._cli.journal import Journal
journal = Journal(pathlib.Path({str(tmp_path)!r}), resume=False)
journal.finish({result("one")!r})
os._exit(9)
"""
    assert 9 == subprocess.run([sys.executable, "-c", code], check=False).returncode
    assert ["one"] == keys(tmp_path / RESULTS)


def test_an_earlier_run_is_not_overwritten(tmp_path: pathlib.Path) -> None:
    """A folder with a run in it is used again only on request."""
    Journal(tmp_path, resume=False).__exit__()

    with pytest.raises(UsageError, match="earlier run") as caught:
        Journal(tmp_path, resume=False)
    assert "--resume" in caught.value.hint


def test_two_runs_cannot_share_a_folder(tmp_path: pathlib.Path) -> None:
    """A second process is refused while the first is at work, and not when that has ended."""
    with Journal(tmp_path, resume=True), pytest.raises(UsageError, match="Another run is using"):
        Journal(tmp_path, resume=True)
    Journal(tmp_path, resume=True).__exit__()


def test_a_changed_job_is_refused(tmp_path: pathlib.Path) -> None:
    """Words changed under a key that was begun are told by their line, whether or not that job has ended."""
    ended, begun = row(tmp_path, "ended"), row(tmp_path, "begun")
    with Journal(tmp_path, resume=True) as journal:
        journal.intend("begun", begun.fingerprint, NOON)
        journal.finish(result("ended", fingerprint=ended.fingerprint))

    with Journal(tmp_path, resume=True) as again:
        for same in (ended, begun, row(tmp_path, "new")):
            again.check(same)
        for key in ("ended", "begun"):
            with pytest.raises(UsageError, match=f"line 2: job '{key}'"):
                again.check(row(tmp_path, key, "Another tour"))


def test_keys_for_the_service_last_as_long_as_the_folder(tmp_path: pathlib.Path) -> None:
    """A job has one idempotency key in all runs of a folder, and another in another folder or under another key."""
    with Journal(tmp_path / "a", resume=True) as journal:
        first, other = journal.idempotency_key("one"), journal.idempotency_key("two")
    with Journal(tmp_path / "a", resume=True) as journal:
        assert first == journal.idempotency_key("one")
    with Journal(tmp_path / "b", resume=True) as journal:
        assert 3 == len({first, other, journal.idempotency_key("one")})
    assert first.replace(".", "").isalnum()
    assert len(first) <= 255


@pytest.mark.parametrize(
    "content", ['{"v": 9, "run": "r"}\n', '{"v": 1, "run": "r"}\n{"other": 1}\n', '{"a": 1}\n'], ids=str
)
def test_a_foreign_journal_is_refused_in_words(tmp_path: pathlib.Path, content: str) -> None:
    """A file of that name from another program, or a later release, is no traceback."""
    (tmp_path / JOURNAL).write_text(content, encoding="utf-8")

    with pytest.raises(UsageError, match="journal"):
        Journal(tmp_path, resume=True)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: pathlib.Path) -> None:
    """A file where the folder should be is a sentence."""
    (tmp_path / "out").write_text("", encoding="utf-8")

    with pytest.raises(UsageError, match="cannot be written"):
        Journal(tmp_path / "out", resume=False)
