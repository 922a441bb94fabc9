"""Traces of real exchanges: OpenTelemetry's own instrumentation of aiohttp, and ours around it."""

from __future__ import annotations

import sys
from asyncio.subprocess import PIPE
from typing import TYPE_CHECKING, Final

import pytest

from heygen_async import Cadence, HeyGen, Job, otel
from heygen_async.testing import Scenario, Simulator, SimulatorServer
from repository import house

instrumentation = pytest.importorskip("opentelemetry.instrumentation.aiohttp_client")
trace = pytest.importorskip("opentelemetry.sdk.trace")
export = pytest.importorskip("opentelemetry.sdk.trace.export")
in_memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from programs import Programs

KEY: Final = "the-key-of-this-test"


class Tracing:
    """Instruments every HTTP client made from now on, and keeps the spans."""

    def __init__(self) -> None:
        self.spans = in_memory.InMemorySpanExporter()
        self.provider = trace.TracerProvider()
        self.provider.add_span_processor(export.SimpleSpanProcessor(self.spans))

    def start(self, **options: Callable[..., object]) -> None:
        """Do what a program does once at its start."""
        instrumentation.AioHttpClientInstrumentor().instrument(tracer_provider=self.provider, **options)

    @property
    def finished(self) -> list[ReadableSpan]:
        """The spans so far, oldest first."""
        return list(self.spans.get_finished_spans())


@pytest.fixture
def tracing() -> Iterator[Tracing]:
    """A program with OpenTelemetry in it."""
    yield Tracing()
    instrumentation.AioHttpClientInstrumentor().uninstrument()


def recipe() -> dict[str, Callable[..., object]]:
    """What the guide tells to pass, with its block run as it stands there."""
    [block] = [each for each in house.blocks(house.GUIDES / "logs.md", "python") if "AioHttp" in each]
    names: dict[str, Callable[..., object]] = {}
    exec(block, names)
    instrumentation.AioHttpClientInstrumentor().uninstrument()
    return {"url_filter": names["without_query"], "request_hook": names["name_by_route"]}


async def one_video(folder: Path, tracing: Tracing | None = None) -> None:
    """Make a video and take it home."""
    simulator = Simulator(api_key=KEY, scenario=Scenario.generate().at_speed(400))
    async with (
        SimulatorServer(simulator) as server,
        HeyGen(KEY, base_url=server.url, cadence=Cadence.constant(0.2)) as heygen,
    ):
        if tracing is not None:
            otel.instrument(heygen, tracer_provider=tracing.provider)
        session = await heygen.sessions.create("A tour of our bakery", mode="generate")
        await (await session.video()).download(folder)


async def test_every_exchange_is_a_span(tracing: Tracing, tmp_path: Path) -> None:
    """Nothing but OpenTelemetry's package is needed to see each request with its status."""
    tracing.start()
    await one_video(tmp_path)

    assert ["POST", *["GET"] * (len(tracing.finished) - 1)] == [span.name for span in tracing.finished]
    assert all(200 == (span.attributes or {})["http.status_code"] for span in tracing.finished)


async def test_no_span_holds_the_key(tracing: Tracing, tmp_path: Path) -> None:
    """Whoever reads the traces cannot act for the account."""
    tracing.start()
    await one_video(tmp_path)

    assert [] == [span.name for span in tracing.finished if KEY in span.to_json()]


async def test_the_recipe_keeps_presigned_links_out(tracing: Tracing, tmp_path: Path) -> None:
    """With what the front page says to pass, no signature of a link is in a trace."""
    tracing.start(**recipe())
    await one_video(tmp_path)

    assert any("/media/" in span.to_json() for span in tracing.finished)
    assert [] == [span.to_json() for span in tracing.finished if "signature" in span.to_json()]


async def test_the_recipe_names_spans_by_route(tracing: Tracing, tmp_path: Path) -> None:
    """Spans of the same operation have the same name, whatever the session."""
    tracing.start(**recipe())
    await one_video(tmp_path)
    names = {span.name for span in tracing.finished}

    assert {"POST /v3/video-agents", "GET /v3/video-agents/{id}", "GET /v3/videos/{id}"} <= names
    assert not any("sess_" in name for name in names)


async def test_both_together_are_one_tree(tracing: Tracing, tmp_path: Path) -> None:
    """Where a program has both, what aiohttp does is under the exchange of this client that it is done for."""
    tracing.start(**recipe())
    await one_video(tmp_path, tracing)
    ours = {
        span.context.span_id: span.name
        for span in tracing.finished
        if span.context is not None and is_ours(span)
    }
    theirs = [span for span in tracing.finished if not is_ours(span)]

    assert len(ours) == len(theirs) + 1  # the session's own
    assert {"POST /v3/video-agents", "GET /v3/video-agents/{session_id}", "GET"} <= set(ours.values())
    assert all(span.parent is not None and span.parent.span_id in ours for span in theirs)


def is_ours(span: ReadableSpan) -> bool:
    """Whether this package has made a span."""
    return span.instrumentation_scope is not None and span.instrumentation_scope.name == "heygen_async"


# Makes a video in a batch; prints each span as it is exported, and the ref of its session as soon as there is one.
PROGRAM: Final = """
import asyncio, sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from heygen_async import Cadence, HeyGen, Job, otel

def line(span):
    return f"span {span.context.trace_id} {span.name}\\n"

def keep(event):
    if event.kind == "created":
        print("ref", event.ref.decode(), flush=True)

async def main(url, key):
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=line)))
    async with HeyGen(key, base_url=url, cadence=Cadence.constant(0.05)) as heygen:
        otel.instrument(heygen, tracer_provider=tracers)
        async with heygen.batch([Job("A tour", mode="generate")], on_event=keep) as run:
            await run.raise_failures()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_killed_process_is_followed_in_its_trace(tracing: Tracing, programs: Programs) -> None:
    """A job whose process was killed is, with all that the next one does for it, one trace."""
    simulator = Simulator(api_key=KEY, scenario=Scenario.generate().at_speed(50))
    async with SimulatorServer(simulator) as server:
        program = await programs.open(sys.executable, "-c", PROGRAM, server.url, KEY, stdout=PIPE)
        assert program.stdout is not None
        lines: list[list[str]] = []
        while not {"ref", "span"} <= {kind for kind, *_ in lines} or "session_id" not in lines[-1][-1]:
            lines.append((await program.stdout.readline()).decode().split(maxsplit=2))
        programs.kill()
        [ref] = [" ".join(words) for kind, *words in lines if kind == "ref"]
        async with HeyGen(KEY, base_url=server.url, cadence=Cadence.constant(0.1)) as heygen:
            otel.instrument(heygen, tracer_provider=tracing.provider)
            async with heygen.batch([Job("again", ref=ref.encode())]) as run:
                [outcome] = await run.raise_failures()
    before = {words[0] for kind, *words in lines if kind == "span"}

    assert outcome.ok
    assert 1 == len(simulator.ledger.creates)
    assert before == {str(span.context.trace_id) for span in tracing.finished if span.context is not None}
    assert 1 == len(before)
