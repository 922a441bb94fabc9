"""Videos into a bucket and attachments out of it, through a server that speaks S3."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from files.film import MIB, left_in, noise
from heygen_async import DownloadError

if TYPE_CHECKING:
    import pathlib

    from files.storage.buckets import Bucket
    from heygen_async import Transfer, Video
    from heygen_async.testing import Simulator

pytestmark = pytest.mark.storage


async def test_video_is_in_the_bucket_whole(video: Video, service: Simulator, bucket: Bucket) -> None:
    """A video of several parts is in the bucket as it is at the service, with its type."""
    service.storage.video = noise(20 * MIB)
    address = await video.copy_to(f"{bucket.address}/2026/intro.mp4")

    assert f"{bucket.address}/2026/intro.mp4" == address
    assert noise(20 * MIB) == bucket.read("2026/intro.mp4")
    assert "video/mp4" == bucket.kind("2026/intro.mp4")
    assert [] == bucket.unfinished()


async def test_nothing_of_it_is_on_the_disk(
    video: Video, bucket: Bucket, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes to a bucket never touches the disk of this machine."""
    monkeypatch.chdir(tmp_path)
    await video.copy_to(f"{bucket.address}/")

    assert [] == left_in(tmp_path)
    assert 1 == len(bucket.names())
    assert bucket.names()[0].endswith(f"{video.id}.mp4")


async def test_it_is_not_there_before_it_is_whole(video: Video, service: Simulator, bucket: Bucket) -> None:
    """Nobody finds the name before the last byte has come."""
    service.storage.video = noise(20 * MIB)
    seen: list[list[str]] = []

    async def look(transfer: Transfer) -> None:
        if transfer.total_bytes != transfer.done_bytes:
            seen.append(await anyio.to_thread.run_sync(bucket.names))

    await video.copy_to(f"{bucket.address}/a.mp4", on_progress=look)

    assert seen
    assert not any(seen)
    assert ["a.mp4"] == bucket.names()


async def test_cut_line_is_gone_on_from(video: Video, service: Simulator, bucket: Bucket) -> None:
    """A broken connection to the service does not begin the upload again."""
    service.storage.video = noise(20 * MIB)
    for at in (3 * MIB, 9 * MIB + 1, 17 * MIB):
        service.faults.add("cut_after", bytes=at, times=1)
    await video.copy_to(f"{bucket.address}/a.mp4")

    assert noise(20 * MIB) == bucket.read("a.mp4")


async def test_cancel_removes_what_was_written(video: Video, service: Simulator, bucket: Bucket) -> None:
    """A cancelled copy leaves nothing in the bucket, not even parts that nobody sees."""
    service.storage.video = noise(32 * MIB)
    begun = anyio.Event()

    async def note(transfer: Transfer) -> None:
        if transfer.done_bytes > 16 * MIB:
            begun.set()
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:

        async def copy() -> None:
            await video.copy_to(f"{bucket.address}/a.mp4", on_progress=note)

        group.start_soon(copy)
        await begun.wait()
        assert ["a.mp4"] == await anyio.to_thread.run_sync(bucket.unfinished)
        group.cancel_scope.cancel()

    assert [] == bucket.names()
    assert [] == bucket.unfinished()


async def test_what_is_there_stays(video: Video, bucket: Bucket) -> None:
    """An object of that name is not replaced unasked, and then it is."""
    bucket.write("a.mp4", b"mine")
    with pytest.raises(DownloadError, match="exists"):
        await video.copy_to(f"{bucket.address}/a.mp4")
    assert b"mine" == bucket.read("a.mp4")

    await video.copy_to(f"{bucket.address}/a.mp4", overwrite=True)
    assert b"ftyp" == bucket.read("a.mp4")[4:8]


async def test_missing_bucket_is_said_so(video: Video, bucket: Bucket) -> None:
    """An error of the store names the address and what to check, and shows no key."""
    with pytest.raises(DownloadError, match="NoSuchBucket") as caught:
        await video.copy_to("s3://nowhere/a.mp4", overwrite=True)
    assert "a-secret-key" not in repr(caught.getrepr(showlocals=False, funcargs=False))
