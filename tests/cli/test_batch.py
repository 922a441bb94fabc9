"""`heygen-async batch`: from a file of prompts to a folder of videos and a report."""

from __future__ import annotations

import io
import json
import sys
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cli.terminal_user import as_csv
from heygen_async.testing import FAULTS, Scenario

if TYPE_CHECKING:
    import pathlib

    from cli.terminal_user import TerminalUser

TOURS = [{"key": f"room-{number}", "prompt": f"A tour of room {number}"} for number in range(12)]
SLOW = (
    "trickle",
    "slow_file",
)  # an hour of it takes real sockets an hour's worth of turns, whatever the clock says
KEYS = sorted(row["key"] for row in TOURS)


def batch(*more: str) -> tuple[str, ...]:
    """The words of the command."""
    return ("batch", "jobs.csv", "--out", "videos", *more)


def by_key(user: TerminalUser) -> dict[str, dict[str, Any]]:
    """The results, of which no key may be there twice."""
    results = user.results()
    assert len(results) == len({line["key"] for line in results})
    return {line["key"]: line for line in results}


def journal(user: TerminalUser) -> pathlib.Path:
    """The journal of the run."""
    return user.folder / "videos" / "journal.jsonl"


async def test_a_file_becomes_a_folder(user: TerminalUser) -> None:
    """Each row is a video named by its key, and a line of the report that says which."""
    user.writes("jobs.csv", TOURS)
    printed = await user.types(*batch())
    results = by_key(user)
    ledger = user.simulator.ledger

    assert (0, "") == (printed.code, printed.err)
    assert KEYS == sorted(results)
    assert {"completed"} == {line["status"] for line in results.values()}
    assert sorted(record.session_id for record in ledger.creates) == sorted(
        line["session_id"] for line in results.values()
    )
    assert all(b"ftyp" in (user.folder / "videos" / it["path"]).read_bytes()[:12] for it in results.values())
    assert (12, 0) == (len(ledger.creates), ledger.duplicate_creates)
    assert "12  completed" in printed.out


async def test_storyboards_are_approved_on_request(user: TerminalUser) -> None:
    """`--approve` has the agent show a storyboard, and approves each once."""
    user.writes("jobs.csv", TOURS)
    printed = await user.types(*batch("--approve"))

    assert 0 == printed.code
    assert 12 == len(user.simulator.ledger.messages)


async def test_jobs_come_from_a_pipe(user: TerminalUser, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads standard input, and an empty pipe is told."""
    for content, code in ((as_csv(TOURS[:2]), 0), (b"", 2)):
        with tempfile.TemporaryFile() as pipe, io.TextIOWrapper(pipe) as stdin:
            pipe.write(content)
            pipe.seek(0)
            monkeypatch.setattr(sys, "stdin", stdin)
            assert code == (await user.types("batch", "-", "--out", f"videos-{code}")).code
    assert 2 == len(user.results("videos-0"))


async def test_a_file_in_the_way_has_a_remedy(user: TerminalUser) -> None:
    """A video for which another file is in the way is not paid for; what to do is said, beside how to go on."""
    user.writes("jobs.csv", TOURS[:2])
    (user.folder / "videos").mkdir()
    (user.folder / "videos" / f"{TOURS[0]['key']}.mp4").write_text("mine", encoding="utf-8")
    printed = await user.types(*batch())

    assert 1 == printed.code
    assert f"{TOURS[0]['key']}  Give the job another key, or move the file." in printed.err
    assert "--resume" in printed.err
    assert 1 == len(user.simulator.ledger.creates)


async def test_nothing_is_made_while_a_row_is_bad(user: TerminalUser) -> None:
    """One bad row among good ones ends it with 2 before anything is sent or written."""
    user.writes("jobs.csv", [*TOURS, {"key": "bad", "prompt": ""}])
    printed = await user.types(*batch())

    assert 2 == printed.code
    assert "line 14: prompt" in printed.err
    assert 0 == user.simulator.ledger.total_requests
    assert not (user.folder / "videos").exists()


async def test_failures_do_not_stop_the_rest(user: TerminalUser) -> None:
    """A failure is told as it comes, with the agent's reason, and in the report; the exit code is 1."""
    failing = replace(Scenario.failing("generating"), failure_reason="No such\x1b[2J voice.")
    user.simulator.script(failing, prompt="room 3")
    user.writes("jobs.csv", TOURS)
    printed = await user.types(*batch())
    results = by_key(user)

    assert 1 == printed.code
    assert "failed   room-3" in printed.out
    assert ("failed", "SessionFailed") == (results["room-3"]["status"], results["room-3"]["error"])
    assert "No such" in results["room-3"]["message"]
    assert "\x1b" not in results["room-3"]["message"]
    assert 11 == sum(line["status"] == "completed" for line in results.values())


async def test_it_is_watchable_by_a_program(user: TerminalUser) -> None:
    """With `--json` each event of each job is an object, and the end is a summary."""
    user.writes("jobs.csv", TOURS[:1])
    printed = await user.types(*batch("--json"))
    kinds = list(dict.fromkeys(event["event"] for event in printed.events))

    assert ["jobs", "creating", "created", "state", "downloading", "downloaded", "ended", "finished"] == kinds
    assert {"event": "finished", "completed": 1} == printed.events[-1]


# ---- going on -----------------------------------------------------------------------------------------------------


async def test_a_finished_run_has_nothing_left_to_do(user: TerminalUser) -> None:
    """Resumed after its end, a batch creates nothing and keeps its report."""
    user.writes("jobs.csv", TOURS)
    await user.types(*batch())
    report = user.results()
    printed = await user.types(*batch("--resume"))

    assert (0, report) == (printed.code, user.results())
    assert 12 == len(user.simulator.ledger.creates)
    assert "12, 12 done before" in printed.out


async def test_late_sessions_are_waited_for_again(user: TerminalUser) -> None:
    """A session that is late ends with 4 and the command to go on, which waits for it and pays nothing more."""
    user.writes("jobs.csv", TOURS)
    first = await user.types(*batch("--timeout", "60"))
    states = {line["status"] for line in user.results()}
    second = await user.types(*batch("--resume"))

    assert (4, {"late"}, 0) == (first.code, states, second.code)
    assert "heygen-async batch jobs.csv --out videos --timeout 60 --resume" in first.err
    assert (KEYS, 12) == (sorted(by_key(user)), len(user.simulator.ledger.creates))


async def test_a_refused_key_stops_it_until_it_is_right(user: TerminalUser) -> None:
    """A key that stops working is 3, with what is in flight finished, the rest not begun, and nothing lost."""
    user.simulator.faults.add("payment_required", on="create", times=None, after=5)
    user.writes("jobs.csv", TOURS)
    first = await user.types(*batch("--max-in-flight", "2"))
    made = sum(line["status"] == "completed" for line in user.results())
    user.simulator.faults.clear()
    second = await user.types(*batch("--resume"))

    assert (3, 5, 0) == (first.code, made, second.code)
    assert "not started" in first.out
    assert "402" in first.err
    assert (KEYS, 12) == (sorted(by_key(user)), len(user.simulator.ledger.creates))


async def test_a_create_in_doubt_is_told_with_a_way_out(user: TerminalUser) -> None:
    """Where sessions of others have the same words, the report names them, and says how to make the video anew."""
    user.simulator.moods.sends_date = False  # without the service's time, older sessions are candidates too
    user.simulator.faults.add("reset_after_processing", on="create", times=None)
    for _ in range(2):
        await user.types("run", TOURS[0]["prompt"], "--timeout", "1")
    user.writes("jobs.csv", TOURS[:1])
    printed = await user.types(*batch())

    assert 1 == printed.code
    assert all(session in printed.err for session in user.simulator.ledger.sessions)
    assert "new key" in printed.err
    assert "--resume" in printed.err


async def test_a_name_without_a_database_is_a_mistake(user: TerminalUser) -> None:
    """`--name` alone is refused, since the batch would not be kept where somebody looks for it."""
    user.writes("jobs.csv", TOURS)
    printed = await user.types(*batch("--name", "spring"))

    assert 2 == printed.code
    assert "--database" in printed.err
    assert [] == user.simulator.ledger.creates


async def test_a_question_of_the_agent_waits_for_its_answer(user: TerminalUser) -> None:
    """A session that asks something is told; once it is answered, the resumed run takes its video."""
    user.simulator.script(replace(Scenario.question(), answer=Scenario.question().approval), prompt="room 3")
    user.writes(
        "jobs.csv",
        [{**row, "mode": "chat"} if row["key"] == "room-3" else {**row, "mode": ""} for row in TOURS],
    )
    first = await user.types(*batch())
    session = by_key(user)["room-3"]["session_id"]
    answered = await user.types("send", session, "for newcomers")
    second = await user.types(*batch("--resume"))

    assert (1, 0, 0) == (first.code, answered.code, second.code)
    assert "paused   room-3" in first.out
    assert (KEYS, 12) == (sorted(by_key(user)), len(user.simulator.ledger.creates))


@pytest.mark.parametrize("honoured", [True, False], ids=["keys honoured", "keys ignored"])
async def test_sessions_nobody_wrote_down_are_found(user: TerminalUser, honoured: bool) -> None:
    """When a run was killed between its requests and their answers, the next finds the sessions they made."""
    user.simulator._state.settings.idempotency = "honoured" if honoured else "ignored"
    user.writes("jobs.csv", TOURS)
    await user.types(*batch("--timeout", "5"))
    intents = [line for line in journal(user).read_text().splitlines(keepends=True) if '"ref"' not in line]
    journal(user).write_text("".join(intents))
    (user.folder / "videos" / "results.jsonl").unlink()
    printed = await user.types(*batch("--resume"))

    assert 0 == printed.code
    assert (KEYS, 12) == (sorted(by_key(user)), len(user.simulator.ledger.creates))


@pytest.mark.parametrize("limit", [(), ("--timeout", "5")], ids=["ended", "begun"])
async def test_rows_with_the_same_words_have_a_video_each(user: TerminalUser, limit: tuple[str, ...]) -> None:
    """A row that was refused is not given the session of another row that asks for the same."""
    user.writes("jobs.csv", [{"key": key, "prompt": "A tour"} for key in ("first", "second")])
    user.simulator.faults.add("payment_required", on="create", after=1)
    await user.types(*batch("--max-in-flight", "1", *limit))
    printed = await user.types(*batch("--resume"))

    assert 0 == printed.code
    assert 2 == len({line["session_id"] for line in user.results()})
    assert 2 == len(user.simulator.ledger.creates)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param('{"key": "room-0", "job": "x", "ref": "{}"}', id="no ref"),
        pytest.param('{"key": "room-0", "job": "x", "at": "tomorrow"}', id="no time"),
    ],
)
async def test_a_damaged_journal_is_told(user: TerminalUser, line: str) -> None:
    """Lines that this program did not write end a resumed run in words, before anything is made."""
    user.writes("jobs.csv", TOURS[:1])
    await user.types(*batch("--timeout", "5"))
    journal(user).write_text(journal(user).read_text().splitlines()[0] + f"\n{line}\n")
    user.simulator.ledger.creates.clear()
    user.writes("jobs.csv", TOURS[1:2])
    printed = await user.types(*batch("--resume"))

    assert (2, 0) == (printed.code, len(user.simulator.ledger.creates))
    assert "journal.jsonl in videos is not as this program writes it" in printed.err


async def test_an_earlier_run_is_not_paid_for_again(user: TerminalUser) -> None:
    """Without `--resume` a folder that has a run in it is refused."""
    user.writes("jobs.csv", TOURS[:1])
    await user.types(*batch())
    printed = await user.types(*batch())

    assert 2 == printed.code
    assert "--resume" in printed.err
    assert 1 == len(user.simulator.ledger.creates)


async def test_a_changed_file_is_refused_where_it_changed(user: TerminalUser) -> None:
    """New rows are welcome; a row whose words changed after it was begun is refused by its line."""
    user.writes("jobs.csv", TOURS[:2])
    await user.types(*batch())
    user.writes("jobs.csv", TOURS[:3])
    longer = await user.types(*batch("--resume"))
    user.writes("jobs.csv", [TOURS[0], {**TOURS[1], "prompt": "Something else"}])
    changed = await user.types(*batch("--resume"))

    assert (0, 2) == (longer.code, changed.code)
    assert "line 3: job 'room-1' was begun" in changed.err
    assert 3 == len(user.simulator.ledger.creates)


async def test_rows_taken_away_are_told(user: TerminalUser) -> None:
    """A session begun earlier whose row is gone is left alone, and named."""
    user.writes("jobs.csv", TOURS[:2])
    await user.types(*batch("--timeout", "5"))
    user.writes("jobs.csv", TOURS[:1])
    printed = await user.types(*batch("--resume"))

    assert 0 == printed.code
    assert "no longer in the file, so left alone: room-1" in printed.err


# ---- trouble ------------------------------------------------------------------------------------------------------


async def test_a_flaky_service_costs_nothing_twice(user: TerminalUser) -> None:
    """With a tenth of all exchanges failing, there is one session and one video for each row."""
    weather = tuple(name for name, fault in FAULTS.items() if fault.survivable and name not in SLOW)
    user.simulator.faults.mix(0.1, seed=4, only=weather)
    user.writes("jobs.csv", TOURS)
    printed = await user.types(*batch())
    again = await user.types(*batch("--resume")) if printed.code else printed

    assert 0 == again.code
    assert (KEYS, 12) == (sorted(by_key(user)), len(user.simulator.ledger.creates))


async def test_a_service_that_goes_away_loses_nothing(
    user: TerminalUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody answers any more, jobs are unfinished and not failed, and go on when somebody does."""
    user.writes("jobs.csv", TOURS[:2])
    monkeypatch.setenv("HEYGEN_API_BASE", "http://127.0.0.1:9")
    first = await user.types(*batch())
    monkeypatch.setenv("HEYGEN_API_BASE", user.simulator.base_url)
    second = await user.types(*batch("--resume"))

    assert (1, 0) == (first.code, second.code)
    assert "unfinished room-0  No connection" in first.out
    assert 2 == len(by_key(user))


async def test_a_poor_wallet_begins_nothing(user: TerminalUser) -> None:
    """With `--min-balance` a wallet with less ends it with 3 before anything is created."""
    user.writes("jobs.csv", TOURS[:1])
    printed = await user.types(*batch("--min-balance", "1000000"))

    assert 3 == printed.code
    assert [] == user.simulator.ledger.creates


async def test_nothing_secret_is_written_down(user: TerminalUser) -> None:
    """Neither the report nor the journal has the key or a presigned link in it."""
    user.writes("jobs.csv", TOURS[:2])
    await user.types(*batch())
    written = journal(user).read_text() + json.dumps(user.results())

    assert user.simulator.api_key not in written
    assert "://" not in written
