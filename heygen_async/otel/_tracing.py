"""
A span for each session, and one for each exchange, in the trace of its session.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit
from weakref import WeakKeyDictionary, WeakValueDictionary, finalize

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from .. import _clock
from .._batch.batch import Batch
from .._polling.refs import Tracing
from .._redact import clean

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence

    from opentelemetry.trace import Span, SpanContext, Tracer

    from .._http.client import ApiClient
    from .._http.hooks import TransitionEvent
    from .._http.transport import Request, Response, ResponseHead, ResponseStream, Transport
    from .._polling.state import SessionTracker
    from .._polling.watched import Trackers
    from ._metrics import Meters

log = logging.getLogger("heygen_async")

_SESSION: Final = "heygen.session"
_MOST_LINKS: Final = 100  # as many as one request asks for
_TRACEPARENT: Final = TraceContextTextMapPropagator()
_PORTS: Final = {"http": 80, "https": 443}


# ---- sessions -----------------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class SessionSpan:
    """
    What this process does for a session, up to its video.

    Attributes:
        span: Its span.
        is_over: Whether that has ended.
        completed_at: When the session was seen to be completed, in the loop's time.
    """

    span: Span
    is_over: bool = False
    completed_at: float | None = None

    def end(self, error: str | None = None, description: str | None = None) -> None:
        """End the span, once; with what went wrong, if something did."""
        if not self.is_over:
            self.is_over = True
            if error is not None:
                self.span.set_attribute("error.type", error)
                self.span.set_status(Status(StatusCode.ERROR, description))
            _end(self.span)


class SessionTracing(Tracing):
    """
    Keeps a span for each session a client works on: until its video is known or it failed, or nobody holds it.

    Args:
        api: Knows the service's time.
        trackers: What is known of sessions.
        tracer: Makes the spans.
        meters: What is measured.
    """

    def __init__(self, api: ApiClient, trackers: Trackers, tracer: Tracer, meters: Meters) -> None:
        self._api = api
        self._trackers = trackers
        self._tracer = tracer
        self._meters = meters
        self._runs: WeakKeyDictionary[SessionTracker, SessionSpan] = WeakKeyDictionary()
        self._by_video: WeakValueDictionary[str, SessionTracker] = WeakValueDictionary()
        self._creating: ContextVar[SessionSpan | None] = ContextVar("heygen_async_creating", default=None)

    # -- from the client --

    @contextmanager
    def create(self) -> Generator[None]:
        """See `Tracing`."""
        run = SessionSpan(self._start(_SESSION))
        token = self._creating.set(run)
        try:
            with trace.use_span(run.span, record_exception=False, set_status_on_exception=False):
                yield
        except BaseException as error:
            run.end(type(error).__name__)
            raise
        finally:
            self._creating.reset(token)

    def join(self, session_id: str) -> None:
        """See `Tracing`."""
        tracker = self._trackers.get(session_id)
        if tracker is None:
            return
        if (run := self._creating.get()) is not None:
            self._keep(tracker, run)
        else:  # never detached: the task is the job's own, and ends with it
            contexts.attach(trace.set_span_in_context(self._run_of(tracker).span))

    def record_transition(self, event: TransitionEvent) -> None:
        """Record a transition in the span of its session; one that goes on after its end has another."""
        tracker = self._trackers.get(event.session_id)
        if tracker is None:
            return
        run = self._run_of(tracker)
        if run.is_over and not event.status.is_terminal:
            run = self._begin(tracker)
        attributes: dict[str, str | float] = {"heygen.session.status": str(event.status)}
        if event.previous is not None:
            attributes["heygen.session.previous_status"] = str(event.previous)
            attributes["heygen.session.previous_duration"] = event.elapsed
            word = str(event.previous) if event.previous.is_known else "_OTHER"
            self._meters.phases.record(event.elapsed, {"heygen.session.status": word})
        if not run.is_over:
            run.span.add_event("heygen.session.transition", attributes)
        if tracker.is_completed:
            run.completed_at = _clock.now()
        elif event.status.is_terminal:
            reason = tracker.state and tracker.state.failure_reason
            run.end("SessionFailed", clean(reason or ""))

    def record_video(self, tracker: SessionTracker) -> None:
        """See `Tracing`."""
        run, video = self._runs.get(tracker), tracker.finished_video
        if run is None or run.is_over or video is None:
            return
        run.span.set_attribute("heygen.video.id", video.id)
        if video.completed_at:
            known = _clock.now() if run.completed_at is None else run.completed_at
            self._meters.delays.record(max(0.0, self._service_time(known) - video.completed_at))
        run.end()

    def _service_time(self, moment: float) -> float:
        """Return a moment of the loop in the service's time, or in ours while that is not known."""
        offset = self._api.service_clock.offset()
        return moment + (_clock.wall() - _clock.now() if offset is None else sum(offset) / 2)

    def record_batch(self, batch: object) -> None:
        """See `Tracing`."""
        if isinstance(batch, Batch):
            self._meters.add_batch(batch)

    def end_all(self) -> None:
        """End the spans of all sessions, which go on without this client."""
        for run in list(self._runs.values()):
            run.end()

    # -- spans --

    @contextmanager
    def exchange(self, request: Request) -> Generator[Callable[[ResponseHead], None]]:
        """Make an exchange a span in the trace of its session; one for many sessions is linked with theirs."""
        attributes = _describe(request)
        span = self._begin_exchange(request, attributes)
        began, error_type = _clock.now(), None

        def record(answer: ResponseHead) -> None:
            attributes["http.response.status_code"] = answer.status

        try:
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                yield record
        except BaseException as error:
            error_type = type(error).__name__
            raise
        finally:
            status = int(attributes.get("http.response.status_code", 0))
            if error_type is not None or status >= HTTPStatus.BAD_REQUEST:
                attributes["error.type"] = error_type or str(status)
                span.set_status(Status(StatusCode.ERROR))
            span.set_attributes(attributes)
            _end(span)
            self._meters.record_exchange(attributes, _clock.now() - began)

    def _begin_exchange(self, request: Request, attributes: dict[str, str | int]) -> Span:
        in_path, in_query = _ids_in(request)
        context, current = None, trace.get_current_span().get_span_context()
        linked = [self._run_of(each).span.get_span_context() for each in self._find(in_query)]
        for tracker in self._find(in_path):
            span = self._run_of(tracker).span
            if span.get_span_context().trace_id != current.trace_id:
                context = trace.set_span_in_context(span, Context())
                linked.append(current)
        resent = {"http.request.resend_count": request.attempt - 1} if request.attempt > 1 else {}
        return self._start(
            f"{request.method} {attributes.get('url.template', '')}".rstrip(),
            context,
            SpanKind.CLIENT,
            {**attributes, **resent},
            _links(linked),
        )

    def _start(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, str | int] | None = None,
        links: Sequence[Link] = (),
    ) -> Span:
        try:
            return self._tracer.start_span(name, context, kind, attributes, links)
        except Exception:  # the program's processors run here, and what they trace may be paid for
            log.exception("The span %s could not be started", name, extra={"event": "trace_failed"})
            return trace.INVALID_SPAN

    def _find(self, ids: Sequence[str]) -> list[SessionTracker]:
        """Return the sessions of these ids, and those whose videos have them."""
        found = [self._trackers.get(one) or self._by_video.get(one) for one in ids]
        if None in found:  # a video may have come since
            self._by_video.update({one.video_id: one for one in self._runs if one.video_id is not None})
            found = [tracker or self._by_video.get(one) for one, tracker in zip(ids, found, strict=True)]
        return [tracker for tracker in found if tracker is not None]

    def _run_of(self, tracker: SessionTracker) -> SessionSpan:
        return self._runs.get(tracker) or self._begin(tracker)

    def _begin(self, tracker: SessionTracker) -> SessionSpan:
        """Go on with a session: in the trace it is in, else in that of the running task."""
        context: Context | None = None
        linked: list[SpanContext] = []
        if tracker.traceparent is not None:  # from a ref, which may be anybody's: what is none is none
            context = _TRACEPARENT.extract({"traceparent": tracker.traceparent}, Context())
            linked.append(trace.get_current_span().get_span_context())
        return self._keep(tracker, SessionSpan(self._start(_SESSION, context, links=_links(linked))))

    def _keep(self, tracker: SessionTracker, run: SessionSpan) -> SessionSpan:
        """Keep the span of a session as long as somebody holds the session; its ref names the trace."""
        if (earlier := self._runs.get(tracker)) is not None:
            earlier.end()
        self._runs[tracker] = run
        finalize(tracker, run.end)
        run.span.set_attribute("heygen.session.id", tracker.session_id)
        if tracker.mode is not None:
            run.span.set_attribute("heygen.session.mode", tracker.mode)
        carrier: dict[str, str] = {}
        _TRACEPARENT.inject(carrier, trace.set_span_in_context(run.span))
        tracker.traceparent = carrier.get("traceparent", tracker.traceparent)
        return run


def _end(span: Span) -> None:
    try:
        span.end()
    except Exception:  # as above
        log.exception("A span could not be ended", extra={"event": "trace_failed"})


def _links(linked: Sequence[SpanContext]) -> list[Link]:
    return [Link(each) for each in linked[:_MOST_LINKS] if each.is_valid]


# ---- exchanges ----------------------------------------------------------------------------------------------------


class TracedTransport:
    """Makes each exchange a span."""

    def __init__(self, transport: Transport, tracing: SessionTracing) -> None:
        self._transport = transport
        self._tracing = tracing

    @property
    def reports_sending(self) -> bool:
        """See `Transport`."""
        return bool(getattr(self._transport, "reports_sending", False))

    async def send(self, request: Request) -> Response:
        """See `Transport`."""
        with self._tracing.exchange(request) as record:
            answer = await self._transport.send(request)
            record(answer)
            return answer

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[ResponseStream, None]:
        """See `Transport`."""
        with self._tracing.exchange(request) as record:
            async with self._transport.stream(request) as answer:
                record(answer)
                yield answer

    async def aclose(self) -> None:
        """Close the transport, and end the spans of sessions that go on without this client."""
        await self._transport.aclose()
        self._tracing.end_all()

    def abandon(self) -> None:
        """Let go of what belongs to a loop that is closed."""
        if (abandon := getattr(self._transport, "abandon", None)) is not None:
            abandon()


def _describe(request: Request) -> dict[str, str | int]:
    """Return the attributes of an exchange by which it is counted; none has an id in it."""
    attributes: dict[str, str | int] = {"http.request.method": request.method}
    if request.route.startswith("/"):
        attributes["url.template"] = request.route
    try:
        parts = urlsplit(request.url)
        attributes["server.address"] = parts.hostname or ""
        attributes["server.port"] = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:  # a link of the service's that is none: the exchange itself says so
        pass
    return attributes


def _ids_in(request: Request) -> tuple[list[str], list[str]]:
    """Return the ids in the path of a request, and what may be ids in its query."""
    path, _, query = request.url.partition("?")
    pairs = zip(reversed(request.route.split("/")), reversed(path.split("/")), strict=False)
    values = [pair.partition("=")[2] for pair in query.split("&") if pair]
    return (
        [unquote(value) for name, value in pairs if name.startswith("{")],
        [unquote(each) for value in values for each in value.split("%2C")],
    )
