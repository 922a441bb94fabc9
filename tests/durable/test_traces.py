"""A durable job is one trace, whichever opening of its batch works on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from durable.campaign import POLL, client, ended, films, service
from heygen_async import Approve, BatchEvent
from heygen_async.durable import DurableBatch
from otel.telemetry import Telemetry, trace_ids

if TYPE_CHECKING:
    import pathlib

pytestmark = pytest.mark.durable


async def test_a_job_goes_on_in_its_trace(sqlite: str, tmp_path: pathlib.Path) -> None:
    """What one process began and the next one finished, review and download included, is one trace a job."""
    simulator, first, second = service(speed=60), Telemetry(), Telemetry()
    created = [anyio.Event(), anyio.Event()]

    def note(event: BatchEvent) -> None:
        if event.kind == "created":
            next(one for one in created if not one.is_set()).set()

    async with client(simulator) as heygen:
        first.instrument(heygen)
        async with DurableBatch(sqlite, name="a", heygen=heygen, poll_interval=POLL, on_event=note) as batch:
            await batch.submit(films(2, mode="chat"))
            for each in created:
                await each.wait()
    async with client(simulator) as heygen:
        second.instrument(heygen)
        async with DurableBatch(
            sqlite,
            name="a",
            heygen=heygen,
            poll_interval=POLL,
            reviewer=Approve(),
            download_to=tmp_path / "videos",
        ) as batch:
            outcomes = await ended(batch)

    assert all(outcome.ok for outcome in outcomes.values())
    begun = trace_ids(*first.named("POST /v3/video-agents"))
    assert 2 == len(begun)
    assert begun == trace_ids(*second.named("POST /v3/video-agents/{session_id}"))
    assert begun == trace_ids(*second.named("GET"))  # the downloads
    assert begun == trace_ids(*first.named("heygen.session"), *second.named("heygen.session"))
