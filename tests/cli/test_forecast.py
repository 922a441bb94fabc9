"""A batch before it is paid for, and within a budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cli.terminal_user import TerminalUser

PROMPT = "A short video about coffee"
ROWS = [
    {"key": f"v{n}", "prompt": f"{PROMPT} {n}", "expected_seconds": "20", "max_seconds": "30"}
    for n in range(3)
]
PRICE = ("--rate", "0.1")


async def test_a_dry_run_says_number_cost_and_time(user: TerminalUser) -> None:
    """`--dry-run` says how many videos, what they cost and how long it takes, from least to most, and sends nothing."""
    user.writes("jobs.csv", ROWS)
    shown = await user.types("batch", "jobs.csv", "--out", "v", "--dry-run", *PRICE, "--max-in-flight", "2")
    [forecast] = (await user.types("batch", "jobs.csv", "--out", "v", "--dry-run", "--json", *PRICE)).events

    assert 0 == shown.code
    assert "3 videos; 6.00 to 9.00 usd; 6 min 00 s to 1 h 30 min, 2 at a time" in shown.out
    assert (3, 6.0, 9.0) == (forecast["jobs"], forecast["least_cost"], forecast["most_cost"])
    assert not user.simulator.ledger.requests
    assert not (user.folder / "v").exists()


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        (ROWS, (), "give the price of a second of video with --rate"),
        ([{"key": "a", "prompt": PROMPT}], PRICE, "1 have neither max_seconds nor expected_seconds"),
    ],
    ids=["no rate", "no lengths"],
)
async def test_an_unknown_cost_is_said_to_be_unknown(
    user: TerminalUser, rows: list[dict[str, str]], options: tuple[str, ...], words: str
) -> None:
    """Without a price or lengths there is no guess, but what is needed for one."""
    user.writes("jobs.csv", rows)
    shown = await user.types("batch", "jobs.csv", "--out", "v", "--dry-run", *options)

    assert (0, True) == (shown.code, words in shown.out)


async def test_a_check_names_what_is_wrong_by_its_line(user: TerminalUser) -> None:
    """`--check` shows all that would be refused or fail in silence, by line, and creates nothing."""
    looks = [{"avatar_id": "look_1"}, {"avatar_id": "grp_1"}, {"avatar_id": "look_6"}]
    user.writes("jobs.csv", [{**row, **look} for row, look in zip(ROWS, looks, strict=True)])
    shown = await user.types("batch", "jobs.csv", "--out", "v", "--check")
    events = (await user.types("batch", "jobs.csv", "--out", "v", "--check", "--json")).events

    assert 1 == shown.code
    assert "line 3 (v1): avatar_id" in shown.out
    assert [3, 4] == [event["line"] for event in events if event["event"] == "wrong"]
    assert [] == user.simulator.ledger.creates


async def test_a_check_names_faults_of_the_file_too(user: TerminalUser) -> None:
    """What is wrong with rows as they are written, and with what they name, is shown in one run, by line."""
    unknown = {"prompt": PROMPT, "avatar_id": "look_77"}
    user.writes("jobs.csv", [unknown, {"prompt": "", "avatar_id": "look_1"}, unknown])
    shown = await user.types("batch", "jobs.csv", "--out", "v", "--check")
    lines = [line.partition(":")[0] for line in shown.out.splitlines()]

    assert 2 == shown.code
    assert ["wrong    line 2 (row-1)", "wrong    line 3", "wrong    line 4 (row-3)"] == lines[:3]
    assert "3 jobs: 3 would fail or be refused" in shown.out


async def test_a_check_of_good_jobs_is_exit_code_0(user: TerminalUser) -> None:
    """When nothing is wrong a script can go on."""
    user.writes("jobs.csv", ROWS)
    shown = await user.types("batch", "jobs.csv", "--out", "v", "--check", "--dry-run", *PRICE)

    assert 0 == shown.code
    assert "3 jobs: nothing is wrong" in shown.out
    assert "3 videos" in shown.out


async def test_a_budget_is_kept(user: TerminalUser) -> None:
    """Nothing is created for which there is no money; the rest comes back as not started, and the sum is shown."""
    user.writes("jobs.csv", ROWS)
    shown = await user.types("batch", "jobs.csv", "--out", "v", *PRICE, "--max-spend", "3.5")

    assert 1 == shown.code
    assert 2 == len(
        user.simulator.ledger.creates
    )  # a video has four seconds, and three are reserved for each
    assert "0.80 of 3.50 usd" in shown.out
    assert "--max-spend 3.5 --rate 0.1 --resume" in shown.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--max-spend", "3"), "--max-spend and --rate go together"),
        (PRICE, "--max-spend and --rate go together"),
        (("--max-spend", "3", "--database", "sqlite:///x.db", "--name", "n"), "go together"),
        (("--max-spend", "-3", *PRICE), "--max-spend"),
    ],
)
async def test_half_a_budget_is_a_mistake(user: TerminalUser, options: tuple[str, ...], words: str) -> None:
    """A budget without a price, a price without a budget, and one that nothing would keep are refused."""
    user.writes("jobs.csv", ROWS)
    shown = await user.types("batch", "jobs.csv", "--out", "v", *options)

    assert (2, True) == (shown.code, words in shown.err)
    assert [] == user.simulator.ledger.creates


async def test_rows_without_a_length_are_named_before_anything_is_paid(user: TerminalUser) -> None:
    """A budget counts lengths, so a row without one is a mistake of the file, by its line."""
    user.writes("jobs.csv", [ROWS[0], {**ROWS[1], "expected_seconds": "", "max_seconds": ""}])
    for where in ((), ("--database", "sqlite:///x.db", "--name", "n")):
        shown = await user.types("batch", "jobs.csv", "--out", "v", *PRICE, "--max-spend", "3", *where)

        assert 2 == shown.code
        assert "lines without one: 3." in shown.err
    assert [] == user.simulator.ledger.creates


async def test_a_silent_failure_is_made_again_on_request(user: TerminalUser) -> None:
    """`--retry-failed` makes a session again that failed before it had a video."""
    user.simulator.moods.failure_rate = 0.5
    user.writes("jobs.csv", ROWS)
    shown = await user.types("batch", "jobs.csv", "--out", "v", "--retry-failed", "20")

    assert 0 == shown.code
    assert len(user.simulator.ledger.creates) > 3
    assert 3 == len(user.simulator.ledger.billed)
