"""A program that does not trace pays nothing for those that do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from heygen_async._polling.refs import Tracing
from repository import house

if TYPE_CHECKING:
    from types import FrameType

    from heygen_async import HeyGen

FLOW = """
import sys
from heygen_async import HeyGen
from heygen_async.testing import Scenario, Simulator, MemoryTransport, run
service = Simulator(scenario=Scenario.generate())
async def main():
    async with HeyGen(service.api_key, base_url=service.base_url, http=MemoryTransport(service)) as heygen:
        async with heygen.batch(["A tour"]) as batch:
            assert [outcome.ok async for outcome in batch] == [True]
run(main)
print(*(name for name in sys.modules if "opentelemetry" in name or name.startswith("heygen_async.otel")))
"""


def test_nothing_of_it_is_imported() -> None:
    """A whole batch, from the import to its videos, loads no module of OpenTelemetry and none of ours for it."""
    done = house.run_python(FLOW, "-W", "error")

    assert ("", "\n") == (done.stderr, done.stdout)


def test_its_interface_is_all_that_is_imported() -> None:
    """A library brings no SDK: which one there is, is the program's choice."""
    done = house.run_python(
        "import heygen_async.otel, sys; print(*(name for name in sys.modules if name == 'opentelemetry.sdk'))"
    )

    assert "\n" == done.stdout


def test_what_is_missing_is_named() -> None:
    """Without the extra the import says how to get it."""
    done = house.run_python("import sys; sys.modules['opentelemetry'] = None; import heygen_async.otel")

    assert "pip install heygen-async[otel]" in done.stderr.splitlines()[-1]


async def test_no_poll_calls_anything_of_it(heygen: HeyGen) -> None:
    """From its create to its video a session makes three calls of what could trace it, which do nothing."""
    called: list[str] = []
    ours = {
        function.__code__: name for name, function in vars(Tracing).items() if hasattr(function, "__code__")
    }

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in ours:
            called.append(ours[frame.f_code])

    sys.setprofile(note)
    try:
        await (await heygen.sessions.create("A tour", mode="generate")).video()
    finally:
        sys.setprofile(None)

    assert ["create", "join", "record_video"] == called
    assert heygen.statistics().polls > 3
