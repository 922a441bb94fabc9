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
    from cli.terminal_user import TerminalUser

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


async def session_of(user: TerminalUser) -> str:
    """Start a session that waits for a review; return its id."""
    made = await user.types("run", "A tour", "--review")
    assert 1 == made.code
    return user.simulator.ledger.sessions[-1]


async def test_a_prompt_becomes_a_file(user: TerminalUser) -> None:
    """`run` shows each transition and what the agent says, and ends with the file."""
    printed = await user.types("run", "A tour of our bakery", "--out", "films", "--orientation", "portrait")
    [film] = (user.folder / "films").glob("*.mp4")

    assert (0, "") == (printed.code, printed.err)
    assert ["session", *["status"] * 2, "agent", "status", "agent", "video"] == printed.labels()
    assert printed.out.splitlines()[-1].endswith(f"films/{film.name}")


async def test_a_file_can_be_named(user: TerminalUser) -> None:
    """`--out` that ends in .mp4 is the file."""
    await user.types("run", "A tour", "--out", "tour.mp4")

    assert b"ftyp" in (user.folder / "tour.mp4").read_bytes()[:12]


async def test_attachments_go_along(user: TerminalUser) -> None:
    """A path is uploaded, an address is passed on."""
    (user.folder / "oven.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 50)
    printed = await user.types("run", "A tour", "-f", "oven.png", "--file", "https://example.com/a.pdf")

    assert 0 == printed.code
    assert 1 == user.simulator.ledger.requests["asset_upload"].total()


async def test_a_file_in_the_home_of_nobody_is_told(user: TerminalUser) -> None:
    """A path that leads nowhere is a mistake of the command, said in words, before a session is made."""
    printed = await user.types("run", "A tour", "--file", "~nobody-of-this-name/oven.png")

    assert 2 == printed.code
    assert "~nobody-of-this-name/oven.png" in printed.err
    assert [] == user.simulator.ledger.creates


async def test_a_review_asks_until_the_video_is_there(user: TerminalUser, answers: Answers) -> None:
    """With `--review` an answer is sent, Enter approves, and the storyboard's links are whole and told once."""
    answers("Warmer opening shot\n\n")
    printed = await user.types("run", "A tour", "--review")
    links = [line.split()[1] for line in printed.out.splitlines() if line.startswith("resource")]

    assert 0 == printed.code
    assert ["Warmer opening shot"] == [it.text for it in user.simulator.ledger.messages][:1]
    assert 2 == len(user.simulator.ledger.messages)
    assert 6 == len(set(links)) == len(links)
    assert 1 == printed.out.count(" -> completed")


async def test_a_question_needs_an_answer(user: TerminalUser, answers: Answers) -> None:
    """Enter is no answer to a question of the agent's: it is asked again."""
    user.simulator.script(Scenario.question())
    answers("\n\nnewcomers\n\n")
    printed = await user.types("run", "A tour", "--review")

    assert 0 == printed.code
    assert "newcomers" == user.simulator.ledger.messages[0].text


@pytest.mark.parametrize("blank", ["   ", "\t", "\ufeff", "\u200e ", "\x1b[A", "\xa0\u200b"])
async def test_what_nobody_sees_approves_nothing(user: TerminalUser, answers: Answers, blank: str) -> None:
    """A line of spaces or invisible marks is asked again, and nothing is sent."""
    answers(f"{blank}\n/stop\n")
    printed = await user.types("run", "A tour", "--review")

    assert 2 == printed.out.count("Your answer")
    assert ([], 1) == (user.simulator.ledger.messages, printed.code)


@pytest.mark.parametrize("line", ["", "/approve", " /Approve "])
async def test_a_word_or_an_empty_line_approves(user: TerminalUser, answers: Answers, line: str) -> None:
    """A review is approved by the empty line of its prompt, or by the word for it."""
    answers(f"{line}\n")
    printed = await user.types("run", "A tour", "--review")

    assert (0, 1) == (printed.code, len(user.simulator.ledger.messages))
    assert line.strip() not in {it.text for it in user.simulator.ledger.messages} - {""}


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
async def test_an_enter_too_early_approves_nothing(anyio_backend: object) -> None:
    """What was typed before the question is dropped, where a person types."""
    far, near = os.openpty()
    with os.fdopen(near) as terminal, os.fdopen(far, "wb", buffering=0) as hands:
        keyboard = Keyboard(terminal)
        hands.write(b"\n\n")
        keyboard.discard()
        hands.write(b"Warmer\n")

        assert "Warmer" == await keyboard.line()


async def test_a_reviewer_can_stop(user: TerminalUser, answers: Answers) -> None:
    """`/stop` ends the session's run and the command."""
    answers("/stop\n")
    printed = await user.types("run", "A tour", "--review")

    assert 1 == printed.code
    assert user.simulator.ledger.sessions == user.simulator.ledger.stops


async def test_without_answers_the_next_step_is_told(user: TerminalUser, nobody: None) -> None:
    """When input ends at a question, the commands that answer it are named."""
    printed = await user.types("run", "A tour", "--review")
    [session] = user.simulator.ledger.sessions

    assert 1 == printed.code
    assert f"`heygen-async approve {session}`, or `heygen-async send {session}" in printed.err


async def test_a_conversation_in_single_commands(user: TerminalUser, nobody: None) -> None:
    """`watch`, `send`, `approve` and `download` lead to the video, each telling the next step."""
    session = await session_of(user)
    sent = await user.types("send", session, "Warmer opening shot")
    watched = await user.types("watch", session)
    approved = await user.types("approve", session)
    downloaded = await user.types("download", session, "--out", "tour.mp4")

    assert [0, 0, 0, 0] == [it.code for it in (sent, watched, approved, downloaded)]
    assert f"heygen-async watch {session}" in sent.err
    assert f"heygen-async approve {session}" in watched.err
    assert f"heygen-async download {session}" in approved.err
    assert (user.folder / "tour.mp4").exists()


async def test_a_second_approval_pays_for_no_second_video(user: TerminalUser, nobody: None) -> None:
    """`approve` of a session that is completed is refused, where the service would begin a revision."""
    session = await session_of(user)
    await user.types("approve", session)
    await user.types("download", session)
    again = await user.types("approve", session)

    assert 1 == again.code
    assert "completed" in again.err
    assert f"heygen-async download {session}" in again.err
    assert 1 == len(user.simulator.ledger.messages)


async def test_a_session_can_be_stopped(user: TerminalUser, nobody: None) -> None:
    """`stop` asks the service once."""
    session = await session_of(user)
    printed = await user.types("stop", session)

    assert (0, [session]) == (printed.code, user.simulator.ledger.stops)


async def test_a_pause_instead_of_a_video_is_told(user: TerminalUser) -> None:
    """An agent that asks something although nobody reviews is answered with a command that is named."""
    user.simulator.script(Scenario.question())
    printed = await user.types("run", "A tour")
    [session] = user.simulator.ledger.sessions

    assert 1 == printed.code
    assert f"heygen-async send {session} 'your answer'" in printed.err


async def test_sessions_are_listed_newest_first(user: TerminalUser) -> None:
    """`sessions` has one line each, and no more than asked for."""
    for number in range(3):
        await user.types("run", f"Tour {number}", "--timeout", "1")
    ids = user.simulator.ledger.sessions
    printed = await user.types("sessions", "--limit", "2")
    given = await user.types("sessions", "--json")

    assert ids[:0:-1] == [line.split()[0] for line in printed.out.splitlines()]
    assert ids[::-1] == [event["session_id"] for event in given.events]
    assert {"thinking"} == {event["status"] for event in given.events}
    assert all("thinking" in line for line in printed.out.splitlines())


async def test_a_session_that_cannot_be_read_is_listed_all_the_same(user: TerminalUser) -> None:
    """A status that is not known is a question mark."""
    user.simulator.faults.add("early_404", polls=1000, times=None)
    await user.types("run", "A tour", "--timeout", "1")
    printed = await user.types("sessions")

    assert 0 == printed.code
    assert "  ?  " in printed.out


# ---- ends ---------------------------------------------------------------------------------------------------------


async def test_a_failure_is_told_with_its_reason(user: TerminalUser) -> None:
    """A session that fails ends `run` and `watch` with 1 and the agent's reason."""
    user.simulator.script(
        replace(Scenario.failing("generating"), failure_reason="The voice is not available.")
    )
    ran = await user.types("run", "A tour")
    watched = await user.types("watch", user.simulator.ledger.sessions[0])

    assert (1, 1) == (ran.code, watched.code)
    assert "The voice is not available." in ran.err
    assert "The voice is not available." in watched.err


async def test_time_runs_out(user: TerminalUser) -> None:
    """`--timeout` ends the wait with 4 and the command that goes on with it."""
    user.simulator.script(Scenario.stuck())
    printed = await user.types("run", "A tour", "--timeout", "60")
    [session] = user.simulator.ledger.sessions

    assert 4 == printed.code
    assert f"heygen-async download {session}" in printed.err


@pytest.mark.parametrize(
    ("fault", "code"), [("unauthorized_once", 3), ("payment_required", 3), ("forbidden", 3)]
)
async def test_key_and_credit_have_their_own_code(user: TerminalUser, fault: str, code: int) -> None:
    """What no other prompt would change is 3, with a hint."""
    user.simulator.faults.add(fault, on="create")
    printed = await user.types("run", "A tour")

    assert code == printed.code
    assert ["error", "hint"] == [line.split()[0] for line in printed.err.splitlines()]


async def test_a_typo_in_the_key_is_hinted_at(user: TerminalUser, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong key is 3, says which variable it came from, and shows nothing of it."""
    monkeypatch.setenv("HEYGEN_API_KEY", "sk_wrong_but_still_secret")
    printed = await user.types("run", "A tour", "--json")

    assert 3 == printed.code
    assert "HEYGEN_API_KEY" in printed.err
    assert "Unauthorized" == printed.events[-1]["kind"]
    assert "still_secret" not in printed.out + printed.err


async def test_no_key_is_told_with_what_to_do(user: TerminalUser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key the command says where to get one, and how to give it."""
    monkeypatch.delenv("HEYGEN_API_KEY")
    printed = await user.types("sessions")

    assert 3 == printed.code
    assert "export HEYGEN_API_KEY=" in printed.err


async def test_an_unsafe_address_is_usage(user: TerminalUser, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is not sent in the open: such an address is 2."""
    monkeypatch.setenv("HEYGEN_API_BASE", "http://example.com")
    printed = await user.types("sessions")

    assert 2 == printed.code
    assert "https" in printed.err


async def test_a_service_that_is_gone_is_named(user: TerminalUser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody answers, a line says at once that it is tried again, and the error where that was."""
    monkeypatch.setenv("HEYGEN_API_BASE", "http://127.0.0.1:9")
    printed = await user.types("run", "A tour")

    assert 1 == printed.code
    assert 1 == len([line for line in printed.out.splitlines() if line.startswith("waiting")])
    assert "nothing listens at 127.0.0.1:9. Trying again." in printed.out
    assert "127.0.0.1" in printed.err
    assert "nothing was sent" in printed.err
    assert "HEYGEN_API_BASE" in printed.err


async def test_an_outage_is_shown(user: TerminalUser) -> None:
    """While a session cannot be read, `run` says so, and says when it can again."""
    user.simulator.faults.add("reset_before", on="get", times=5)
    printed = await user.types("run", "A tour")
    outages = [line for line in printed.out.splitlines() if line.startswith("outage")]

    assert 0 == printed.code
    assert "trying on" in outages[0]
    assert "answers again" in outages[-1]


async def test_hints_are_for_the_shell(user: TerminalUser) -> None:
    """What to do is told in commands and variables, not in Python."""
    await user.types("run", "A tour", "--out", "tour.mp4")
    [session] = user.simulator.ledger.sessions
    kept = await user.types("download", session, "--out", "tour.mp4")
    user.simulator.faults.add("payment_required", on="create")
    poor = await user.types("run", "A tour")

    assert (1, 3) == (kept.code, poor.code)
    assert "move that file away" in kept.err
    assert "https://app.heygen.com" in poor.err
    assert not {"overwrite=True", "await"} & set((kept.err + poor.err).split())


async def test_a_create_in_doubt_is_not_repeated(user: TerminalUser) -> None:
    """When a create is in doubt, the command that lists sessions is named, and nothing is sent again."""
    user.simulator.faults.add("reset_after_processing", on="create", times=None)
    user.simulator.faults.add("error_500", on="list", times=None)
    printed = await user.types("run", "A tour")

    assert 1 == printed.code
    assert "heygen-async sessions" in printed.err
    assert 1 == len(user.simulator.ledger.creates)


@pytest.mark.parametrize(
    ("words", "given"),
    [
        pytest.param(["run"], "The prompt is missing", id="nothing to make"),
        pytest.param(["rum", "A tour"], 'Did you mean "run"?', id="unknown command"),
        pytest.param(["run", "A", "tour"], "heygen-async run 'A tour'", id="prompt without quotes"),
        pytest.param(
            ["send", "sess_1", "Warmer", "light"], "send sess_1 'Warmer light'", id="answer without quotes"
        ),
        pytest.param(["watch", "sess_1", "sess_2"], "Words are left over: sess_2", id="one word too many"),
        pytest.param(["run", "A tour", "--orientation", "up"], "landscape", id="unknown value"),
        pytest.param(["run", "A tour", "--timeout", "-1"], "--timeout", id="negative time"),
        pytest.param(["run", "x" * 10_001], "prompt", id="too long"),
        pytest.param(["watch", ".."], "session_id", id="no id"),
        pytest.param(["sessions", "--limit", "0"], "--limit", id="no limit"),
        pytest.param(["batch", "jobs.csv"], "--out", id="no folder"),
        pytest.param(["run", "A tour", "--api-key", "sk_1"], "HEYGEN_API_KEY", id="a key as an argument"),
        pytest.param(["batch", "--api-key", "sk_1", "a.csv"], "HEYGEN_API_KEY", id="a key in between"),
        pytest.param(["run", "A tour", "--api-key=sk_1"], "HEYGEN_API_KEY", id="a key with an equals sign"),
    ],
)
async def test_mistakes_are_told_in_words(user: TerminalUser, words: list[str], given: str) -> None:
    """A mistake is 2, with a sentence on it and one on what to do, and sends nothing."""
    printed = await user.types(*words)

    assert 2 == printed.code
    assert given in printed.err
    assert "sk_1" not in printed.err
    assert ["error", "hint"] == [line.split()[0] for line in printed.err.splitlines()]
    assert 0 == user.simulator.ledger.total_requests


# ---- for programs, and against evil -------------------------------------------------------------------------------


async def test_a_program_gets_objects(user: TerminalUser) -> None:
    """With `--json` every line is an object with its event, down to the path of the file."""
    printed = await user.types("run", "A tour", "--json")
    kinds = [event["event"] for event in printed.events]

    assert {"session", "status", "progress", "agent", "video"} == set(kinds)
    assert ["thinking", "generating", "completed"] == [
        event["status"] for event in printed.events if event["event"] == "status"
    ]
    assert (user.folder / printed.events[-1]["path"]).exists()


async def test_a_program_is_told_what_to_review(user: TerminalUser, answers: Answers) -> None:
    """With `--json` the agent's words and the storyboard's links are there too."""
    answers("\n")
    printed = await user.types("run", "A tour", "--review", "--json")
    words = [event["content"] for event in printed.events if event["event"] == "agent"]
    links = [event["url"] for event in printed.events if event["event"] == "resource"]

    assert "Here is the storyboard. Shall I go ahead?" == words[0]
    assert 3 == len(links)
    assert all("://" in link for link in links)


async def test_an_agent_cannot_act_on_the_terminal(user: TerminalUser, nobody: None) -> None:
    """What an agent says is shown without its control characters, and as the failure's reason too."""
    says = (Line(content=EVIL),)
    user.simulator.script(Scenario(opening=(Step(status="thinking", seconds=5, says=says),)))
    user.simulator.script(replace(Scenario.failing("generating"), failure_reason=EVIL), prompt="Fail")
    printed = await user.types("run", "A tour", "--timeout", "60")
    failed = await user.types("run", "Fail")

    assert "agent    [red]Look here\n" in printed.out
    assert "[red]Look" in failed.err
    assert not {"\x1b", "\x07", "\u202e"} & set(printed.out + printed.err + failed.out + failed.err)
