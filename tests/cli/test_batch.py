"""`heygen-async batch`: from a file of prompts to a folder of videos and a report."""

from __future__ import annotations

import io
import json
import sys
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cli.desk import as_csv
from heygen_async.testing import FAULTS, Scenario

if TYPE_CHECKING:
    import pathlib

    from cli.desk import Desk

TOURS = [{"key": f"room-{number}", "prompt": f"A tour of room {number}"} for number in range(12)]
SLOW = (
    "trickle",
    "slow_file",
)  # an hour of it takes real sockets an hour's worth of turns, whatever the clock says
KEYS = sorted(row["key"] for row in TOURS)


def batch(*more: str) -> tuple[str, ...]:
    """The words of the command."""
    return ("batch", "jobs.csv", "--out", "videos", *more)


def by_key(desk: Desk) -> dict[str, dict[str, Any]]:
    """The results, of which no key may be there twice."""
    results = desk.results()
    assert len(results) == len({line["key"] for line in results})
    return {line["key"]: line for line in results}


def journal(desk: Desk) -> pathlib.Path:
    """The journal of the run."""
    return desk.folder / "videos" / "journal.jsonl"


async def test_a_file_becomes_a_folder(desk: Desk) -> None:
    """Each row is a video named by its key, and a line of the report that says which."""
    desk.writes("jobs.csv", TOURS)
    said = await desk.types(*batch())
    results = by_key(desk)
    ledger = desk.simulator.ledger

    assert (0, "") == (said.code, said.err)
    assert KEYS == sorted(results)
    assert {"completed"} == {line["status"] for line in results.values()}
    assert sorted(record.session_id for record in ledger.creates) == sorted(
        line["session_id"] for line in results.values()
    )
    assert all(b"ftyp" in (desk.folder / "videos" / it["path"]).read_bytes()[:12] for it in results.values())
    assert (12, 0) == (len(ledger.creates), ledger.duplicate_creates)
    assert "12  completed" in said.out


async def test_storyboards_are_approved_on_request(desk: Desk) -> None:
    """`--approve` has the agent show a storyboard, and approves each once."""
    desk.writes("jobs.csv", TOURS)
    said = await desk.types(*batch("--approve"))

    assert 0 == said.code
    assert 12 == len(desk.simulator.ledger.messages)


async def test_jobs_come_from_a_pipe(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads standard input, and an empty pipe is told."""
    for content, code in ((as_csv(TOURS[:2]), 0), (b"", 2)):
        with tempfile.TemporaryFile() as pipe, io.TextIOWrapper(pipe) as stdin:
            pipe.write(content)
            pipe.seek(0)
            monkeypatch.setattr(sys, "stdin", stdin)
            assert code == (await desk.types("batch", "-", "--out", f"videos-{code}")).code
    assert 2 == len(desk.results("videos-0"))


async def test_nothing_is_made_while_a_row_is_bad(desk: Desk) -> None:
    """One bad row among good ones ends it with 2 before anything is sent or written."""
    desk.writes("jobs.csv", [*TOURS, {"key": "bad", "prompt": ""}])
    said = await desk.types(*batch())

    assert 2 == said.code
    assert "line 14: prompt" in said.err
    assert 0 == desk.simulator.ledger.total_requests
    assert not (desk.folder / "videos").exists()


async def test_failures_do_not_stop_the_rest(desk: Desk) -> None:
    """A failure is told as it comes, with the agent's reason, and in the report; the exit code is 1."""
    failing = replace(Scenario.failing("generating"), failure_reason="No such\x1b[2J voice.")
    desk.simulator.script(failing, prompt="room 3")
    desk.writes("jobs.csv", TOURS)
    said = await desk.types(*batch())
    results = by_key(desk)

    assert 1 == said.code
    assert "failed   room-3" in said.out
    assert ("failed", "SessionFailed") == (results["room-3"]["status"], results["room-3"]["error"])
    assert "No such voice." in results["room-3"]["message"]
    assert 11 == sum(line["status"] == "completed" for line in results.values())


async def test_it_is_watchable_by_a_program(desk: Desk) -> None:
    """With `--json` each event of each job is an object, and the end is a summary."""
    desk.writes("jobs.csv", TOURS[:1])
    said = await desk.types(*batch("--json"))
    kinds = list(dict.fromkeys(event["event"] for event in said.events))

    assert ["jobs", "creating", "created", "state", "downloading", "downloaded", "ended", "finished"] == kinds
    assert {"event": "finished", "completed": 1} == said.events[-1]


# ---- going on -----------------------------------------------------------------------------------------------------


async def test_a_finished_run_has_nothing_left_to_do(desk: Desk) -> None:
    """Resumed after its end, a batch creates nothing and keeps its report."""
    desk.writes("jobs.csv", TOURS)
    await desk.types(*batch())
    report = desk.results()
    said = await desk.types(*batch("--resume"))

    assert (0, report) == (said.code, desk.results())
    assert 12 == len(desk.simulator.ledger.creates)
    assert "12, 12 done before" in said.out


async def test_late_sessions_are_waited_for_again(desk: Desk) -> None:
    """A session that is late ends with 4 and the command to go on, which waits for it and pays nothing more."""
    desk.writes("jobs.csv", TOURS)
    first = await desk.types(*batch("--timeout", "60"))
    states = {line["status"] for line in desk.results()}
    second = await desk.types(*batch("--resume"))

    assert (4, {"late"}, 0) == (first.code, states, second.code)
    assert "heygen-async batch jobs.csv --out videos --timeout 60 --resume" in first.err
    assert (KEYS, 12) == (sorted(by_key(desk)), len(desk.simulator.ledger.creates))


async def test_a_refused_key_stops_it_until_it_is_right(desk: Desk) -> None:
    """A key that stops working is 3, with what is in flight finished, the rest not begun, and nothing lost."""
    desk.simulator.faults.add("payment_required", on="create", times=None, after=5)
    desk.writes("jobs.csv", TOURS)
    first = await desk.types(*batch("--max-in-flight", "2"))
    made = sum(line["status"] == "completed" for line in desk.results())
    desk.simulator.faults.clear()
    second = await desk.types(*batch("--resume"))

    assert (3, 5, 0) == (first.code, made, second.code)
    assert "not started" in first.out
    assert "402" in first.err
    assert (KEYS, 12) == (sorted(by_key(desk)), len(desk.simulator.ledger.creates))


async def test_a_create_in_doubt_is_told_with_a_way_out(desk: Desk) -> None:
    """Where sessions of others have the same words, the report names them, and says how to make the video anew."""
    desk.simulator.faults.add("reset_after_processing", on="create", times=None)
    for _ in range(2):
        await desk.types("run", TOURS[0]["prompt"], "--timeout", "1")
    desk.writes("jobs.csv", TOURS[:1])
    said = await desk.types(*batch())

    assert 1 == said.code
    assert all(session in said.err for session in desk.simulator.ledger.sessions)
    assert "new key" in said.err
    assert "--resume" in said.err


async def test_a_name_without_a_database_is_a_mistake(desk: Desk) -> None:
    """`--name` alone is refused, since the batch would not be kept where somebody looks for it."""
    desk.writes("jobs.csv", TOURS)
    said = await desk.types(*batch("--name", "spring"))

    assert 2 == said.code
    assert "--database" in said.err
    assert [] == desk.simulator.ledger.creates


async def test_a_question_of_the_agent_waits_for_its_answer(desk: Desk) -> None:
    """A session that asks something is told; once it is answered, the resumed run takes its video."""
    desk.simulator.script(replace(Scenario.question(), answer=Scenario.question().approval), prompt="room 3")
    desk.writes(
        "jobs.csv",
        [{**row, "mode": "chat"} if row["key"] == "room-3" else {**row, "mode": ""} for row in TOURS],
    )
    first = await desk.types(*batch())
    session = by_key(desk)["room-3"]["session_id"]
    answered = await desk.types("send", session, "for newcomers")
    second = await desk.types(*batch("--resume"))

    assert (1, 0, 0) == (first.code, answered.code, second.code)
    assert "paused   room-3" in first.out
    assert (KEYS, 12) == (sorted(by_key(desk)), len(desk.simulator.ledger.creates))


@pytest.mark.parametrize("honoured", [True, False], ids=["keys honoured", "keys ignored"])
async def test_sessions_nobody_wrote_down_are_found(desk: Desk, honoured: bool) -> None:
    """When a run was killed between its requests and their answers, the next finds the sessions they made."""
    desk.simulator._state.settings.idempotency = "honoured" if honoured else "ignored"
    desk.writes("jobs.csv", TOURS)
    await desk.types(*batch("--timeout", "5"))
    intents = [line for line in journal(desk).read_text().splitlines(keepends=True) if '"ref"' not in line]
    journal(desk).write_text("".join(intents))
    (desk.folder / "videos" / "results.jsonl").unlink()
    said = await desk.types(*batch("--resume"))

    assert 0 == said.code
    assert (KEYS, 12) == (sorted(by_key(desk)), len(desk.simulator.ledger.creates))


@pytest.mark.parametrize("limit", [(), ("--timeout", "5")], ids=["ended", "begun"])
async def test_rows_with_the_same_words_have_a_video_each(desk: Desk, limit: tuple[str, ...]) -> None:
    """A row that was refused is not given the session of another row that asks for the same."""
    desk.writes("jobs.csv", [{"key": key, "prompt": "A tour"} for key in ("first", "second")])
    desk.simulator.faults.add("payment_required", on="create", after=1)
    await desk.types(*batch("--max-in-flight", "1", *limit))
    said = await desk.types(*batch("--resume"))

    assert 0 == said.code
    assert 2 == len({line["session_id"] for line in desk.results()})
    assert 2 == len(desk.simulator.ledger.creates)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param('{"key": "room-0", "job": "x", "ref": "{}"}', id="no ref"),
        pytest.param('{"key": "room-0", "job": "x", "at": "tomorrow"}', id="no time"),
    ],
)
async def test_a_damaged_journal_is_told(desk: Desk, line: str) -> None:
    """Lines that this program did not write end a resumed run in words, before anything is made."""
    desk.writes("jobs.csv", TOURS[:1])
    await desk.types(*batch("--timeout", "5"))
    journal(desk).write_text(journal(desk).read_text().splitlines()[0] + f"\n{line}\n")
    desk.simulator.ledger.creates.clear()
    desk.writes("jobs.csv", TOURS[1:2])
    said = await desk.types(*batch("--resume"))

    assert (2, 0) == (said.code, len(desk.simulator.ledger.creates))
    assert "journal.jsonl in videos is not as this program writes it" in said.err


async def test_an_earlier_run_is_not_paid_for_again(desk: Desk) -> None:
    """Without `--resume` a folder that has a run in it is refused."""
    desk.writes("jobs.csv", TOURS[:1])
    await desk.types(*batch())
    said = await desk.types(*batch())

    assert 2 == said.code
    assert "--resume" in said.err
    assert 1 == len(desk.simulator.ledger.creates)


async def test_a_changed_file_is_refused_where_it_changed(desk: Desk) -> None:
    """New rows are welcome; a row whose words changed after it was begun is refused by its line."""
    desk.writes("jobs.csv", TOURS[:2])
    await desk.types(*batch())
    desk.writes("jobs.csv", TOURS[:3])
    longer = await desk.types(*batch("--resume"))
    desk.writes("jobs.csv", [TOURS[0], {**TOURS[1], "prompt": "Something else"}])
    changed = await desk.types(*batch("--resume"))

    assert (0, 2) == (longer.code, changed.code)
    assert "line 3: job 'room-1' was begun" in changed.err
    assert 3 == len(desk.simulator.ledger.creates)


async def test_rows_taken_away_are_told(desk: Desk) -> None:
    """A session begun earlier whose row is gone is left alone, and named."""
    desk.writes("jobs.csv", TOURS[:2])
    await desk.types(*batch("--timeout", "5"))
    desk.writes("jobs.csv", TOURS[:1])
    said = await desk.types(*batch("--resume"))

    assert 0 == said.code
    assert "no longer in the file, so left alone: room-1" in said.err


# ---- trouble ------------------------------------------------------------------------------------------------------


async def test_a_flaky_service_costs_nothing_twice(desk: Desk) -> None:
    """With a tenth of all exchanges failing, there is one session and one video for each row."""
    weather = tuple(name for name, fault in FAULTS.items() if fault.survivable and name not in SLOW)
    desk.simulator.faults.mix(0.1, seed=4, only=weather)
    desk.writes("jobs.csv", TOURS)
    said = await desk.types(*batch())
    again = await desk.types(*batch("--resume")) if said.code else said

    assert 0 == again.code
    assert (KEYS, 12) == (sorted(by_key(desk)), len(desk.simulator.ledger.creates))


async def test_a_service_that_goes_away_loses_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody answers any more, jobs are unfinished and not failed, and go on when somebody does."""
    desk.writes("jobs.csv", TOURS[:2])
    monkeypatch.setenv("HEYGEN_API_BASE", "http://127.0.0.1:9")
    first = await desk.types(*batch())
    monkeypatch.setenv("HEYGEN_API_BASE", desk.simulator.base_url)
    second = await desk.types(*batch("--resume"))

    assert (1, 0) == (first.code, second.code)
    assert "unfinished room-0  No connection" in first.out
    assert 2 == len(by_key(desk))


async def test_a_poor_wallet_begins_nothing(desk: Desk) -> None:
    """With `--min-balance` a wallet with less ends it with 3 before anything is created."""
    desk.writes("jobs.csv", TOURS[:1])
    said = await desk.types(*batch("--min-balance", "1000000"))

    assert 3 == said.code
    assert [] == desk.simulator.ledger.creates


async def test_nothing_secret_is_written_down(desk: Desk) -> None:
    """Neither the report nor the journal has the key or a presigned link in it."""
    desk.writes("jobs.csv", TOURS[:2])
    await desk.types(*batch())
    written = journal(desk).read_text() + json.dumps(desk.results())

    assert desk.simulator.api_key not in written
    assert "://" not in written
