"""Every fault in every call: what the user sees, written down in `tests/fault_table.md`."""

from __future__ import annotations

import pytest

from heygen_async.testing import FAULTS, Fault
from sessions.fault_table import COLUMNS, DONE, HEAD, TABLE, Column, ending, fits, row, shown

each = pytest.mark.parametrize
BY_HAND = "PYTHONPATH=tests python tests/sessions/fault_table.py"


def by_name(thing: Fault | Column) -> str:
    """Name a case."""
    return thing.name if isinstance(thing, Fault) else thing.title.strip("`")


@each("fault", list(shown()), ids=by_name)
def test_table_tells_what_happens(fault: Fault) -> None:
    """The table in the repository says of this fault what really happens today."""
    assert row(fault) in TABLE.read_text(encoding="utf-8").splitlines(), f"write it again: {BY_HAND}"


def test_table_has_a_line_for_each_fault() -> None:
    """The table lists the faults that strike a call, and no others."""
    text = TABLE.read_text(encoding="utf-8")

    assert text.startswith(HEAD), f"write it again: {BY_HAND}"
    faults, _, _ = text.partition("\n## ")
    listed = [line.split("`")[1] for line in faults.splitlines() if line.startswith("| `")]
    assert [fault.name for fault in shown()] == listed


@each("column", COLUMNS, ids=by_name)
def test_one_survivable_fault_is_not_seen(column: Column) -> None:
    """A fault that strikes once and that can be survived is never seen by the user."""
    seen = [
        fault.name
        for fault in FAULTS.values()
        if fault.survivable and fault.name != "statuses_missing" and fits(fault, column)
        if ending(fault, column, 1) != DONE
    ]

    assert [] == seen
