"""A probe of a simulator in this process whose answers are changed on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from heygen_async.testing import MemoryAnswer, MemoryTransport, ProbeReport, Simulator, probe

if TYPE_CHECKING:
    from heygen_async.testing._transports.memory import Outgoing

Change = Callable[[Any], Any]


class AlteredTransport(MemoryTransport):
    """Carries to a simulator; the JSON of answers whose method and path begin so is changed."""

    def __init__(self, simulator: Simulator, changes: Mapping[str, Change]) -> None:
        super().__init__(simulator)
        self._changes = changes
        self._base_url = simulator.base_url
        self.requests: list[Outgoing] = []

    async def send(self, request: Outgoing) -> MemoryAnswer:
        """Exchange one request, and change the answer."""
        self.requests.append(request)
        answer = await super().send(request)
        line = f"{request.method} {request.url.removeprefix(self._base_url)}"
        for beginning, change in self._changes.items():
            if line.startswith(beginning) and answer.body.startswith(b"{"):
                answer = replace(answer, body=json.dumps(change(json.loads(answer.body))).encode())
        return answer


async def probed(
    simulator: Simulator | None = None,
    *,
    pay: bool = True,
    transport: MemoryTransport | None = None,
    **changes: Change,
) -> ProbeReport:
    """The report on a simulator."""
    simulator = simulator or Simulator()
    transport = transport or AlteredTransport(simulator, changes)
    return await probe(simulator.api_key, base_url=simulator.base_url, pay=pay, transport=transport)


def verdicts(report: ProbeReport) -> dict[str, str]:
    """The verdict of each row."""
    return {row.name: row.verdict for row in report.rows}
