"""A process dies at a paid call, against a service that keeps the contract and nothing else; the next one goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from durable.restarts import Restart, play, restarts
from hostile.verdict import judge

if TYPE_CHECKING:
    import pathlib

pytestmark = [pytest.mark.durable, pytest.mark.timeout(600)]
ROWS = restarts()


@pytest.mark.parametrize("restart", ROWS, ids=str)
async def test_a_restart_at_a_paid_call(restart: Restart, tmp_path: pathlib.Path) -> None:
    """Nothing is paid twice or left unnamed, and `OutcomeUnknown` stands only where nothing shows the truth."""
    run = await play(restart, tmp_path)

    assert [] == judge(run), run.claims


def test_there_are_enough_rows() -> None:
    """Each death is met at each paid call."""
    fates = {(row.fate.death, row.fate.write) for row in ROWS}

    assert 15 == len(fates)
    assert 20 <= len(ROWS)
