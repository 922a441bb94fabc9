"""
One row: a flow against a service with its dials, played to the end in virtual time.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import anyio

from heygen_async import Cadence, HeyGen, RetryPolicy, Timeouts
from heygen_async.testing import Deadlock, run
from hostile import flows, seam
from hostile.agent import Pace
from hostile.claims import Claims, logging_to
from hostile.dials import Dials, Leaving, Trust
from hostile.seam import Seam
from hostile.service import Service
from hostile.sockets import listening

if TYPE_CHECKING:
    from hostile.flows import Flow

LONGEST = 6 * 3600.0
LATER = 120.0
# Over sockets: seconds that a busy machine can keep.
QUICK = Pace(settle=2.0, answer=0.0, write=0.6, revise=4.0, render=2.0)
QUICK_LIMIT = 3.0  # seconds for one exchange
QUICK_STALE = 20.0  # a pause that was answered and still shows is reported
QUICK_LONGEST = 120.0
KNOWS_TRUST = "trust_keys" in {item.name for item in fields(RetryPolicy)}


@dataclass(frozen=True, slots=True)
class Row:
    """A flow and the service it meets."""

    flow: Flow
    dials: Dials

    def __str__(self) -> str:
        return f"{self.flow} {self.dials}"

    @property
    def command(self) -> str:
        """What reproduces it, from the root of the project."""
        return f"PYTHONPATH=tests python -m hostile {self.flow} " + " ".join(
            f"{name}={value}" for name, value in self.dials.turned().items()
        )


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a row."""

    row: Row
    service: Service
    claims: Claims


def play(row: Row) -> Run:
    """Play a row in virtual time."""
    service = Service(row.dials)
    claims = Claims()
    with logging_to(claims.log):
        try:
            run(_main, row.flow, service, claims)
        except Deadlock:
            claims.is_stuck = True
    return Run(row, service, claims)


def policy(dials: Dials, **options: Any) -> RetryPolicy:
    """Return what the caller says of retries."""
    if dials.trust is Trust.YES and KNOWS_TRUST:
        options["trust_keys"] = True
    return RetryPolicy(**options)


async def _main(flow: Flow, service: Service, claims: Claims) -> None:
    heygen = HeyGen("a-key", http=Seam(service), retry=policy(service.dials), rng=random.Random(0))
    await _to_the_end(flow, service, claims, heygen, LONGEST)


async def play_over_sockets(row: Row, name: str) -> Run:
    """Play a row over sockets, in seconds; *name* tells its sessions from those of rows played beside it."""
    service = Service(row.dials, QUICK, name)
    claims = Claims()
    async with listening(service) as address:
        heygen = HeyGen(
            "a-key",
            base_url=address,
            timeouts=Timeouts(connect=5.0, read=QUICK_LIMIT, write=QUICK_LIMIT, stale=QUICK_STALE),
            retry=policy(row.dials, settle_time=QUICK.settle, base=0.1, longest=0.6, max_elapsed=40.0),
            cadence=Cadence.constant(0.25),
            rng=random.Random(0),
        )
        with logging_to(claims.log):
            await _to_the_end(row.flow, service, claims, heygen, QUICK_LONGEST)
    return Run(row, service, claims)


async def _to_the_end(flow: Flow, service: Service, claims: Claims, heygen: HeyGen, longest: float) -> None:
    with anyio.move_on_after(longest) as limit:
        async with heygen:
            await flows.play(flow, flows.Scene(heygen, service, claims, seam.now))
            if service.dials.leaving is Leaving.LATER and longest == LONGEST:
                await anyio.sleep(LATER)
    claims.orphans = tuple(session.id for session in heygen.sessions.orphans)
    claims.is_stuck = limit.cancelled_caught
