"""What a batch shows on a screen while it runs."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from cli import picture
from heygen_async import Cadence, HeyGen, RequestEvent
from heygen_async._cli.batch import CommandOptions, make
from heygen_async._cli.output import Output
from heygen_async._cli.progress import Board
from heygen_async._cli.reachability import Reachability
from heygen_async._cli.report import Spending
from heygen_async.testing import MemoryTransport, Scenario

if TYPE_CHECKING:
    from cli.terminal_user import TerminalUser


class Clock:
    """Seconds that pass when told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def shown(board: Board, console: Console) -> list[list[str]]:
    """The words of each line of the board, without its bars."""
    with console.capture() as capture:
        console.print(board)
    return [re.sub("[━╸╺]", "", line).split() for line in capture.get().splitlines()]


@pytest.fixture
def clock() -> Clock:
    """The screen's clock."""
    return Clock()


@pytest.fixture
def console(clock: Clock) -> Console:
    """A screen of 90 by 12 characters."""
    return Console(file=io.StringIO(), width=90, height=12, get_time=clock, _environ={})


def test_a_session_shows_its_phase_and_its_end(console: Console, clock: Clock) -> None:
    """While progress moves the time left is guessed from the pace of this phase; before, time passed is shown."""
    board = Board(console, total=2, done=0)
    board.begin("a tour", "creating")
    clock.now += 5
    assert ["a", "tour", "creating", "0", "%", "5", "s"] == shown(board, console)[0]
    board.move("a tour", "generating", 40)
    clock.now += 30
    board.move("a tour", "generating", 70)

    assert ["a", "tour", "generating", "70", "%", "~30", "s", "left"] == shown(board, console)[0]


def test_the_money_stands_below(console: Console) -> None:
    """With a budget the board shows what is spent of it, and what is reserved for the sessions at work."""
    board = Board(console, total=2, done=0)
    board.begin("a tour", "creating")
    board.spending = Spending(spent=1200, reserved=35.5, max_spend=2000, currency="usd")

    assert "spent 1,200.00 of 2,000.00 usd, 35.50 reserved" == " ".join(shown(board, console)[-1])


def test_the_whole_counts_what_has_ended(console: Console) -> None:
    """Jobs of earlier runs count, late ones do not, and what went wrong stands beside."""
    board = Board(console, total=1500, done=1200)
    board.begin("one", "thinking")
    board.end("one", done=True, trouble="1 failed")
    board.end("two", done=False, trouble="1 failed, 1 late")
    [line] = shown(board, console)

    assert "videos 1201/1500 1 failed, 1 late" == " ".join(line[:6])


def test_more_sessions_than_lines_are_counted(console: Console) -> None:
    """A small screen shows the first sessions and how many there are besides."""
    board = Board(console, total=100, done=0)
    for number in range(50):
        board.begin(f"job-{number}", "thinking")
    lines = shown(board, console)

    assert len(lines) <= 12
    assert ["and", "44", "more"] == lines[-2]


def test_what_the_terminal_writes_itself_finds_room(console: Console) -> None:
    """The board leaves three columns free, so that the ^C of a terminal does not wrap and spoil it."""
    board = Board(console, total=1, done=0)
    board.move("x" * 50, "generating", 50)
    with console.capture() as capture:
        console.print(board)

    assert 87 == max(len(line) for line in capture.get().splitlines())


def test_a_narrow_screen_has_room_for_names() -> None:
    """On forty columns each session still has its whole name, its phase and how far it is."""
    narrow = Console(file=io.StringIO(), width=40, height=12, _environ={})
    board = Board(narrow, total=1, done=0)
    board.move("espresso-11", "waiting_for_input", 40)

    assert ["espresso-11", "waiting", "for", "input", "40", "%"] == shown(board, narrow)[0]


def test_a_key_cannot_act_on_the_screen(console: Console) -> None:
    """Keys and statuses are shown without control characters and markup, on one line."""
    board = Board(console, total=1, done=0)
    board.move("[red]\x1b[2J\nkey", "a\x1b[31m_new_status", 3)

    assert ["[red]", "key", "a", "new", "status", "3", "%", "0", "s"] == shown(board, console)[0]


async def test_failures_scroll_by_above_the_board(
    user: TerminalUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a screen the board is drawn again and again, failures stay, and at the end the cursor is back."""
    monkeypatch.setenv("TERM", "xterm")
    user.simulator.script(Scenario.failing("generating"), prompt="Bad")
    user.writes("jobs.csv", [{"key": "good", "prompt": "Good"}, {"key": "bad", "prompt": "Bad"}])
    screen = Screen()
    options = CommandOptions(jobs="jobs.csv", out=user.folder / "videos")
    async with HeyGen(
        user.simulator.api_key, http=MemoryTransport(user.simulator), cadence=Cadence.constant(2)
    ) as heygen:
        code = await make(heygen, options, Output(out=screen))
    text = screen.getvalue()

    assert 1 == code
    assert "failed   bad" in text
    assert "video    good" not in text
    assert "videos" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "1  completed" in text[text.rindex("\x1b[?25h") :]


async def test_without_a_screen_there_are_only_lines(user: TerminalUser) -> None:
    """In a file there are no bars and no codes, and a line for each job that begins and that ends."""
    user.writes("jobs.csv", [{"key": "good", "prompt": "Good"}])
    printed = await user.types("batch", "jobs.csv", "--out", "videos")

    assert ["jobs", "created", "video"] == [line.split()[0] for line in printed.out.splitlines()[:-1]]
    assert not set("━\x1b\r") & set(printed.out)


@pytest.mark.parametrize("width", picture.WIDTHS)
def test_the_recordings_of_the_readme_are_small_and_self_contained(width: int) -> None:
    """A recording is valid SVG of a bounded size that fetches nothing from anywhere and runs no script."""
    svg = picture.path_of(width).read_text(encoding="utf-8")
    links = set(re.findall(r"https?://[^\"' )]+", svg))

    assert len(svg) < 160_000
    assert {"http://www.w3.org/2000/svg"} >= links - {"https://www.textualize.io"}
    assert ET.fromstring(svg).tag.endswith("svg")
    assert "<script" not in svg


def test_the_recordings_are_current() -> None:
    """What the page shows is what a run against the simulator shows now, word for word; `nox -s picture` mends it."""
    kept = {width: picture.path_of(width).read_text(encoding="utf-8") for width in picture.WIDTHS}
    words = (
        "videos",
        "generating",
        "thinking",
        "Content&#160;policy.",
        "reserved",
        "81.80&#160;of&#160;90.00",
    )

    for width, svg in picture.recordings().items():
        assert texts(svg) == texts(kept[width])  # in whatever order jobs began at the same moment
        assert [] == [word for word in words if word not in svg]


def texts(svg: str) -> set[str]:
    """Return what a recording says, but for ids and numbers: a frame may be drawn a moment earlier or later."""
    found = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    return {
        re.sub(r"\d+", "0", re.sub(r"sess_\w+", "an id", text)).replace("&#0;", "").rstrip() for text in found
    }


def test_an_outage_is_shown_in_place_of_guesses(console: Console) -> None:
    """While the service does not answer the board says for how long, and guesses no end; afterwards it does again."""
    clock = [0.0]
    console.get_time = lambda: clock[0]
    reachability = Reachability(console.get_time)
    board = Board(console, total=1, done=0, reachability=reachability)
    board.move("tour", "generating", 10)
    clock[0] = 30.0
    board.move("tour", "generating", 40)
    assert "~45 s left" in " ".join(shown(board, console)[0])

    reachability.record(request(None))
    clock[0] = 70.0
    reachability.record(request(502))
    lines = [" ".join(line) for line in shown(board, console)]
    assert "not reached for 40 s, trying on" == lines[-1]
    assert not any("~" in line for line in lines)

    reachability.record(request(200))
    assert "~" in " ".join(shown(board, console)[0])


def request(status: int | None) -> RequestEvent:
    """A poll that was answered so."""
    return RequestEvent(
        method="GET", route="/v3/video-agents/{session_id}", status=status, elapsed=1.0, attempt=1
    )
