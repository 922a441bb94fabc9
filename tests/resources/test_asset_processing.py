"""A large file is usable when `upload` returns, or the error says why not."""

from __future__ import annotations

import pytest

from flows import client, clock
from heygen_async import HeyGen, InvalidArgument, UploadError
from heygen_async.testing import Simulator

LARGE = b"\x89PNG\r\n\x1a\n" + bytes(33_000_000)


async def test_upload_waits_for_processing(heygen: HeyGen, service: Simulator) -> None:
    """An upload whose `complete` answers `processing` returns when the file is usable, after few polls."""
    service.moods.asset_seconds = 60.0
    asset = await heygen.assets.upload(LARGE)
    await heygen.sessions.create("An espresso machine", files=[asset])

    assert "completed" == asset.status
    assert service.ledger.requests["asset_statuses"].total() < 15


async def test_failed_processing_is_an_upload_error(heygen: HeyGen, service: Simulator) -> None:
    """A file that the service cannot process is an `UploadError` with the service's reason."""
    service.moods.assets_fail = True
    with pytest.raises(UploadError, match="could not be processed"):
        await heygen.assets.upload(LARGE, filename="plan.png")


async def test_processing_past_the_timeout_is_an_upload_error(heygen: HeyGen, service: Simulator) -> None:
    """A file that stays in processing is an `UploadError` at the timeout."""
    service.moods.asset_seconds = float("inf")
    started = clock()
    with pytest.raises(UploadError, match="still processing"):
        await heygen.assets.upload(LARGE, timeout=30.0)

    assert 30.0 <= clock() - started < 35.0


async def test_a_service_without_asset_statuses_is_believed(service: Simulator) -> None:
    """Where the statuses of assets do not exist, the upload returns what `complete` answered."""
    service.faults.add("forbidden", on="asset_statuses", times=None)
    async with client(service) as heygen:
        assert "processing" == (await heygen.assets.upload(LARGE)).status


@pytest.mark.parametrize("timeout", [0, -1, True, "60", float("nan")])
async def test_bad_timeouts_are_refused(heygen: HeyGen, service: Simulator, timeout: object) -> None:
    """What is no positive number of seconds is refused before any request."""
    with pytest.raises(InvalidArgument, match="timeout"):
        await heygen.assets.upload(LARGE, timeout=timeout)  # type: ignore[arg-type]

    assert 0 == service.ledger.total_requests
