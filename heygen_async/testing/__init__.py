"""
HeyGen's Video Agent on your desk: a simulator for tests and demos.

`Simulator` is the service as a function; `MemoryTransport` puts it behind a client without a socket, `SimulatorServer`
on loopback. `VirtualLoop` and `run` let twenty minutes of waiting pass in milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._exchange import Delivery as Delivery
    from ._exchange import Exchange as Exchange
    from ._exchange import Request as Request
    from ._exchange import Response as Response
    from ._faults import FAULTS as FAULTS
    from ._faults import Fault as Fault
    from ._faults import Faults as Faults
    from ._ledger import CreateRecord as CreateRecord
    from ._ledger import Ledger as Ledger
    from ._ledger import MessageRecord as MessageRecord
    from ._loop import VIRTUAL_TIME as VIRTUAL_TIME
    from ._loop import Deadlock as Deadlock
    from ._loop import VirtualLoop as VirtualLoop
    from ._loop import run as run
    from ._memory import MemoryAnswer as MemoryAnswer
    from ._memory import MemoryStream as MemoryStream
    from ._memory import MemoryTransport as MemoryTransport
    from ._outbox import Notice as Notice
    from ._postman import Postman as Postman
    from ._routes import OPERATIONS as OPERATIONS
    from ._scenario import Line as Line
    from ._scenario import Scenario as Scenario
    from ._scenario import Step as Step
    from ._server import SimulatorServer as SimulatorServer
    from ._simulator import Simulator as Simulator
    from ._storage import Storage as Storage

__all__ = [
    "FAULTS",
    "OPERATIONS",
    "VIRTUAL_TIME",
    "CreateRecord",
    "Deadlock",
    "Delivery",
    "Exchange",
    "Fault",
    "Faults",
    "Ledger",
    "Line",
    "MemoryAnswer",
    "MemoryStream",
    "MemoryTransport",
    "MessageRecord",
    "Notice",
    "Postman",
    "Request",
    "Response",
    "Scenario",
    "Simulator",
    "SimulatorServer",
    "Step",
    "Storage",
    "VirtualLoop",
    "run",
]

_HOMES = {
    "_exchange": ("Delivery", "Exchange", "Request", "Response"),
    "_faults": ("FAULTS", "Fault", "Faults"),
    "_ledger": ("CreateRecord", "Ledger", "MessageRecord"),
    "_loop": ("VIRTUAL_TIME", "Deadlock", "VirtualLoop", "run"),
    "_memory": ("MemoryAnswer", "MemoryStream", "MemoryTransport"),
    "_outbox": ("Notice",),
    "_postman": ("Postman",),
    "_routes": ("OPERATIONS",),
    "_scenario": ("Line", "Scenario", "Step"),
    "_server": ("SimulatorServer",),
    "_simulator": ("Simulator",),
    "_storage": ("Storage",),
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for; the server brings aiohttp, which most tests never need."""
    for module, names in _HOMES.items():
        if name in names:
            value: object = getattr(importlib.import_module(f"{__name__}.{module}"), name)
            globals()[name] = value
            return value
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
