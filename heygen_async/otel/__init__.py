"""
Traces and metrics for OpenTelemetry. Needs `pip install heygen-async[otel]`, and the SDK and exporter of your choice.

    async with HeyGen() as heygen:
        otel.instrument(heygen)

A session is one span, `heygen.session`, from its create to its video, with an event for each transition; exchanges with
the service are its children, named by their route. Its ref carries the trace, so that another process goes on in it.
Names follow the semantic conventions for HTTP where they have one. Ids are attributes of spans, never part of a name or
of a metric; addresses beyond the server's are nowhere.

It is built on what the client itself goes by: its transport, its hooks and what it knows of sessions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

try:
    from opentelemetry import metrics, trace
except ModuleNotFoundError as _missing:
    _hint = "This needs opentelemetry-api: pip install heygen-async[otel]"
    raise ModuleNotFoundError(_hint, name=_missing.name) from _missing

from .._client import HeyGen
from .._version import __version__
from ..errors._arguments import check_type
from ._metrics import Meters
from ._tracing import SessionTracing, TracedTransport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["instrument"]

E = TypeVar("E")


def instrument(
    heygen: HeyGen,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> None:
    """
    Trace and measure what a client does from here on; twice is the same as once.

    Your own hooks are called as before. The service gets no trace: its requests stay as they are.

    Args:
        heygen: The client, best before its first call.
        tracer_provider: Where spans go; the global one when None.
        meter_provider: Where metrics go; the global one when None.

    Raises:
        InvalidArgument: It is no client.
    """
    check_type(HeyGen, "a client", heygen=heygen)
    api, hooks, trackers = heygen._core.api, heygen._hooks, heygen._core.scheduler.trackers
    if isinstance(trackers.tracing, SessionTracing):
        return
    meters = Meters.of(meter_provider or metrics.get_meter_provider())
    meters.counters.append(api.counters)
    tracer = trace.get_tracer("heygen_async", __version__, tracer_provider)
    tracing = trackers.tracing = SessionTracing(api, trackers, tracer, meters)
    hooks.on_retry = _both(meters.count_retry, hooks.on_retry)
    hooks.on_transition = _both(tracing.record_transition, hooks.on_transition)
    trackers._on_transition = hooks.report_transition
    watched = (session.track for session in trackers.watched.values())
    for tracker in (*watched, *trackers.unwatched.values()):
        tracker.on_transition = hooks.report_transition
    open_transport = api.open_transport
    api.open_transport = lambda: TracedTransport(open_transport(), tracing)
    if api._transport is not None:
        api._transport = TracedTransport(api._transport, tracing)


def _both(
    ours: Callable[[E], None], hook: Callable[[E], Awaitable[None] | None] | None
) -> Callable[[E], Awaitable[None] | None]:
    """Return a hook that calls ours, and then the program's."""

    def call(event: E) -> Awaitable[None] | None:
        ours(event)
        return None if hook is None else hook(event)

    return call
