"""`probe()`: asks the service, and returns the report."""

from __future__ import annotations

import os
import pathlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio.to_thread
from msgspec import Struct, structs

from ... import HeyGen, RetryPolicy, __version__
from ...errors._arguments import check_type
from .._transports.memory import MemoryTransport
from .cassette import Cassette, without_secrets
from .recorder import MOST_REQUESTS, CapReached, Carrier, Recorder
from .rows import ProbeRow, judge
from .walk import PAUSE, Walk, make_one_session, read_all

if TYPE_CHECKING:
    from .exchanges import RecordedExchange
    from .statement import Verdict

_BAD_KEY: Final = "heygen-async-probe-bad-key"
# A write is never repeated blindly anyhow; a read twice more at most, so that a probe ends within its cap.
_RETRY: Final = RetryPolicy(max_attempts=3, base=1.0)
_ORDER: Final[tuple[Verdict, ...]] = ("refuted", "new", "confirmed", "not seen")


class ProbeReport(Struct, frozen=True, kw_only=True):
    """
    What a probe found; nothing in it tells whose account it was.

    Attributes:
        rows: Each statement of the contract with its verdict: refuted ones first, then new, confirmed, not seen.
        requests: How many were sent.
        paid: Whether a session was created.
        version: Of this package.
        cassette: The exchanges, with secrets, ids, names, addresses and links replaced.
    """

    rows: tuple[ProbeRow, ...]
    requests: int
    paid: bool
    version: str
    cassette: Cassette

    @property
    def refuted(self) -> tuple[ProbeRow, ...]:
        """The statements that do not hold."""
        return self._with("refuted")

    @property
    def findings(self) -> tuple[ProbeRow, ...]:
        """What the contract does not have, or has wrong."""
        return self.refuted + self._with("new")

    def as_json(self) -> dict[str, object]:
        """Return it for programs, without the cassette."""
        return {
            "heygen_async": self.version,
            "requests": self.requests,
            "paid": self.paid,
            "rows": [structs.asdict(row) for row in self.rows],
        }

    def as_text(self) -> str:
        """Return it for people, a line for each row."""
        lines = [f"{row.verdict:<10} {row.words}" for row in self.rows]
        return "\n".join([*lines, "", self.summary()])

    def summary(self) -> str:
        """Return the numbers in one line."""
        counts = ", ".join(f"{len(self._with(verdict))} {verdict}" for verdict in _ORDER)
        return f"{counts}; {self.requests} requests, heygen_async {self.version}."

    async def save_cassette(self, path: str | os.PathLike[str]) -> None:
        """
        Write the exchanges to a file, for `Scenario.from_cassette`; it may be shown to anybody.

        Args:
            path: The file.

        Raises:
            OSError: It cannot be written.
            InvalidArgument: It is no path.
        """
        check_type(str | os.PathLike, "a path", path=path)
        await anyio.to_thread.run_sync(self.cassette.save, pathlib.Path(path))

    def _with(self, verdict: Verdict) -> tuple[ProbeRow, ...]:
        return tuple(row for row in self.rows if row.verdict == verdict)


def describe_probe(*, pay: bool) -> str:
    """
    Return what a probe will do, to be shown before it starts.

    Args:
        pay: Whether it may create a session.
    """
    cost = "Creates no session and costs nothing; a slot for an upload is made and removed."
    if pay:
        cost = "Creates one session in chat mode and approves its storyboard: a video of a few seconds is paid for."
    return f"At most {MOST_REQUESTS} requests, {1 / PAUSE:.0f} a second. {cost}"


async def probe(
    api_key: str | None = None,
    *,
    base_url: str | None = None,
    pay: bool = False,
    transport: MemoryTransport | None = None,
) -> ProbeReport:
    """
    Compare the service with the contract this package was built against.

    It sends at most 60 requests, two a second. It reads every list and one item of each, and tries what must be
    refused: an unknown id, a bad key, a limit that is too large, an unknown field beside an empty prompt, the same
    slot for an upload twice. With `pay` it creates one session, the only one, and follows it to its video. Cancelling
    it leaves that session to itself.

    Args:
        api_key: From the service's settings; `HEYGEN_API_KEY` when None.
        base_url: `HEYGEN_API_BASE`, else the service's address, when None.
        pay: Whether one short session may be created, whose video is paid for. It takes up to half an hour.
        transport: A simulator in this process in place of the network.

    Raises:
        ConfigError: No key, or an address that is not safe.
        InvalidArgument: The transport is none.
        Unauthorized: The service refuses the key.
        TransportError: The service cannot be reached.
    """
    check_type(MemoryTransport | None, "a simulator's transport, or None", transport=transport)
    async with _open(transport) as carrier:
        recorder = Recorder(carrier, most_requests=MOST_REQUESTS, most_creates=1 if pay else 0)
        heygen = HeyGen(api_key, base_url=base_url, http=recorder, retry=_RETRY)
        stranger = HeyGen(_BAD_KEY, base_url=base_url, http=recorder, retry=_RETRY)
        async with heygen, stranger:
            await _walk(Walk(heygen, recorder), stranger, pay=pay)
    return make_report(recorder.exchanges)


def make_report(exchanges: Sequence[RecordedExchange]) -> ProbeReport:
    """Return the report on recorded exchanges."""
    return ProbeReport(
        rows=tuple(sorted(judge(exchanges), key=lambda row: _ORDER.index(row.verdict))),
        requests=len(exchanges),
        paid=any(one.purpose == "create" for one in exchanges),
        version=__version__,
        cassette=Cassette(heygen_async=__version__, exchanges=without_secrets(exchanges)),
    )


async def _walk(walk: Walk, stranger: HeyGen, *, pay: bool) -> None:
    try:
        await read_all(walk, stranger)
        if pay:
            await make_one_session(walk)
    except CapReached:
        pass  # what was not asked is not seen


@asynccontextmanager
async def _open(transport: MemoryTransport | None) -> AsyncGenerator[Carrier]:
    if transport is not None:
        yield transport
        return
    from .connection import connect  # the HTTP library is most of the cost of an import

    async with connect() as connection:
        yield connection
