"""
A simulator of HeyGen's Video Agent, for tests and demos.

`Simulator` is the service as a function; `MemoryTransport` puts it behind a client without a socket, `SimulatorServer`
on loopback. `VirtualLoop` and `run` let twenty minutes of waiting pass in milliseconds. `probe` compares the real
service with what this package was built against.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._faults.registry import FAULTS as FAULTS
    from ._faults.registry import Fault as Fault
    from ._faults.schedule import Faults as Faults
    from ._http import Exchange as Exchange
    from ._http import HttpRequest as HttpRequest
    from ._http import HttpResponse as HttpResponse
    from ._http import ResponseDelivery as ResponseDelivery
    from ._moods import Moods as Moods
    from ._probe.probe import ProbeReport as ProbeReport
    from ._probe.probe import describe_probe as describe_probe
    from ._probe.probe import probe as probe
    from ._probe.rows import ProbeRow as ProbeRow
    from ._scenario import Line as Line
    from ._scenario import Scenario as Scenario
    from ._scenario import Step as Step
    from ._service.ledger import CreateRecord as CreateRecord
    from ._service.ledger import Ledger as Ledger
    from ._service.ledger import MessageRecord as MessageRecord
    from ._service.operations import OPERATIONS as OPERATIONS
    from ._service.webhook_queue import Notice as Notice
    from ._simulator import Simulator as Simulator
    from ._storage.links import Storage as Storage
    from ._transports.memory import MemoryAnswer as MemoryAnswer
    from ._transports.memory import MemoryStream as MemoryStream
    from ._transports.memory import MemoryTransport as MemoryTransport
    from ._transports.server import SimulatorServer as SimulatorServer
    from ._transports.webhook_sender import WebhookSender as WebhookSender
    from ._virtual_loop import VIRTUAL_TIME as VIRTUAL_TIME
    from ._virtual_loop import Deadlock as Deadlock
    from ._virtual_loop import VirtualLoop as VirtualLoop
    from ._virtual_loop import run as run

__all__ = [
    "FAULTS",
    "OPERATIONS",
    "VIRTUAL_TIME",
    "CreateRecord",
    "Deadlock",
    "Exchange",
    "Fault",
    "Faults",
    "HttpRequest",
    "HttpResponse",
    "Ledger",
    "Line",
    "MemoryAnswer",
    "MemoryStream",
    "MemoryTransport",
    "MessageRecord",
    "Moods",
    "Notice",
    "ProbeReport",
    "ProbeRow",
    "ResponseDelivery",
    "Scenario",
    "Simulator",
    "SimulatorServer",
    "Step",
    "Storage",
    "VirtualLoop",
    "WebhookSender",
    "describe_probe",
    "probe",
    "run",
]

_HOMES = {
    "_http": ("ResponseDelivery", "Exchange", "HttpRequest", "HttpResponse"),
    "_faults.registry": ("FAULTS", "Fault"),
    "_faults.schedule": ("Faults",),
    "_service.ledger": ("CreateRecord", "Ledger", "MessageRecord"),
    "_virtual_loop": ("VIRTUAL_TIME", "Deadlock", "VirtualLoop", "run"),
    "_transports.memory": ("MemoryAnswer", "MemoryStream", "MemoryTransport"),
    "_service.webhook_queue": ("Notice",),
    "_transports.webhook_sender": ("WebhookSender",),
    "_service.operations": ("OPERATIONS",),
    "_moods": ("Moods",),
    "_probe.probe": ("ProbeReport", "describe_probe", "probe"),
    "_probe.rows": ("ProbeRow",),
    "_scenario": ("Line", "Scenario", "Step"),
    "_transports.server": ("SimulatorServer",),
    "_simulator": ("Simulator",),
    "_storage.links": ("Storage",),
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
