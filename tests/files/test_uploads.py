"""Files given to the service, from every kind of source, by both ways."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import tracemalloc
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import pytest

from files.film import HURRIED, MIB, MP4, PNG, noise
from heygen_async import (
    Asset,
    HeyGen,
    InvalidArgument,
    InvalidRequest,
    NotFound,
    RequestTimeout,
    RetryPolicy,
    Timeouts,
    Transfer,
    UploadError,
)
from heygen_async._api import assets as asset_api
from heygen_async.testing import MemoryTransport, Simulator, run

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator

PICTURE = PNG + noise(100_000)
LARGE = asset_api.MULTIPART_BYTES + 1


def film_of(size: int) -> bytes:
    """Return a file of so many bytes."""
    return MP4.ljust(4096, b"\0") + noise(size - 4096)


@pytest.fixture(scope="session")
def long_footage() -> bytes:
    """A file too large for the small way."""
    return film_of(LARGE)


@pytest.fixture
def footage(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A file of half a megabyte, which here is too large for the small way: many are uploaded in little time."""
    monkeypatch.setattr(asset_api, "MULTIPART_BYTES", MIB // 2 - 1)
    return film_of(MIB // 2)


def stored(service: Simulator, asset: Asset) -> bytes | None:
    """What the service has of an asset."""
    return service._state.assets[asset.id].content


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    """Hand bytes out piece by piece, once."""
    for start in range(0, len(data), 70_000):
        await anyio.lowlevel.checkpoint()
        yield data[start : start + 70_000]


class Pipe(io.RawIOBase):
    """A file that can be read once and never rewound."""

    def __init__(self, data: bytes) -> None:
        self._rest = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._rest.readinto(buffer)


def as_source(kind: str, data: bytes, folder: pathlib.Path) -> Any:
    """Return the data as a source of some kind."""
    path = folder / "shot.png"
    path.write_bytes(data)
    standing = io.BytesIO(b"before" + data)
    standing.seek(6)
    return {
        "path": path,
        "text": str(path),
        "bytes": data,
        "bytearray": bytearray(data),
        "memoryview": memoryview(data),
        "file": io.BytesIO(data),
        "file in the middle": standing,
        "pipe": Pipe(data),
        "iterator": pieces(data),
    }[kind]


KINDS = ["path", "text", "bytes", "bytearray", "memoryview", "file", "file in the middle", "pipe", "iterator"]


@pytest.mark.parametrize("kind", KINDS)
async def test_every_source_arrives(
    heygen: HeyGen, service: Simulator, tmp_path: pathlib.Path, kind: str
) -> None:
    """Whatever the bytes come from, all of them arrive, with their type and size."""
    asset = await heygen.assets.upload(as_source(kind, PICTURE, tmp_path))

    assert PICTURE == stored(service, asset)
    assert ("image/png", len(PICTURE)) == (asset.mime_type, asset.size_bytes)
    assert ("shot.png" if kind in {"path", "text"} else "upload.png") == asset.name


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        *(("reset_after_processing", kind) for kind in KINDS),
        ("error_500", "pipe"),
        ("rate_limit", "iterator"),
    ],
)
async def test_retry_begins_again_at_the_beginning(
    heygen: HeyGen, service: Simulator, tmp_path: pathlib.Path, kind: str, fault: str
) -> None:
    """A broken upload is repeated whole from every source, also from one that can be read only once."""
    service.faults.add(
        fault, on="asset_upload", times=2, **({"retry_after": 0} if fault == "rate_limit" else {})
    )
    asset = await heygen.assets.upload(as_source(kind, PICTURE, tmp_path))

    assert PICTURE == stored(service, asset)
    assert 1 == len(service._state.assets)


async def test_file_of_the_caller_stays_open(heygen: HeyGen) -> None:
    """A file object is the caller's to close."""
    file = io.BytesIO(PICTURE)
    await heygen.assets.upload(file)

    assert not file.closed


async def test_name_is_the_callers(heygen: HeyGen, service: Simulator) -> None:
    """A name with every awkward character arrives as one name of one part."""
    asset = await heygen.assets.upload(PICTURE, filename='a"b\r\nX: y ü.png')

    assert "a%22b%0D%0AX: y ü.png" == service._state.assets[asset.id].name


async def test_large_file_goes_straight_to_storage(
    heygen: HeyGen, service: Simulator, long_footage: bytes, tmp_path: pathlib.Path
) -> None:
    """A large file is put at the storage host, with the signed headers and without the key, and completed."""
    path = tmp_path / "footage.mp4"
    path.write_bytes(long_footage)
    asset = await heygen.assets.upload(path)

    assert long_footage == stored(service, asset)
    assert "completed" == asset.status
    assert {"direct_upload", "upload", "complete", "asset_statuses"} == set(service.ledger.requests)
    assert [] == service.ledger.key_leaks


async def test_checksum_and_size_are_announced(heygen: HeyGen, service: Simulator, footage: bytes) -> None:
    """The service can tell a damaged upload: it received size and SHA-256 before."""
    asset = await heygen.assets.upload(footage)
    kept = service._state.assets[asset.id]

    assert (len(footage), hashlib.sha256(footage).hexdigest()) == (kept.size_bytes, kept.checksum)


@pytest.mark.parametrize("fault", ["expired_link", "error_500", "reset_before", "reset_after_processing"])
@pytest.mark.parametrize("kind", ["iterator", "file"])
async def test_storage_that_fails_is_outlasted(
    heygen: HeyGen, service: Simulator, footage: bytes, tmp_path: pathlib.Path, fault: str, kind: str
) -> None:
    """A refused or broken put is repeated from the beginning, with a new address where the old one is over."""
    service.faults.add(fault, on="upload", times=2)
    asset = await heygen.assets.upload(as_source(kind, footage, tmp_path))

    assert footage == stored(service, asset)
    assert (3 if fault == "expired_link" else 1) == service.ledger.requests["direct_upload"][200]


def test_address_that_ran_out_is_not_tried(footage: bytes) -> None:
    """An address whose time is over is replaced before the bytes are sent to it."""
    service = Simulator()
    service.storage.upload_seconds = 40
    service.faults.add("error_500", on="upload", times=1)
    patient = RetryPolicy(base=100, longest=100)

    async def main() -> None:
        line = MemoryTransport(service)
        async with HeyGen("test-key", base_url=service.base_url, http=line, retry=patient) as heygen:
            await heygen.assets.upload(footage)

    run(main)

    assert {200: 1, 500: 1} == service.ledger.requests["upload"]
    assert 2 == service.ledger.requests["direct_upload"][200]


@pytest.mark.parametrize("fault", ["error_500", "reset_after_processing", "in_progress"])
async def test_complete_is_repeated(heygen: HeyGen, service: Simulator, footage: bytes, fault: str) -> None:
    """Completing is asked again until it is answered; the bytes are not sent again for it."""
    service.faults.add(fault, on="complete", times=1)
    asset = await heygen.assets.upload(footage)

    assert service._state.assets[asset.id].complete
    assert 1 == service.ledger.requests["upload"].total()


async def test_storage_that_refuses_for_good_is_an_error(
    heygen: HeyGen, service: Simulator, footage: bytes
) -> None:
    """When every address is refused, the upload ends and says what was refused."""
    service.faults.add("expired_link", on="upload", times=None)
    with pytest.raises(UploadError, match="could not be stored: 403"):
        await heygen.assets.upload(footage)

    assert HURRIED.max_attempts == service.ledger.requests["upload"].total()


async def test_too_large_is_refused_before_a_byte_is_sent(
    heygen: HeyGen, service: Simulator, footage: bytes
) -> None:
    """A file over the service's limit is refused by its size alone."""
    service.storage.max_upload_bytes = len(footage) - 1
    with pytest.raises(InvalidRequest, match="At most"):
        await heygen.assets.upload(footage)

    assert "upload" not in service.ledger.requests


EMPTY, PAGE, TEXT = b"", b"<!doctype html><title>Sign in</title>", b"some text"


@pytest.mark.parametrize(
    ("data", "says"),
    [(EMPTY, "empty"), (PAGE, "HTML page"), (TEXT, "none of the types")],
    ids=["empty", "page", "text"],
)
@pytest.mark.parametrize("kind", ["path", "bytes", "iterator"])
async def test_wrong_content_is_refused_before_anything_is_sent(
    heygen: HeyGen, service: Simulator, tmp_path: pathlib.Path, kind: str, data: bytes, says: str
) -> None:
    """An empty file, an HTML page and an unknown type are refused here, and the error says which file."""
    with pytest.raises(UploadError, match=says) as caught:
        await heygen.assets.upload(as_source(kind, data, tmp_path))

    assert kind != "path" or str(tmp_path) in str(caught.value)
    assert 0 == service.ledger.total_requests


@pytest.mark.parametrize("kind", ["bytes", "iterator"])
async def test_an_error_calls_a_file_by_the_name_it_was_given(
    heygen: HeyGen, tmp_path: pathlib.Path, kind: str
) -> None:
    """What has no name of its own is told apart by `filename=`: a form with twenty files says which is wrong."""
    with pytest.raises(UploadError, match=r"^The file 'menu\.txt'"):
        await heygen.assets.upload(as_source(kind, TEXT, tmp_path), filename="menu.txt")


def unreadable(kind: str, folder: pathlib.Path) -> Any:
    """Make something that cannot be read."""
    if kind == "pipe":
        os.mkfifo(folder / "pipe")
    made: dict[str, Any] = {
        "folder": folder,
        "missing": folder / "missing.png",
        "pipe": folder / "pipe",
        "zero byte": "shot\0.png",
        "text file": io.StringIO("text"),
    }
    return made[kind]


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("folder", "is a folder"),
        ("missing", "No such file"),
        ("pipe", "not a regular file"),
        ("zero byte", "null"),
        ("text file", "opened as text"),
    ],
)
async def test_unreadable_sources_are_refused(
    heygen: HeyGen, service: Simulator, tmp_path: pathlib.Path, kind: str, says: str
) -> None:
    """What cannot be read is refused with the reason, before anything is sent."""
    with pytest.raises(UploadError, match=says):
        await heygen.assets.upload(unreadable(kind, tmp_path))

    assert 0 == service.ledger.total_requests


async def test_closed_file_is_refused(heygen: HeyGen) -> None:
    """A closed file is an error of ours, not a `ValueError` from below."""
    file = io.BytesIO(PICTURE)
    file.close()
    with pytest.raises(UploadError, match="closed file"):
        await heygen.assets.upload(file)


async def words() -> AsyncIterator[Any]:
    """Yield what is no bytes."""
    yield "text"


@pytest.mark.parametrize("source", [7, None, ["a"], words()], ids=["number", "none", "list", "words"])
async def test_nonsense_is_an_invalid_argument(heygen: HeyGen, source: Any) -> None:
    """What no bytes can come from is named as the argument at fault."""
    with pytest.raises(InvalidArgument, match="source"):
        await heygen.assets.upload(source)


async def test_file_that_shrinks_is_an_error(
    heygen: HeyGen, long_footage: bytes, tmp_path: pathlib.Path
) -> None:
    """A file that becomes shorter while it is sent ends in an error that says so, not in a broken connection."""
    path = tmp_path / "footage.mp4"
    path.write_bytes(long_footage)

    async def cut(transfer: Transfer) -> None:
        await anyio.to_thread.run_sync(os.truncate, path, 4096)

    with pytest.raises(UploadError, match="became shorter"):
        await heygen.assets.upload(path, on_progress=cut)


async def test_progress_of_an_upload(heygen: HeyGen, long_footage: bytes) -> None:
    """Progress counts the file's bytes up to its size, at most 10 times a second."""
    transfers: list[Transfer] = []
    await heygen.assets.upload(long_footage, on_progress=transfers.append)

    assert {LARGE} == {one.total_bytes for one in transfers}
    assert LARGE == transfers[-1].done_bytes
    assert all(after.elapsed - before.elapsed >= 0.099 for before, after in pairwise(transfers))


async def test_what_the_callback_raises_ends_an_upload(heygen: HeyGen, service: Simulator) -> None:
    """A callback may end an upload with an error of its own, and nothing is tried again."""

    def stop(transfer: Transfer) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        await heygen.assets.upload(PICTURE, on_progress=stop)

    assert {} == service._state.assets


async def test_memory_stays_flat(heygen: HeyGen, tmp_path: pathlib.Path, service: Simulator) -> None:
    """A file is never held in memory: what the client allocates is a small part of it."""
    path = tmp_path / "footage.mp4"
    path.write_bytes(MP4.ljust(60 * MIB, b"\1"))
    service.faults.add("error_500", on="direct_upload", times=None)  # hashed, and never sent to this process
    tracemalloc.start()
    with pytest.raises(Exception, match="500"):
        await heygen.assets.upload(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 8 * MIB


@pytest.mark.skipif(
    aiohttp.__version__ < "3.14", reason="before, aiohttp also tells the loop of the writer it gave up"
)
async def test_silence_ends_an_upload() -> None:
    """A host that takes no more bytes is left after `Timeouts.transfer`, as a timeout."""
    options: dict[str, Any] = {
        "timeouts": Timeouts(transfer=0.1, write=0.1),
        "retry": RetryPolicy(max_attempts=1),
    }
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # connections are made and nobody reads
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        async with HeyGen("key", base_url=url, **options) as heygen:
            with pytest.raises(RequestTimeout):
                await heygen.assets.upload(PNG + bytes(20 * MIB))


async def test_asset_can_be_read_and_deleted(heygen: HeyGen) -> None:
    """An uploaded file can be looked up, and is gone when it was deleted."""
    asset = await heygen.assets.upload(PICTURE, filename="shot.png")
    found = await heygen.assets.get(asset.id)
    await heygen.assets.delete(asset.id)

    assert (asset.id, "shot.png", "image") == (found.id, found.name, found.type)
    with pytest.raises(NotFound):
        await heygen.assets.get(asset.id)
