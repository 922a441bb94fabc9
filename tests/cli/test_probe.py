"""The command that compares the service with the contract."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cli.terminal_user import TerminalUser


async def test_it_says_first_what_it_will_do(user: TerminalUser) -> None:
    """The caps and the cost come before everything else, and nothing is created without --pay."""
    free = await user.types("probe")
    paid = await user.types("probe", "--pay")

    assert (0, 0) == (free.code, paid.code)
    assert "At most 60 requests" in free.out.splitlines()[0]
    assert "Creates no session and costs nothing" in free.out.splitlines()[0]
    assert "Creates one session" in paid.out.splitlines()[0]
    assert 1 == len(user.simulator.ledger.creates)


async def test_rows_and_summary(user: TerminalUser) -> None:
    """A person reads a verdict on each line and the sum at the end; a program gets the same as objects."""
    shown = await user.types("probe")
    rows = (await user.types("probe", "--json")).events[1:-1]

    assert "confirmed A bad key is refused with 401" in shown.out
    assert "0 refuted, 0 new" in shown.out.splitlines()[-1]
    assert {"confirmed", "not seen"} == {row["event"] for row in rows}
    assert {"event", "name", "contract", "severity", "details"} == set(rows[0])


async def test_a_refutation_is_exit_code_1(user: TerminalUser) -> None:
    """What the contract has wrong is at the top, and a script can tell; the user is asked to report it."""
    user.simulator.faults.add("missing_data", on="brand_kits", times=None)
    shown = await user.types("probe")

    assert 1 == shown.code
    assert shown.out.splitlines()[1].startswith("refuted")
    assert "GET /v3/brand-kits" in shown.out.splitlines()[1]
    assert "Report of a probe" in shown.err


async def test_report_and_cassette_are_written(user: TerminalUser) -> None:
    """`--report` and `--cassette` write files; the simulator plays the cassette."""
    shown = await user.types("probe", "--pay", "--report", "report.json", "--cassette", "cassette.json")
    report = json.loads((user.folder / "report.json").read_text("utf-8"))
    told = (user.folder / "cassette.json").read_text("utf-8")

    assert (0, True) == (shown.code, report["paid"])
    assert "confirmed" in {row["verdict"] for row in report["rows"]}
    assert user.simulator.api_key not in told
    assert user.simulator.ledger.creates[0].session_id not in told


async def test_a_target_is_checked_before_anything_is_paid(user: TerminalUser) -> None:
    """A file that cannot be written is a usage error, and nothing was sent."""
    shown = await user.types("probe", "--pay", "--cassette", "nowhere/cassette.json")

    assert 2 == shown.code
    assert "nowhere/cassette.json" in shown.err
    assert not user.simulator.ledger.requests


async def test_a_refused_key_is_exit_code_3(user: TerminalUser) -> None:
    """Without a key that is good there is no report."""
    user.simulator.faults.add("unauthorized_once", times=None)
    shown = await user.types("probe")

    assert 3 == shown.code
    assert "refuted" not in shown.out
