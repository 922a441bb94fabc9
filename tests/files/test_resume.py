"""Downloads that go on from what an earlier run left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from files.film import MIB, film, half_a_file, left_in, noise

if TYPE_CHECKING:
    import pathlib

    from heygen_async import HeyGen, Video
    from heygen_async.testing import Simulator, Storage


@pytest.fixture
def storage(service: Simulator) -> Storage:
    """The storage host, with a video of some size."""
    service.storage.video = noise(MIB)
    return service.storage


async def test_second_run_goes_on(
    video: Video, service: Simulator, storage: Storage, tmp_path: pathlib.Path
) -> None:
    """A cancelled download leaves what had come, and the next one reads only the rest."""
    target = tmp_path / "intro.mp4"
    kept = await half_a_file(video, service, target)
    before = storage.sent_bytes
    assert ["intro.mp4.part", "intro.mp4.part.json"] == left_in(tmp_path)
    await video.download(target)

    assert storage.video == target.read_bytes()
    assert ["intro.mp4"] == left_in(tmp_path)
    assert MIB - kept == storage.sent_bytes - before


async def test_changed_file_starts_over(
    video: Video, service: Simulator, storage: Storage, tmp_path: pathlib.Path
) -> None:
    """Half of the old file is never joined with half of the new one."""
    target = tmp_path / "intro.mp4"
    await half_a_file(video, service, target)
    storage.video = noise(MIB, seed=2)
    await video.download(target)

    assert storage.video == target.read_bytes()


async def test_half_of_another_video_starts_over(
    video: Video, service: Simulator, storage: Storage, heygen: HeyGen, tmp_path: pathlib.Path
) -> None:
    """Half of one video under a name is not gone on from with another one."""
    storage.validator = "date"  # all files here are of the same date
    target = tmp_path / "intro.mp4"
    await half_a_file(video, service, target)
    storage.video = noise(MIB, seed=2)
    other = await heygen.videos.get(film(service))
    await other.download(target)

    assert storage.video == target.read_bytes()


async def test_resume_can_be_declined(
    video: Video, service: Simulator, storage: Storage, tmp_path: pathlib.Path
) -> None:
    """`resume=False` reads everything anew and leaves nothing when it fails."""
    target = tmp_path / "intro.mp4"
    await half_a_file(video, service, target)
    before = storage.sent_bytes
    await video.download(target, resume=False)
    assert MIB == storage.sent_bytes - before
    service.faults.add("stall_after", bytes=1000)
    with anyio.move_on_after(0.2):
        await video.download(target, resume=False, overwrite=True)

    assert ["intro.mp4"] == left_in(tmp_path)
    assert storage.video == target.read_bytes()


async def test_torn_note_starts_over(
    video: Video, service: Simulator, storage: Storage, tmp_path: pathlib.Path
) -> None:
    """A note that a kill tore apart costs a new start, not the file."""
    target = tmp_path / "intro.mp4"
    await half_a_file(video, service, target)
    (tmp_path / "intro.mp4.part.json").write_bytes(b'{"of": "vid')
    await video.download(target)

    assert storage.video == target.read_bytes()


async def test_whole_part_is_asked_for_one_byte(
    video: Video, service: Simulator, storage: Storage, tmp_path: pathlib.Path
) -> None:
    """A run that ended between the last byte and the final name is finished with one byte."""
    target = tmp_path / "intro.mp4"
    await half_a_file(video, service, target)
    (tmp_path / "intro.mp4.part").write_bytes(noise(MIB))
    before = storage.sent_bytes
    await video.download(target)

    assert (storage.video, 1) == (target.read_bytes(), storage.sent_bytes - before)
