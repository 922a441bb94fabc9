"""Videos taken home, whatever the line, the link or the storage host does."""

from __future__ import annotations

import pickle
import random
from itertools import pairwise
from typing import TYPE_CHECKING

import anyio
import pytest

from files.film import HURRIED, MIB, client, film, half_a_file, left_in, noise
from heygen_async import ClientStateError, DownloadError, RetryPolicy, Timeouts
from heygen_async.testing import Scenario, Simulator, SimulatorServer, run

if TYPE_CHECKING:
    import pathlib

    from heygen_async import HeyGen, Transfer, Video
    from heygen_async.testing import Storage


@pytest.fixture
def storage(service: Simulator) -> Storage:
    """The storage host, with a video of some size."""
    service.storage.video = noise(MIB)
    return service.storage


def whole(storage: Storage) -> bytes:
    """The file that should come home."""
    assert storage.video is not None
    return storage.video


async def test_download_is_the_file(video: Video, storage: Storage, tmp_path: pathlib.Path) -> None:
    """A download gives the file, under the name asked for and nothing else."""
    path = await video.download(tmp_path / "intro.mp4")

    assert whole(storage) == path.read_bytes()
    assert ["intro.mp4"] == left_in(tmp_path)


async def test_key_goes_to_no_storage_host(video: Video, service: Simulator, tmp_path: pathlib.Path) -> None:
    """The storage host is another origin, and never sees the credential."""
    await video.download(tmp_path)
    await video.download_captions(tmp_path)

    assert service.base_url != service.storage.url
    assert [] == service.ledger.key_leaks


async def test_folder_names_the_file_after_title_and_id(
    service: Simulator, heygen: HeyGen, tmp_path: pathlib.Path
) -> None:
    """Into a folder, a file is named for people and for programs."""
    video = await heygen.videos.get(film(service, "../../etc/passwd: A\x00 trip"))
    path = await video.download(tmp_path)

    assert tmp_path == path.parent
    assert path.name.endswith(f"{video.id}.mp4")


async def test_cut_fifty_times_is_identical_and_little_is_read_twice(
    video: Video, service: Simulator, storage: Storage, tmp_path: pathlib.Path
) -> None:
    """A download cut 50 times at random points gives the identical file and re-reads at most 2 % of it."""
    storage.video = noise(16 * MIB)
    points = sorted(random.Random(5).sample(range(1, 16 * MIB), 50))
    for start, end in zip([0, *points], points, strict=False):
        service.faults.add("cut_after", bytes=end - start)
    path = await video.download(tmp_path / "intro.mp4")

    assert storage.video == path.read_bytes()
    assert 50 == service.ledger.faults["cut_after"]
    assert storage.sent_bytes <= 1.02 * 16 * MIB


async def test_link_that_dies_in_the_middle_is_replaced(
    video: Video, service: Simulator, storage: Storage, tmp_path: pathlib.Path
) -> None:
    """A link that dies half-way is asked for afresh, and the download goes on from where it was."""
    service.faults.add("dead_link", bytes=MIB // 2)
    path = await video.download(tmp_path / "intro.mp4")

    assert whole(storage) == path.read_bytes()
    assert 1.02 * MIB >= storage.sent_bytes
    assert 2 == service.ledger.video_polls[video.id]


async def test_link_that_expired_before_is_replaced(
    service: Simulator, heygen: HeyGen, tmp_path: pathlib.Path
) -> None:
    """A video read yesterday is downloaded by today's link."""
    video = await heygen.videos.get(film(service))
    service.faults.add("expired_link", on="media")
    await video.download(tmp_path / "intro.mp4")

    assert {200: 1, 403: 1} == service.ledger.requests["media"]


async def test_link_that_is_never_good_is_an_error(
    video: Video, service: Simulator, tmp_path: pathlib.Path
) -> None:
    """When fresh links are refused as well, the download ends and says so."""
    service.faults.add("expired_link", on="media", times=None)
    with pytest.raises(DownloadError, match="403"):
        await video.download(tmp_path / "intro.mp4")

    assert [] == left_in(tmp_path)
    assert HURRIED.max_attempts == service.ledger.requests["media"][403]


@pytest.mark.parametrize(
    "fault", ["error_500", "rate_limit", "reset_before", "gateway_html", "cut_length", "cut_chunked"]
)
async def test_passing_failures_are_outlasted(
    video: Video, service: Simulator, storage: Storage, tmp_path: pathlib.Path, fault: str
) -> None:
    """What a storage host gets over, a download gets over."""
    service.faults.add(fault, on="media", times=2, **({"retry_after": 0} if fault == "rate_limit" else {}))
    path = await video.download(tmp_path / "intro.mp4")

    assert whole(storage) == path.read_bytes()


@pytest.mark.parametrize("validator", ["etag", "weak", "date", "none"])
async def test_every_kind_of_validator(
    video: Video, service: Simulator, storage: Storage, tmp_path: pathlib.Path, validator: str
) -> None:
    """With or without a way to tell versions apart, a broken download gives the file; with one, it goes on."""
    storage.validator = validator  # type: ignore[assignment]
    service.faults.add("cut_after", bytes=MIB // 2)
    path = await video.download(tmp_path / "intro.mp4")
    twice = MIB // 2 if validator in {"weak", "none"} else 1

    assert whole(storage) == path.read_bytes()
    assert MIB <= storage.sent_bytes <= MIB + twice


async def test_host_without_ranges_starts_over(
    video: Video, service: Simulator, storage: Storage, tmp_path: pathlib.Path
) -> None:
    """A host that sends the whole file whatever range is asked for gives the file all the same."""
    storage.ranges = False
    service.faults.add("cut_after", bytes=MIB // 2)
    path = await video.download(tmp_path / "intro.mp4")

    assert whole(storage) == path.read_bytes()


async def test_host_without_ranges_that_always_breaks_is_given_up(
    video: Video, service: Simulator, storage: Storage, tmp_path: pathlib.Path
) -> None:
    """Starting over is no progress: a file that can't come in one go ends in an error, not in a circle."""
    storage.ranges = False
    service.faults.add("cut_after", bytes=MIB // 2, times=None)
    with pytest.raises(DownloadError):
        await video.download(tmp_path / "intro.mp4")

    assert service.ledger.faults["cut_after"] <= 2 * HURRIED.max_attempts


async def test_silence_ends_an_attempt(
    server: SimulatorServer, service: Simulator, storage: Storage, tmp_path: pathlib.Path
) -> None:
    """A line that falls silent is left after `Timeouts.transfer`, and the rest read on another."""
    async with client(server, timeouts=Timeouts(transfer=0.5)) as heygen:
        video = await heygen.videos.get(film(service))
        service.faults.add("stall_after", bytes=MIB // 2)
        path = await video.download(tmp_path / "intro.mp4")

    assert whole(storage) == path.read_bytes()
    assert storage.sent_bytes <= MIB + 1


def test_slow_is_not_silent(tmp_path: pathlib.Path) -> None:
    """A slow line is no failure, however long the whole takes."""
    service = Simulator()
    service.storage.video = noise(60)

    async def download() -> pathlib.Path:
        limits = Timeouts(transfer=30)
        async with SimulatorServer(service) as server, client(server, timeouts=limits) as heygen:
            session = await heygen.sessions.create("An espresso machine", mode="generate")
            video = await session.video()
            service.faults.add("slow_file", rate=1)
            return await video.download(tmp_path / "intro.mp4")

    path = run(download)  # a minute, in virtual time

    assert (60, 1) == (len(path.read_bytes()), service.ledger.requests["media"][200])


async def test_progress_is_reported_in_order_and_to_the_end(
    video: Video, service: Simulator, storage: Storage, tmp_path: pathlib.Path
) -> None:
    """Progress counts up to the size of the file, what an earlier run left included; at most 10 times a second."""
    target = tmp_path / "intro.mp4"
    kept = await half_a_file(video, service, target)
    transfers: list[Transfer] = []
    await video.download(target, on_progress=transfers.append)
    done = [one.done_bytes for one in transfers]

    assert sorted(done) == done
    assert (MIB, MIB) == (done[-1], transfers[-1].total_bytes)
    assert done[0] >= kept
    assert all(after.elapsed - before.elapsed >= 0.099 for before, after in pairwise(transfers))


async def test_progress_may_be_async(video: Video, tmp_path: pathlib.Path) -> None:
    """A coroutine function is awaited."""
    transfers: list[Transfer] = []

    async def tell(transfer: Transfer) -> None:
        await anyio.lowlevel.checkpoint()
        transfers.append(transfer)

    await video.download(tmp_path / "intro.mp4", on_progress=tell)

    assert transfers


async def test_what_the_callback_raises_is_raised(video: Video, tmp_path: pathlib.Path) -> None:
    """A callback may end a download with an error of its own; nothing has the final name."""

    def stop(transfer: Transfer) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        await video.download(tmp_path / "intro.mp4", on_progress=stop)

    assert not (tmp_path / "intro.mp4").exists()


async def test_captions(video: Video, service: Simulator, tmp_path: pathlib.Path) -> None:
    """Captions come home like the video, named beside it."""
    path = await video.download_captions(tmp_path)

    assert service.storage.captions == path.read_bytes()
    assert path.name.endswith(f"{video.id}.srt")


async def test_no_captions_is_an_error(service: Simulator, heygen: HeyGen, tmp_path: pathlib.Path) -> None:
    """A video without captions says so."""
    service.storage.captions = None
    video = await heygen.videos.get(film(service))
    with pytest.raises(DownloadError, match="has no link"):
        await video.download_captions(tmp_path)


async def test_two_at_once_into_one_file_is_an_error(
    video: Video, service: Simulator, tmp_path: pathlib.Path
) -> None:
    """Two downloads never write into the same half file."""
    service.faults.add("stall_after", bytes=10)
    async with anyio.create_task_group() as group:
        group.start_soon(video.download, tmp_path / "intro.mp4")
        while not (tmp_path / "intro.mp4.part").exists():
            await anyio.sleep(0.005)  # noqa: TID251 - a server on a socket lives in real time
        with pytest.raises(DownloadError, match="another download"):
            await video.download(tmp_path / "intro.mp4")
        group.cancel_scope.cancel()


async def test_unpickled_video_has_no_client(video: Video, tmp_path: pathlib.Path) -> None:
    """A video from elsewhere is a value; it says how to get one that downloads."""
    copy = pickle.loads(pickle.dumps(video))

    assert video == copy
    with pytest.raises(ClientStateError):
        await copy.download(tmp_path)


async def test_resources_download(
    server: SimulatorServer, service: Simulator, tmp_path: pathlib.Path
) -> None:
    """Storyboards come home like videos, each named after its kind and id."""
    service.script(Scenario.chat())
    async with client(server) as heygen:
        film(service)
        session = heygen.sessions.attach(service.ledger.sessions[-1])
        resources = await session.resources()
        copies = [pickle.loads(pickle.dumps(resource)) for resource in resources]
        paths = [await resource.download(tmp_path) for resource in resources]

    assert resources == copies
    assert paths
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    assert [f"image {resource.resource_id}.png" for resource in resources] == [path.name for path in paths]


async def test_retry_policy_of_one_attempt_is_one_attempt(
    server: SimulatorServer, service: Simulator, tmp_path: pathlib.Path
) -> None:
    """`max_attempts=1` tries once."""
    async with client(server, retry=RetryPolicy(max_attempts=1)) as heygen:
        video = await heygen.videos.get(film(service))
        service.faults.add("error_500", on="media", times=None)
        with pytest.raises(DownloadError):
            await video.download(tmp_path)

    assert 1 == service.ledger.requests["media"][500]
