"""A client that is traced is the client it was: hooks, loops, broken exporters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import SpanProcessor

from flows import Line, client
from heygen_async import InvalidArgument, RetryEvent, otel
from heygen_async.testing import Simulator, run
from otel.telemetry import CREATE, POLL, PROMPT, SESSION, Telemetry, trace_ids

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from heygen_async import HeyGen


async def test_a_trace_without_an_sdk_costs_nothing(heygen: HeyGen) -> None:
    """With OpenTelemetry's interface alone all works as before, and a ref has no trace."""
    otel.instrument(heygen)
    session = await heygen.sessions.create(PROMPT, mode="generate")
    await session.video()

    assert "traceparent" not in json.loads(session.ref())


async def test_instrumenting_twice_is_the_same_as_once(traced: HeyGen, telemetry: Telemetry) -> None:
    """No exchange is traced twice."""
    telemetry.instrument(traced)
    await traced.sessions.create(PROMPT)

    assert 1 == len(telemetry.named(CREATE))


async def test_a_client_in_use_can_be_instrumented(heygen: HeyGen, telemetry: Telemetry) -> None:
    """What a client does after it was instrumented is traced, also of sessions made before."""
    session = await heygen.sessions.create(PROMPT, mode="generate")
    telemetry.instrument(heygen)
    await session.video()

    assert {POLL, SESSION} <= telemetry.names.keys()
    assert 1 == len(trace_ids(*telemetry.spans))


def test_a_client_that_changes_its_loop_is_traced_on(service: Simulator, telemetry: Telemetry) -> None:
    """A client whose loop was closed goes on in the next one, and so do its spans."""
    heygen = client(service)
    telemetry.instrument(heygen)

    async def create() -> None:
        await heygen.sessions.create(PROMPT)

    run(create)
    run(create)
    run(heygen.aclose)

    assert {CREATE: 2, SESSION: 2} == telemetry.names


async def test_the_programs_hooks_are_called_as_before(line: Line, telemetry: Telemetry) -> None:
    """Traces take no hook away, sync or async."""
    told: list[str] = []
    retried: list[RetryEvent] = []

    async def keep(event: Any) -> None:
        told.append(str(event.status))

    line.service.faults.add("rate_limit", on="account", times=1, retry_after=2)
    async with client(line, on_transition=keep, on_retry=retried.append) as heygen:
        telemetry.instrument(heygen)
        await heygen.account.me()
        session = await heygen.sessions.create(PROMPT)
        await session.refresh()

    assert ["RateLimited"] == [event.error for event in retried]
    assert ["thinking"] == told


class Broken(SpanProcessor):
    """A processor of the program's that fails when spans begin, or when they end."""

    def __init__(self, moment: str) -> None:
        self.moment = moment

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        if self.moment == "start":
            raise RuntimeError("no room")

    def on_end(self, span: ReadableSpan) -> None:
        if self.moment == "end":
            raise RuntimeError("no room")


@pytest.mark.parametrize("moment", ["start", "end"])
async def test_a_broken_processor_costs_its_spans_and_no_session(
    traced: HeyGen,
    telemetry: Telemetry,
    service: Simulator,
    caplog: pytest.LogCaptureFixture,
    moment: str,
) -> None:
    """What the program does with spans may fail: that is logged, and every session is made, once, and followed."""
    telemetry.tracers.add_span_processor(Broken(moment))
    session = await traced.sessions.create(PROMPT, mode="generate")
    video = await session.video()

    assert video.is_downloadable
    assert 1 == len(service.ledger.creates)
    assert {"trace_failed"} == {getattr(record, "event", "") for record in caplog.records}


def test_what_is_no_client_is_refused() -> None:
    """A mistake is named where it is made."""
    wrong: Any = "heygen"
    with pytest.raises(InvalidArgument, match="heygen"):
        otel.instrument(wrong)
