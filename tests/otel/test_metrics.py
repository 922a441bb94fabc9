"""What is measured: exchanges, polls, retries, refusals, sessions, batches; and no id among it."""

from __future__ import annotations

import gc
import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from batches import fast_service, make_job, run_batch
from flows import client, pass_time, rendering
from heygen_async import HeyGen, Rate
from otel.telemetry import Telemetry

if TYPE_CHECKING:
    from heygen_async.testing import Simulator

PROMPT = "A tour of our bakery"


@pytest.fixture
def measured(heygen: HeyGen, telemetry: Telemetry) -> HeyGen:
    """A client that is measured."""
    telemetry.instrument(heygen)
    return heygen


def totals(telemetry: Telemetry, name: str, *keys: str) -> dict[tuple[Any, ...], Any]:
    """Return the values of a counter by these attributes."""
    return {tuple(point.attributes.get(key) for key in keys): point.value for point in telemetry.points(name)}


async def test_exchanges_are_measured_by_route_and_status(
    measured: HeyGen, telemetry: Telemetry, service: Simulator
) -> None:
    """Every request of the ledger is in the duration of requests, under the conventions' name."""
    session = await measured.sessions.create(PROMPT, mode="generate")
    await session.video()
    points = telemetry.points("http.client.request.duration")
    create = [point for point in points if point.attributes["http.request.method"] == "POST"]

    assert service.ledger.total_requests == sum(point.count for point in points)
    assert [
        {
            "http.request.method": "POST",
            "http.response.status_code": 200,
            "server.address": "127.0.0.1",
            "server.port": 8080,
            "url.template": "/v3/video-agents",
        }
    ] == [dict(point.attributes) for point in create]


async def test_polls_are_those_of_the_statistics(measured: HeyGen, telemetry: Telemetry) -> None:
    """Polls are counted alone and together, as `statistics()` does."""
    sessions = await rendering(measured, 3)
    async with anyio.create_task_group() as group:
        for session in sessions:
            group.start_soon(session.wait)
    known = measured.statistics()

    assert {("session",): known.polls, ("videos",): known.bulk_polls} == totals(
        telemetry, "heygen.polls", "heygen.poll.type"
    )
    assert known.bulk_polls


async def test_polls_never_fall(service: Simulator, telemetry: Telemetry) -> None:
    """What a client has counted counts when it is gone, and clients of one program count together."""
    polls: list[int] = []
    for _ in range(2):
        async with client(service) as heygen:
            telemetry.instrument(heygen)
            await (await heygen.sessions.create(PROMPT)).wait()
            polls.append(heygen.statistics().polls)
        del heygen
        gc.collect()
    counted = totals(telemetry, "heygen.polls", "heygen.poll.type")["session",]

    assert sum(polls) == counted
    assert all(polls)


async def test_retries_and_refusals_are_counted(
    measured: HeyGen, telemetry: Telemetry, service: Simulator
) -> None:
    """A 429 is counted as one, and as a call that was made again, by its route."""
    service.faults.add("rate_limit", on="account", times=2, retry_after=2)
    await measured.account.me()

    assert {("/v3/users/me", "RateLimited"): 2} == totals(
        telemetry, "heygen.retries", "url.template", "error.type"
    )
    assert {("/v3/users/me",): 2} == totals(telemetry, "heygen.rate_limited", "url.template")


async def test_phases_have_durations(telemetry: Telemetry) -> None:
    """How long a session was in each status is measured when it leaves it."""
    service = fast_service()
    async with client(service) as heygen:
        telemetry.instrument(heygen)
        session = await heygen.sessions.create(PROMPT, mode="generate")
        await session.wait()
    sums = {
        point.attributes["heygen.session.status"]: point.sum
        for point in telemetry.points("heygen.session.phase.duration")
    }

    assert {"thinking", "generating"} == sums.keys()
    assert 50 <= sums["generating"] < 60 < sum(sums.values())


async def test_a_word_of_the_services_own_names_no_metric(
    measured: HeyGen, telemetry: Telemetry, service: Simulator
) -> None:
    """A status this release does not know is counted with all others of that kind."""
    service.faults.add("unknown_status", on="get", times=1)
    session = await measured.sessions.create(PROMPT, mode="generate")
    await session.refresh()
    await pass_time(1)
    await session.refresh()
    points = telemetry.points("heygen.session.phase.duration")

    assert ["_OTHER", "thinking"] == sorted(point.attributes["heygen.session.status"] for point in points)


async def test_the_delay_of_a_video_is_from_its_end(measured: HeyGen, telemetry: Telemetry) -> None:
    """From the end of a video until it is known is measured in the service's time, once for a video."""
    session = await measured.sessions.create(PROMPT, mode="generate")
    video = await session.video()
    await pass_time(600)
    await session.video()
    [point] = telemetry.points("heygen.video.delay")

    assert video.completed_at
    assert 1 == point.count
    assert 0 <= point.sum < 30


@pytest.mark.parametrize("skew", [-600.0, 600.0])
async def test_the_delay_goes_by_the_services_clock(telemetry: Telemetry, skew: float) -> None:
    """A service whose clock is ten minutes behind, or ahead, shows no delay that is not there."""
    async with client(fast_service(clock_skew=skew)) as heygen:
        telemetry.instrument(heygen)
        session = await heygen.sessions.create(PROMPT, mode="generate")
        await session.video()
    [point] = telemetry.points("heygen.video.delay")

    assert 0 < point.sum < 30


async def test_a_batch_shows_its_limit_and_its_money(telemetry: Telemetry) -> None:
    """While a batch runs, the jobs it has room for, those in progress, and what they may cost can be seen."""
    async with client(fast_service(max_jobs=3)) as heygen:
        telemetry.instrument(heygen)
        jobs = [make_job(number, max_seconds=60.0) for number in range(6)]
        async with heygen.batch(jobs, max_in_flight=5, max_spend=100.0, rate=Rate(per_second=0.01)) as run:
            await pass_time(40)
            seen = {
                name: totals(telemetry, f"heygen.batch.{name}", "heygen.currency")
                for name in ("limit", "in_progress", "paused", "spent", "reserved")
            }
            expected = {
                "limit": {(None,): run.limit},
                "in_progress": {(None,): 3},
                "paused": {(None,): 0},
                "spent": {("usd",): 0.0},
                "reserved": {("usd",): run.reserved},
            }
            assert expected == seen
            assert run.reserved > 0
            assert 6 == len([outcome async for outcome in run])
        after = totals(telemetry, "heygen.batch.spent", "heygen.currency")

    assert {("usd",): run.spent} == after
    assert run.spent > 0


async def test_no_metric_has_an_id(measured: HeyGen, telemetry: Telemetry, service: Simulator) -> None:
    """No series is of one session, video or file: their number would grow with the work."""
    await run_batch(measured, [make_job(number) for number in range(2)])
    data = telemetry.reader.get_metrics_data()
    assert data is not None
    attributes = [
        str(point["attributes"])
        for resource in json.loads(data.to_json())["resource_metrics"]
        for scope in resource["scope_metrics"]
        for metric in scope["metrics"]
        for point in metric["data"]["data_points"]
    ]

    assert service.ledger.sessions
    assert [] == [text for text in attributes for one in service.ledger.sessions if one in text]
    assert [] == [text for text in attributes if "video_" in text and "{video_id}" not in text]
