"""The commands about one session, as a user meets them."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from heygen_async._cli.prompt import Keyboard
from heygen_async.testing import Line, Scenario, Step

if TYPE_CHECKING:
    from cli.desk import Desk

EVIL = "\x1b]0;owned\x07[red]Look\x1b[2J here\u202e"


Answers = Callable[[str], None]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    """Put lines on standard input."""
    with ExitStack() as stack:

        def put(text: str) -> None:
            read, write = os.pipe()
            os.write(write, text.encode())
            os.close(write)
            pipe = stack.enter_context(os.fdopen(read, "rb"))
            monkeypatch.setattr(sys, "stdin", stack.enter_context(io.TextIOWrapper(pipe)))

        yield put


@pytest.fixture
def nobody(answers: Answers) -> None:
    """Nothing on standard input."""
    answers("")


async def session_of(desk: Desk) -> str:
    """Start a session that waits for a review; return its id."""
    made = await desk.types("run", "A tour", "--review")
    assert 1 == made.code
    return desk.simulator.ledger.sessions[-1]


async def test_a_prompt_becomes_a_file(desk: Desk) -> None:
    """`run` shows each transition and what the agent says, and ends with the file."""
    said = await desk.types("run", "A tour of our bakery", "--out", "films", "--orientation", "portrait")
    [film] = (desk.folder / "films").glob("*.mp4")

    assert (0, "") == (said.code, said.err)
    assert ["session", *["status"] * 2, "agent", "status", "agent", "video"] == said.labels()
    assert said.out.splitlines()[-1].endswith(f"films/{film.name}")


async def test_a_file_can_be_named(desk: Desk) -> None:
    """`--out` that ends in .mp4 is the file."""
    await desk.types("run", "A tour", "--out", "tour.mp4")

    assert b"ftyp" in (desk.folder / "tour.mp4").read_bytes()[:12]


async def test_attachments_go_along(desk: Desk) -> None:
    """A path is uploaded, an address is passed on."""
    (desk.folder / "oven.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 50)
    said = await desk.types("run", "A tour", "-f", "oven.png", "--file", "https://example.com/a.pdf")

    assert 0 == said.code
    assert 1 == desk.simulator.ledger.requests["asset_upload"].total()


async def test_a_file_in_the_home_of_nobody_is_told(desk: Desk) -> None:
    """A path that leads nowhere ends it in words, before a session is made."""
    said = await desk.types("run", "A tour", "--file", "~nobody-of-this-name/oven.png")

    assert 1 == said.code
    assert "~nobody-of-this-name/oven.png" in said.err
    assert [] == desk.simulator.ledger.creates


async def test_a_review_asks_until_the_video_is_there(desk: Desk, answers: Answers) -> None:
    """With `--review` an answer is sent, Enter approves, and the storyboard's links are whole and told once."""
    answers("Warmer opening shot\n\n")
    said = await desk.types("run", "A tour", "--review")
    links = [line.split()[1] for line in said.out.splitlines() if line.startswith("resource")]

    assert 0 == said.code
    assert ["Warmer opening shot"] == [it.text for it in desk.simulator.ledger.messages][:1]
    assert 2 == len(desk.simulator.ledger.messages)
    assert 6 == len(set(links)) == len(links)
    assert 1 == said.out.count(" -> completed")


async def test_a_question_needs_an_answer(desk: Desk, answers: Answers) -> None:
    """Enter is no answer to a question of the agent's: it is asked again."""
    desk.simulator.script(Scenario.question())
    answers("\n\nnewcomers\n\n")
    said = await desk.types("run", "A tour", "--review")

    assert 0 == said.code
    assert "newcomers" == desk.simulator.ledger.messages[0].text


@pytest.mark.parametrize("blank", ["   ", "\t", "\ufeff", "\u200e ", "\x1b[A"])
async def test_what_nobody_sees_approves_nothing(desk: Desk, answers: Answers, blank: str) -> None:
    """A line of spaces or invisible marks is asked again, and nothing is sent."""
    answers(f"{blank}\n/stop\n")
    said = await desk.types("run", "A tour", "--review")

    assert 2 == said.out.count("Your answer")
    assert ([], 1) == (desk.simulator.ledger.messages, said.code)


@pytest.mark.parametrize("line", ["", "/approve", " /Approve "])
async def test_a_word_or_an_empty_line_approves(desk: Desk, answers: Answers, line: str) -> None:
    """A review is approved by the empty line of its prompt, or by the word for it."""
    answers(f"{line}\n")
    said = await desk.types("run", "A tour", "--review")

    assert (0, 1) == (said.code, len(desk.simulator.ledger.messages))
    assert line.strip() not in {it.text for it in desk.simulator.ledger.messages} - {""}


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
async def test_an_enter_too_early_approves_nothing(anyio_backend: object) -> None:
    """What was typed before the question is dropped, where a person types."""
    far, near = os.openpty()
    with os.fdopen(near) as terminal, os.fdopen(far, "wb", buffering=0) as hands:
        keyboard = Keyboard(terminal)
        hands.write(b"\n\n")
        keyboard.forget()
        hands.write(b"Warmer\n")

        assert "Warmer" == await keyboard.line()


async def test_a_reviewer_can_stop(desk: Desk, answers: Answers) -> None:
    """`/stop` ends the session's run and the command."""
    answers("/stop\n")
    said = await desk.types("run", "A tour", "--review")

    assert 1 == said.code
    assert desk.simulator.ledger.sessions == desk.simulator.ledger.stops


async def test_without_answers_the_next_step_is_told(desk: Desk, nobody: None) -> None:
    """When input ends at a question, the commands that answer it are named."""
    said = await desk.types("run", "A tour", "--review")
    [session] = desk.simulator.ledger.sessions

    assert 1 == said.code
    assert f"heygen-async approve {session}, or heygen-async send {session}" in said.err


async def test_a_conversation_in_single_commands(desk: Desk, nobody: None) -> None:
    """`watch`, `send`, `approve` and `download` lead to the video, each telling the next step."""
    session = await session_of(desk)
    sent = await desk.types("send", session, "Warmer opening shot")
    watched = await desk.types("watch", session)
    approved = await desk.types("approve", session)
    downloaded = await desk.types("download", session, "--out", "tour.mp4")

    assert [0, 0, 0, 0] == [it.code for it in (sent, watched, approved, downloaded)]
    assert f"heygen-async watch {session}" in sent.err
    assert f"heygen-async approve {session}" in watched.err
    assert f"heygen-async download {session}" in approved.err
    assert (desk.folder / "tour.mp4").exists()


async def test_a_second_approval_pays_for_no_second_video(desk: Desk, nobody: None) -> None:
    """`approve` of a session that is completed is refused, where the service would begin a revision."""
    session = await session_of(desk)
    await desk.types("approve", session)
    await desk.types("download", session)
    again = await desk.types("approve", session)

    assert 1 == again.code
    assert "completed" in again.err
    assert f"heygen-async download {session}" in again.err
    assert 1 == len(desk.simulator.ledger.messages)


async def test_a_session_can_be_stopped(desk: Desk, nobody: None) -> None:
    """`stop` asks the service once."""
    session = await session_of(desk)
    said = await desk.types("stop", session)

    assert (0, [session]) == (said.code, desk.simulator.ledger.stops)


async def test_a_pause_instead_of_a_video_is_told(desk: Desk) -> None:
    """An agent that asks something although nobody reviews is answered with a command that is named."""
    desk.simulator.script(Scenario.question())
    said = await desk.types("run", "A tour")
    [session] = desk.simulator.ledger.sessions

    assert 1 == said.code
    assert f"heygen-async send {session} 'your answer'" in said.err


async def test_sessions_are_listed_newest_first(desk: Desk) -> None:
    """`sessions` has one line each, and no more than asked for."""
    for number in range(3):
        await desk.types("run", f"Tour {number}", "--timeout", "1")
    ids = desk.simulator.ledger.sessions
    said = await desk.types("sessions", "--limit", "2")
    told = await desk.types("sessions", "--json")

    assert ids[:0:-1] == [line.split()[0] for line in said.out.splitlines()]
    assert ids[::-1] == [event["session_id"] for event in told.events]


# ---- ends ---------------------------------------------------------------------------------------------------------


async def test_a_failure_is_told_with_its_reason(desk: Desk) -> None:
    """A session that fails ends `run` and `watch` with 1 and the agent's reason."""
    desk.simulator.script(
        replace(Scenario.failing("generating"), failure_reason="The voice is not available.")
    )
    ran = await desk.types("run", "A tour")
    watched = await desk.types("watch", desk.simulator.ledger.sessions[0])

    assert (1, 1) == (ran.code, watched.code)
    assert "The voice is not available." in ran.err
    assert "The voice is not available." in watched.err


async def test_time_runs_out(desk: Desk) -> None:
    """`--timeout` ends the wait with 4 and the command that goes on with it."""
    desk.simulator.script(Scenario.stuck())
    said = await desk.types("run", "A tour", "--timeout", "60")
    [session] = desk.simulator.ledger.sessions

    assert 4 == said.code
    assert f"heygen-async download {session}" in said.err


@pytest.mark.parametrize(
    ("fault", "code"), [("unauthorized_once", 3), ("payment_required", 3), ("forbidden", 3)]
)
async def test_key_and_credit_have_their_own_code(desk: Desk, fault: str, code: int) -> None:
    """What no other prompt would change is 3, with a hint."""
    desk.simulator.faults.add(fault, on="create")
    said = await desk.types("run", "A tour")

    assert code == said.code
    assert ["error", "hint"] == [line.split()[0] for line in said.err.splitlines()]


async def test_a_typo_in_the_key_is_hinted_at(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong key is 3, says which variable it came from, and shows nothing of it."""
    monkeypatch.setenv("HEYGEN_API_KEY", "sk_wrong_but_still_secret")
    said = await desk.types("run", "A tour", "--json")

    assert 3 == said.code
    assert "HEYGEN_API_KEY" in said.err
    assert "Unauthorized" == said.events[-1]["kind"]
    assert "still_secret" not in said.out + said.err


async def test_no_key_is_told_with_what_to_do(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key the command says where to get one, and how to give it."""
    monkeypatch.delenv("HEYGEN_API_KEY")
    said = await desk.types("sessions")

    assert 3 == said.code
    assert "export HEYGEN_API_KEY=" in said.err


async def test_an_unsafe_address_is_usage(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is not sent in the open: such an address is 2."""
    monkeypatch.setenv("HEYGEN_API_BASE", "http://example.com")
    said = await desk.types("sessions")

    assert 2 == said.code
    assert "https" in said.err


async def test_a_service_that_is_gone_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody answers, the error says where that was, and that nothing was sent."""
    monkeypatch.setenv("HEYGEN_API_BASE", "http://127.0.0.1:9")
    said = await desk.types("run", "A tour")

    assert 1 == said.code
    assert "127.0.0.1" in said.err
    assert "nothing was sent" in said.err
    assert "HEYGEN_API_BASE" in said.err


async def test_hints_are_for_the_shell(desk: Desk) -> None:
    """What to do is told in commands and variables, not in Python."""
    await desk.types("run", "A tour", "--out", "tour.mp4")
    [session] = desk.simulator.ledger.sessions
    kept = await desk.types("download", session, "--out", "tour.mp4")
    desk.simulator.faults.add("payment_required", on="create")
    poor = await desk.types("run", "A tour")

    assert (1, 3) == (kept.code, poor.code)
    assert "move that file away" in kept.err
    assert "https://app.heygen.com" in poor.err
    assert not {"overwrite=True", "await"} & set((kept.err + poor.err).split())


async def test_a_create_in_doubt_names_what_it_may_have_made(desk: Desk) -> None:
    """When sessions with the same words make it impossible to tell, they are named, and nothing is sent again."""
    desk.simulator.faults.add("reset_after_processing", on="create", times=None)
    await desk.types("run", "A tour", "--timeout", "1")
    said = await desk.types("run", "A tour")

    assert 1 == said.code
    assert all(session in said.err for session in desk.simulator.ledger.sessions)
    assert "heygen-async sessions" in said.err
    assert 2 == len(desk.simulator.ledger.creates)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(["run"], "PROMPT", id="nothing to make"),
        pytest.param(["rum", "A tour"], 'Did you mean "run"?', id="unknown command"),
        pytest.param(["run", "A", "tour"], "tour", id="prompt without quotes"),
        pytest.param(["run", "A tour", "--orientation", "up"], "landscape", id="unknown value"),
        pytest.param(["run", "A tour", "--timeout", "-1"], "--timeout", id="negative time"),
        pytest.param(["run", "x" * 10_001], "prompt", id="too long"),
        pytest.param(["watch", "../x"], "session_id", id="no id"),
        pytest.param(["sessions", "--limit", "0"], "--limit", id="no limit"),
        pytest.param(["batch", "jobs.csv"], "--out", id="no folder"),
        pytest.param(["run", "A tour", "--api-key", "sk_1"], "HEYGEN_API_KEY", id="a key as an argument"),
        pytest.param(["batch", "--api-key", "sk_1", "a.csv"], "HEYGEN_API_KEY", id="a key in between"),
        pytest.param(["run", "A tour", "--api-key=sk_1"], "HEYGEN_API_KEY", id="a key with an equals sign"),
    ],
)
async def test_mistakes_are_told_in_words(desk: Desk, words: list[str], told: str) -> None:
    """A mistake is 2, with a sentence on it and one on what to do, and sends nothing."""
    said = await desk.types(*words)

    assert 2 == said.code
    assert told in said.err
    assert "sk_1" not in said.err
    assert ["error", "hint"] == [line.split()[0] for line in said.err.splitlines()]
    assert 0 == desk.simulator.ledger.total_requests


# ---- for programs, and against evil -------------------------------------------------------------------------------


async def test_a_program_gets_objects(desk: Desk) -> None:
    """With `--json` every line is an object with its event, down to the path of the file."""
    said = await desk.types("run", "A tour", "--json")
    kinds = [event["event"] for event in said.events]

    assert {"session", "status", "progress", "agent", "video"} == set(kinds)
    assert ["thinking", "generating", "completed"] == [
        event["status"] for event in said.events if event["event"] == "status"
    ]
    assert (desk.folder / said.events[-1]["path"]).exists()


async def test_a_program_is_told_what_to_review(desk: Desk, answers: Answers) -> None:
    """With `--json` the agent's words and the storyboard's links are there too."""
    answers("\n")
    said = await desk.types("run", "A tour", "--review", "--json")
    words = [event["content"] for event in said.events if event["event"] == "agent"]
    links = [event["url"] for event in said.events if event["event"] == "resource"]

    assert "Here is the storyboard. Shall I go ahead?" == words[0]
    assert 3 == len(links)
    assert all("://" in link for link in links)


async def test_an_agent_cannot_act_on_the_terminal(desk: Desk, nobody: None) -> None:
    """What an agent says is shown without its control characters, and as the failure's reason too."""
    says = (Line(content=EVIL),)
    desk.simulator.script(Scenario(opening=(Step(status="thinking", seconds=5, says=says),)))
    desk.simulator.script(replace(Scenario.failing("generating"), failure_reason=EVIL), prompt="Fail")
    said = await desk.types("run", "A tour", "--timeout", "60")
    failed = await desk.types("run", "Fail")

    assert "agent    [red]Look here\n" in said.out
    assert "[red]Look here" in failed.err
    assert not {"\x1b", "\x07", "\u202e"} & set(said.out + said.err + failed.out + failed.err)
