"""A session is one trace from its create to its video, whichever processes work on it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from opentelemetry.trace import StatusCode

from batches import EventLog, count_ends, fast_service, make_job, run_batch
from flows import client, pass_time, rendering
from heygen_async import APIError, Approve, Job, SessionFailed
from heygen_async.testing import Scenario, Simulator
from otel.telemetry import CREATE, KEY, POLL, PROMPT, SESSION, Telemetry, calls_of, trace_ids

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from heygen_async import HeyGen, SessionState


def parents(spans: tuple[ReadableSpan, ...]) -> set[int]:
    """Return the ids of the spans above these."""
    return {span.parent.span_id for span in spans if span.parent is not None}


async def test_a_session_is_one_trace_to_its_video(traced: HeyGen, telemetry: Telemetry) -> None:
    """Every exchange from the create to the video is a child of the session's span, in one trace."""
    session = await traced.sessions.create(PROMPT, mode="generate")
    video = await session.video()
    *exchanges, span = telemetry.spans

    assert SESSION == span.name
    assert 1 == len(trace_ids(*telemetry.spans))
    assert CREATE == exchanges[0].name
    assert {POLL, "GET /v3/videos/{video_id}"} <= {each.name for each in exchanges[1:]}
    assert span.context is not None
    assert {span.context.span_id} == parents(tuple(exchanges))
    assert {
        "heygen.session.id": session.id,
        "heygen.session.mode": "generate",
        "heygen.video.id": video.id,
    } == span.attributes
    assert StatusCode.UNSET is span.status.status_code


async def test_transitions_are_events(traced: HeyGen, telemetry: Telemetry) -> None:
    """The session's span has an event for each status, with how long the one before lasted."""
    session = await traced.sessions.create(PROMPT, mode="generate")
    await session.video()
    [span] = telemetry.named(SESSION)
    told = [dict(event.attributes or {}) for event in span.events]

    assert ["thinking", "generating", "completed"] == [each["heygen.session.status"] for each in told]
    assert [None, "thinking", "generating"] == [each.get("heygen.session.previous_status") for each in told]
    assert all(float(str(each["heygen.session.previous_duration"])) > 0 for each in told[1:])


async def test_an_exchange_has_the_names_of_the_conventions(traced: HeyGen, telemetry: Telemetry) -> None:
    """Method, route, server and status are where every backend for traces looks for them."""
    await traced.sessions.create(PROMPT, mode="generate")
    [create] = telemetry.named(CREATE)

    assert {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": 8080,
        "url.template": "/v3/video-agents",
    } == create.attributes


async def test_a_killed_job_goes_on_in_its_trace() -> None:
    """What a process exported before it was killed, and all that the one after it does, is one trace."""
    service, events = fast_service(), EventLog()
    first, second = Telemetry(), Telemetry()
    async with client(service) as heygen:
        first.instrument(heygen)
        with anyio.move_on_after(30):
            await run_batch(heygen, [make_job(1)], on_event=events)
        before = first.spans  # no more than this left a process that is killed here
    [ref] = [event.ref for event in events.of("created")]
    async with client(service) as heygen:
        second.instrument(heygen)
        [outcome] = await run_batch(heygen, [Job("again", ref=ref)])

    assert outcome.ok
    assert {CREATE, POLL} <= {span.name for span in before}
    assert SESSION not in {span.name for span in before}
    assert {POLL, SESSION} <= second.names.keys()
    assert CREATE not in second.names
    assert 1 == len(trace_ids(*before, *second.spans))


async def test_a_ref_that_was_written_again_keeps_the_trace(service: Simulator) -> None:
    """However often a session changes hands, and whoever of them traces, its trace is the one it began in."""
    ref, telemetries = b"", [Telemetry(), Telemetry(), Telemetry()]
    for number in range(4):
        async with client(service) as heygen:
            if number != 2:  # this process has no telemetry
                telemetries[number % 3].instrument(heygen)
            session = heygen.sessions.restore(ref) if ref else await heygen.sessions.create(PROMPT)
            await session.refresh()
            ref = session.ref()

    assert 1 == len(trace_ids(*(span for each in telemetries for span in each.spans)))


async def test_names_have_no_ids(traced: HeyGen, telemetry: Telemetry, service: Simulator) -> None:
    """A name is the same for all sessions: no id is part of one, of an endpoint unknown here either."""
    session = await traced.sessions.create(PROMPT)
    await session.wait()
    await session.resources()
    await session.approve()
    video = await session.video()
    await traced.request("GET", f"/v3/videos/{video.id}", params={"token": "next"})
    ids = [session.id, video.id, *service.ledger.sessions]

    assert [] == [name for name in telemetry.names for one in ids if one in name]
    assert not any("?" in name for name in telemetry.names)


async def test_no_secret_is_in_a_trace(telemetry: Telemetry, tmp_path: Path) -> None:
    """Neither the key nor a prompt, a message or the signature of a link is in any span."""
    service = fast_service(api_key=KEY)
    async with client(service, api_key=KEY) as heygen:
        telemetry.instrument(heygen)
        [outcome] = await run_batch(heygen, [make_job(1)], download_to=tmp_path)
    shown = "".join(span.to_json() for span in telemetry.spans)

    assert outcome.ok
    assert "GET" in telemetry.names  # the download
    assert outcome.video is not None
    assert outcome.video.video_url is not None
    link = outcome.video.video_url
    assert [] == [
        word
        for word in (KEY, "Job number", "ignature", "x-api-key", link, link.split("?")[-1])
        if word in shown
    ]


async def test_a_create_is_part_of_the_programs_trace(traced: HeyGen, telemetry: Telemetry) -> None:
    """A session created within a span of the program is in its trace, polls included."""
    with telemetry.tracer.start_as_current_span("nightly"):
        session = await traced.sessions.create(PROMPT, mode="generate")
    await session.video()

    assert 1 == len(trace_ids(*telemetry.spans))


async def test_what_another_trace_asks_is_linked_to_it(traced: HeyGen, telemetry: Telemetry) -> None:
    """A message sent by a web request stays in the session's trace, and names the request's."""
    session = await traced.sessions.create(PROMPT)
    await session.wait()
    with telemetry.tracer.start_as_current_span("POST /approve") as request:
        await session.approve()
    sent = telemetry.named(POLL.replace("GET", "POST"))

    assert trace_ids(*telemetry.named(CREATE)) == trace_ids(*sent)
    assert {request.get_span_context().trace_id} == {
        link.context.trace_id for one in sent for link in one.links
    }


async def test_shared_polls_are_linked_to_all_their_sessions(traced: HeyGen, telemetry: Telemetry) -> None:
    """One read of many videos is in no session's trace, and linked with the trace of each."""
    sessions = await rendering(traced, 3)
    async with anyio.create_task_group() as group:
        for session in sessions:
            group.start_soon(session.wait)
    shared = telemetry.named("GET /v3/videos/statuses")
    linked = {link.context.trace_id for span in shared for link in span.links}

    assert any(len(span.links) > 1 for span in shared)
    assert trace_ids(*telemetry.named(CREATE)) >= linked
    assert trace_ids(*shared).isdisjoint(linked)


async def test_a_failed_session_says_why(telemetry: Telemetry) -> None:
    """The span of a session that fails has the reason."""
    service = Simulator(scenario=Scenario.failing("generating"))
    async with client(service) as heygen:
        telemetry.instrument(heygen)
        session = await heygen.sessions.create(PROMPT, mode="generate")
        with pytest.raises(SessionFailed):
            await session.wait()
        [span] = telemetry.named(SESSION)

    assert StatusCode.ERROR is span.status.status_code
    assert "The narration could not be synthesized." == span.status.description
    assert "SessionFailed" == (span.attributes or {})["error.type"]


async def test_a_refused_create_is_a_failed_span(
    traced: HeyGen, telemetry: Telemetry, service: Simulator
) -> None:
    """What made no session is a span that says so, and its exchange one with the status."""
    service.faults.add("payment_required", on="create")
    with pytest.raises(APIError):
        await traced.sessions.create(PROMPT)
    exchange, span = telemetry.spans

    assert [StatusCode.ERROR] * 2 == [span.status.status_code, exchange.status.status_code]
    assert "InsufficientCredit" == (span.attributes or {})["error.type"]
    assert "402" == (exchange.attributes or {})["error.type"]


async def test_a_lost_create_is_recovered_in_its_trace(
    traced: HeyGen, telemetry: Telemetry, service: Simulator
) -> None:
    """Each attempt, and what was read to recover it, is in the trace; the broken one names what broke."""
    service.faults.add("reset_after_processing", on="create")
    session = await traced.sessions.create(PROMPT, mode="generate")
    await session.video()
    [broken] = telemetry.named(CREATE)

    assert "ConnectionLost" == (broken.attributes or {})["error.type"]
    assert "GET /v3/video-agents" in telemetry.names
    assert 1 == len(trace_ids(*telemetry.spans))


async def test_a_revision_is_another_span_of_the_trace(traced: HeyGen, telemetry: Telemetry) -> None:
    """A session that goes on after its video has a second span, in the same trace."""
    session = await traced.sessions.create(PROMPT)
    await session.wait()
    await session.approve()
    first = await session.video()
    await session.send("Warmer, please")
    await session.wait()
    await session.approve()
    second = await session.video()

    assert [first.id, second.id] == [
        (span.attributes or {})["heygen.video.id"] for span in telemetry.named(SESSION)
    ]
    assert 1 == len(trace_ids(*telemetry.spans))


async def test_a_reviewer_works_in_the_trace_of_its_session(telemetry: Telemetry, tmp_path: Path) -> None:
    """Spans that a batch's reviewer and callbacks begin, and the download, are in the trace of their job."""

    def review(_: Any, __: SessionState) -> Approve:
        with telemetry.tracer.start_as_current_span("review"):
            return Approve()

    service = Simulator(scenario=Scenario.chat())
    async with client(service) as heygen:
        telemetry.instrument(heygen)
        outcomes = await run_batch(heygen, ["A", "B"], reviewer=review, download_to=tmp_path)

    assert {"ok": 2} == count_ends(outcomes)
    assert {"review": 2, "GET": 2, SESSION: 2, CREATE: 2}.items() <= telemetry.names.items()
    for name in ("review", "GET", SESSION, CREATE):
        assert 2 == len(trace_ids(*telemetry.named(name)))
    alone = [span for span in telemetry.spans if not span.links]  # others are polls of both
    assert 2 == len(trace_ids(*alone))


async def test_closing_ends_what_goes_on_elsewhere(telemetry: Telemetry, service: Simulator) -> None:
    """The span of a session that renders on is exported when the client closes."""
    async with client(service) as heygen:
        telemetry.instrument(heygen)
        session = await heygen.sessions.create(PROMPT)
        assert [] == telemetry.named(SESSION)

    assert 1 == len(telemetry.named(SESSION))
    assert session.state is not None


async def test_a_session_nobody_holds_has_ended(traced: HeyGen, telemetry: Telemetry) -> None:
    """A web request that created a session and forgot its handle leaves no span open."""
    await traced.sessions.create(PROMPT)
    await pass_time(1)

    assert 1 == len(telemetry.named(SESSION))


async def test_an_attached_session_has_a_trace_from_there(
    traced: HeyGen, telemetry: Telemetry, service: Simulator
) -> None:
    """An id carries no trace, so work on it begins one."""
    async with client(service) as other:
        known = (await other.sessions.create(PROMPT)).id
    await traced.sessions.attach(known).refresh()

    assert {POLL: 1, SESSION: 1} == telemetry.names
    assert 1 == len(trace_ids(*telemetry.spans))


async def test_a_poll_costs_the_same_for_any_number_of_sessions(traced: HeyGen, telemetry: Telemetry) -> None:
    """Tracing does not go through all sessions to find the one that is polled, or those polled together."""
    first, *_ = await rendering(traced, 2)
    alone = await calls_of(first.wait)
    second, *_ = kept = await rendering(traced, 300)
    among_many = await calls_of(second.wait)

    assert kept
    assert among_many < 1.2 * alone


@pytest.mark.parametrize("told", ["", "00-0-0-00", "x" * 10_000, "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
async def test_a_ref_with_no_readable_trace_is_a_ref(
    traced: HeyGen, telemetry: Telemetry, service: Simulator, told: str
) -> None:
    """Whatever stands in a ref for its trace, the session goes on, with a trace of its own."""
    async with client(service) as other:
        ref = json.loads((await other.sessions.create(PROMPT)).ref())
    session = traced.sessions.restore(json.dumps({**ref, "traceparent": told}))
    await session.refresh()
    span_id = f"{next(iter(parents(telemetry.spans))):016x}"

    assert 1 == len(trace_ids(*telemetry.spans))
    assert span_id in json.loads(session.ref())["traceparent"]


async def test_a_ref_has_no_trace_unless_there_is_one(heygen: HeyGen) -> None:
    """Without telemetry a ref is what it was before, and an older release reads one that has a trace."""
    session = await heygen.sessions.create(PROMPT)

    assert "traceparent" not in json.loads(session.ref())
