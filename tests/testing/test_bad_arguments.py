"""What tests of users pass to the simulator and is not what it should be, is refused where it is passed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from bad_arguments import problems, public_methods
from heygen_async import InvalidArgument, testing
from heygen_async.testing import Faults, MemoryTransport, ProbeReport, Scenario, Simulator, Step, probe
from testing.probed import probed

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

STEPS: Final = (Step(status="thinking", seconds=1.0), Step(status="completed"))


async def nothing() -> None:
    """A program."""


def receive(_: object) -> int:
    """A receiver of webhooks."""
    return 200


GOOD: Final[dict[str, object]] = {
    "at": "thinking",
    "content": "Hello!",
    "main": nothing,
    "name": "rate_limit",
    "opening": STEPS,
    "pay": False,
    "receiver": receive,
    "scenario": Scenario.chat(),
    "seconds": 1.0,
    "secret": "test-key",
    "simulator": Simulator(),
    "speed": 2.0,
    "status": "thinking",
    "text": "rate_limit:create",
    "times": 0,
    "token": "t",
    "moment": "create",
}
CLASSES: Final = (
    *(
        "Faults",
        "Line",
        "MemoryTransport",
        "Moods",
        "Scenario",
        "Simulator",
        "SimulatorServer",
        "Step",
        "Storage",
    ),
    "WebhookSender",
)
# What the parts of the simulator call of one another, and what is not for a test to call.
INSIDE: Final = {
    "faults.strikes",
    "scenario.can_fail",
    "scenario.cut_run",
    "scenario.opening_run",
    "scenario.run_for",
    "simulator.exchange",
    "simulator.notices",
    "simulator.record_answer",
}
METHODS: Final = sorted(
    {
        *public_methods(Faults, "faults"),
        *public_methods(Scenario, "scenario"),
        *public_methods(Simulator, "simulator"),
    }
    - INSIDE
)
# A test's own failure, and a file that is not there.
DOCUMENTED: Final = (AssertionError, OSError)


@pytest.mark.parametrize("name", CLASSES)
async def test_settings_refuse_bad_arguments(name: str) -> None:
    """The parts of a simulator say in our own error which argument is not what it should be."""
    kind: Callable[..., object] = getattr(testing, name)
    hidden = {"_rules", "_mix", "_numbers", "_dead"}

    assert [] == [one for one in await problems(kind, GOOD) if one.partition("=")[0] not in hidden]


@pytest.mark.parametrize("path", METHODS)
async def test_methods_refuse_bad_arguments(
    path: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method says which argument is not what it should be, and not later, when a client asks."""
    monkeypatch.chdir(tmp_path)
    owner, _, name = path.partition(".")
    owners: dict[str, Any] = {"faults": Faults(), "scenario": Scenario.chat(), "simulator": Simulator()}

    assert [] == await problems(getattr(owners[owner], name), GOOD, documented=DOCUMENTED)


async def test_a_probe_refuses_bad_arguments() -> None:
    """A probe refuses a key, an address or a transport that is none before it asks anything."""
    simulator = Simulator(
        base_url="http://127.0.0.1:1"
    )  # where nothing listens, for the one without a transport

    async def probe_it(
        api_key: str | None = simulator.api_key,
        base_url: str | None = simulator.base_url,
        transport: MemoryTransport | None = MemoryTransport(simulator),  # noqa: B008
    ) -> ProbeReport:
        return await probe(api_key, base_url=base_url, transport=transport)

    assert [] == await problems(probe_it, GOOD)
    assert [] == await problems(testing.describe_probe, GOOD)


def test_running_refuses_bad_arguments() -> None:
    """What cannot be called is not run."""
    for odd in (None, 5, "5", object()):
        with pytest.raises(InvalidArgument, match="main"):
            testing.run(odd)  # type: ignore[arg-type]


async def test_a_report_refuses_bad_arguments(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report says when a path is none."""
    monkeypatch.chdir(tmp_path)
    report = await probed(pay=False)

    assert [] == await problems(report.save_cassette, {"path": "cassette.json"})
