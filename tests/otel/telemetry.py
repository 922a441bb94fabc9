"""A program with OpenTelemetry's SDK in it: what it has exported, and what it measures."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from heygen_async import otel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import FrameType

    from opentelemetry.sdk.trace import ReadableSpan

    from heygen_async import HeyGen

PROMPT = "A tour of our bakery"
KEY = "the-key-of-this-test"
CREATE = "POST /v3/video-agents"
POLL = "GET /v3/video-agents/{session_id}"
SESSION = "heygen.session"


class Telemetry:
    """The providers of one process, and what came out of them."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.tracers.get_tracer("the program")
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])

    def instrument(self, heygen: HeyGen) -> None:
        """Do what a program does with its client."""
        otel.instrument(heygen, tracer_provider=self.tracers, meter_provider=self.meters)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """What was exported so far, in the order in which it ended."""
        return self.exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        """Return the spans of one name."""
        return [span for span in self.spans if span.name == name]

    @property
    def names(self) -> Counter[str]:
        """How many spans have which name."""
        return Counter(span.name for span in self.spans)

    def points(self, name: str) -> list[Any]:
        """Return the data points of a metric as it is now; none when it was never recorded."""
        data = self.reader.get_metrics_data()
        if data is None:
            return []
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


def trace_ids(*spans: ReadableSpan) -> set[int]:
    """Return the traces that spans are of."""
    return {span.context.trace_id for span in spans if span.context is not None}


async def calls_of(work: Callable[[], Awaitable[object]]) -> int:
    """Return how many calls a piece of work takes, steps of iterators included."""
    calls = 0

    def count(_: FrameType, event: str, __: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        await work()
    finally:
        sys.setprofile(None)
    return calls
