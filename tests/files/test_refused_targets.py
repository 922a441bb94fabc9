"""Targets that cannot be written, on a real disk."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from files.film import HURRIED, MIB, film, left_in, noise
from heygen_async import DownloadError, InvalidArgument
from repository.house import ROOT

if TYPE_CHECKING:
    import pathlib

    from heygen_async import HeyGen, Transfer, Video
    from heygen_async.testing import Simulator, SimulatorServer
    from programs import Programs


@pytest.mark.parametrize("by", ["name", "folder"])
async def test_existing_file_stays(video: Video, service: Simulator, tmp_path: pathlib.Path, by: str) -> None:
    """A file that is there is not replaced, and nothing is asked of any host before that is clear."""
    there = await video.download(tmp_path)
    there.write_bytes(b"mine")
    range_headers = service.ledger.total_requests
    with pytest.raises(DownloadError, match="exists"):
        await video.download(there if by == "name" else tmp_path)

    assert (b"mine", range_headers) == (there.read_bytes(), service.ledger.total_requests)


async def test_overwrite_replaces_only_with_a_whole_file(
    video: Video, service: Simulator, tmp_path: pathlib.Path
) -> None:
    """`overwrite=True` replaces the file when the new one is whole, not before."""
    target = tmp_path / "intro.mp4"
    target.write_bytes(b"old")
    service.storage.video = noise(MIB)
    service.faults.add("forbidden", on="media", times=HURRIED.max_attempts)
    with pytest.raises(DownloadError):
        await video.download(target, overwrite=True)
    assert b"old" == target.read_bytes()
    await video.download(target, overwrite=True)

    assert service.storage.video == target.read_bytes()


async def test_file_that_appears_meanwhile_stays(
    video: Video, service: Simulator, tmp_path: pathlib.Path
) -> None:
    """A file that another program made during the download is not replaced."""
    target = tmp_path / "intro.mp4"
    service.storage.video = noise(MIB)

    async def meanwhile(_: Transfer) -> None:
        await anyio.Path(target).write_bytes(b"theirs")

    with pytest.raises(DownloadError, match="exists"):
        await video.download(target, on_progress=meanwhile)

    assert b"theirs" == target.read_bytes()


async def test_missing_folder_is_an_error(video: Video, tmp_path: pathlib.Path) -> None:
    """A folder that is not there is named as the reason."""
    with pytest.raises(DownloadError, match="No such file or directory"):
        await video.download(tmp_path / "missing" / "intro.mp4")


async def test_endless_name_is_an_error(video: Video, tmp_path: pathlib.Path) -> None:
    """A name the file system does not take is an error of ours."""
    with pytest.raises(DownloadError):
        await video.download(tmp_path / f"{'x' * 300}.mp4")


async def test_refused_storage_leaves_nothing(
    video: Video, service: Simulator, programs: Programs, tmp_path: pathlib.Path
) -> None:
    """A storage host that refuses for good leaves no half file."""
    service.faults.add("error_500", on="media", times=None)
    with pytest.raises(DownloadError, match="500"):
        await video.download(tmp_path / "intro.mp4")

    assert [] == left_in(tmp_path)


def run(programs: Programs, code: str, *arguments: object) -> subprocess.Popen[str]:
    """Run code that downloads, in a process of its own; one that is killed or powerless measures no coverage."""
    return programs.start(
        *(sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)),
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


DOWNLOAD = """
    import asyncio, os, resource, signal, sys
    from heygen_async import HeyGen

    url, video_id, target, extra = sys.argv[1:]

    async def main():
        async with HeyGen("test-key", base_url=url) as heygen:
            video = await heygen.videos.get(video_id)
            exec(extra)
            try:
                await video.download(target, on_progress=lambda it: print(it.done_bytes, flush=True))
            except Exception as error:
                print(type(error).__name__, error)

    asyncio.run(main())
"""


async def finished(process: subprocess.Popen[str]) -> list[str]:
    """Wait for the process to end without stopping the service, and return what it printed."""
    out, err = await anyio.to_thread.run_sync(process.communicate)
    assert "" == err
    return out.splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
async def test_full_disk_is_an_error(
    server: SimulatorServer, service: Simulator, programs: Programs, tmp_path: pathlib.Path
) -> None:
    """A disk that takes no more is an error; the final name is not there, the half is kept for a larger disk."""
    service.storage.video = noise(4 * MIB)
    target = tmp_path / "intro.mp4"
    # A file-size limit refuses a write in the middle, as a full disk does.
    limit = f"signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, ({MIB},) * 2)"
    printed = await finished(run(programs, DOWNLOAD, server.url, film(service), target, limit))

    assert printed[-1].startswith("DownloadError")
    assert "File too large" in printed[-1]
    assert ["intro.mp4.part", "intro.mp4.part.json"] == left_in(tmp_path)
    assert service.storage.video[:MIB] == (tmp_path / "intro.mp4.part").read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="users are POSIX")
async def test_no_permission_is_an_error(
    server: SimulatorServer, service: Simulator, programs: Programs, tmp_path: pathlib.Path
) -> None:
    """A folder that may not be written to is an error with the reason."""
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o555)
    # Only a user without privileges is refused anything; root gives them up.
    printed = await finished(
        run(
            programs,
            DOWNLOAD,
            server.url,
            film(service),
            folder / "intro.mp4",
            "os.getuid() or os.setuid(65534)",
        )
    )

    assert printed[-1].startswith("DownloadError")
    assert "ermission denied" in printed[-1]
    assert [] == left_in(folder)


async def test_kill_in_the_middle_loses_little(
    server: SimulatorServer, service: Simulator, heygen: HeyGen, programs: Programs, tmp_path: pathlib.Path
) -> None:
    """After kill -9 in the middle, a second run goes on and gives the identical file."""
    service.storage.video = noise(8 * MIB)
    video_id, target = film(service), tmp_path / "intro.mp4"
    service.faults.add("stall_after", bytes=6 * MIB)
    process = run(programs, DOWNLOAD, server.url, video_id, target, "")
    part = tmp_path / "intro.mp4.part"
    while not part.exists() or part.stat().st_size < 4 * MIB:
        await anyio.sleep(0.01)  # noqa: TID251 - another process lives in real time
    process.kill()
    await anyio.to_thread.run_sync(process.communicate)
    assert ["intro.mp4.part", "intro.mp4.part.json"] == left_in(tmp_path)
    kept = part.stat().st_size
    before = service.storage.sent_bytes
    await (await heygen.videos.get(video_id)).download(target)

    assert service.storage.video == target.read_bytes()
    assert 8 * MIB - kept == service.storage.sent_bytes - before


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs rights there")
@pytest.mark.parametrize("planted", ["intro.mp4.part", "intro.mp4.part.json"])
async def test_a_link_planted_in_the_folder_is_not_followed(
    video: Video, tmp_path: pathlib.Path, planted: str
) -> None:
    """Who can write in the folder cannot make a download write over a file that is elsewhere."""
    elsewhere = tmp_path / "mine.txt"
    elsewhere.write_bytes(b"mine")
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / planted).symlink_to(elsewhere)
    with pytest.raises(DownloadError):
        await video.download(folder / "intro.mp4")

    assert b"mine" == elsewhere.read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="pipes in folders are POSIX")
@pytest.mark.parametrize("planted", ["intro.mp4.part", "intro.mp4.part.json"])
@pytest.mark.parametrize("kind", ["pipe", "hard link"])
async def test_a_pipe_or_hard_link_planted_in_the_folder_is_refused(
    video: Video, tmp_path: pathlib.Path, planted: str, kind: str
) -> None:
    """A planted pipe does not block a download, and a planted hard link does not write over its file."""
    elsewhere = tmp_path / "mine.txt"
    elsewhere.write_bytes(b"mine")
    folder = tmp_path / "shared"
    folder.mkdir()
    if kind == "pipe":
        os.mkfifo(folder / planted)
    else:
        os.link(elsewhere, folder / planted)
    with anyio.fail_after(20), pytest.raises(DownloadError):
        await video.download(folder / "intro.mp4")

    assert b"mine" == elsewhere.read_bytes()


async def test_a_name_as_long_as_the_system_takes(video: Video, tmp_path: pathlib.Path) -> None:
    """A name of 250 bytes leaves no room for `.part.json`, and is saved all the same."""
    target = tmp_path / f"{'é' * 123}.mp4"
    await video.download(target)

    assert [target.name] == left_in(tmp_path)


async def test_a_folder_that_is_not_there_is_made(video: Video, tmp_path: pathlib.Path) -> None:
    """A target that ends in a slash is a folder, and is made with its parents."""
    path = await video.download(f"{tmp_path}/films/of/today/")

    assert tmp_path / "films/of/today" == path.parent
    assert ".mp4" == path.suffix


@pytest.mark.parametrize("target", [None, 5, b"a.mp4", "a\0b.mp4", "a\ud83d.mp4"])
async def test_what_is_no_path_is_refused(video: Video, service: Simulator, target: Any) -> None:
    """A target that no file can have is an `InvalidArgument` before anything is asked for."""
    requests = service.ledger.total_requests
    with pytest.raises(InvalidArgument, match="target"):
        await video.download(target)

    assert requests == service.ledger.total_requests
