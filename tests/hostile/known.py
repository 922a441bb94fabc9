"""
All pairs of dials, and the rows of them in which the client is known to go wrong.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final

from hostile import rows
from hostile.flows import Flow
from hostile.play import play
from hostile.verdict import judge

# Each row that goes wrong, as `python -m hostile` takes it, and why it is not mended. A row that is right must go.
KNOWN: Final[dict[str, str]] = {}


def wrong_pairs() -> list[str]:
    """Play all pairs of dials in every flow, on all processors, and return the rows in which something is wrong."""
    # The largest first, so that none is left to run alone.
    arrays = [(flow, clear) for flow in reversed(Flow) for clear in (True, False)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        found = pool.map(_wrong_rows, *zip(*arrays, strict=True))
        return sorted({row for wrong in found for row in wrong})


def _wrong_rows(flow: Flow, clear: bool) -> list[str]:
    return [str(row) for row in rows.playable(rows.covering(flow, clear=clear)) if judge(play(row))]
