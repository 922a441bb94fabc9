"""Answers of storage hosts that are no part of the file, or the file in an unusual way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from files.film import HURRIED, MP4, left_in, noise
from files.storage_host import StorageHost, read_video
from heygen_async import DownloadError, HeyGen

if TYPE_CHECKING:
    import pathlib

FILE = MP4 + noise(20_000)
LOGIN = b"<!DOCTYPE html><title>Sign in</title>"


def client(host: StorageHost) -> HeyGen:
    """A client of the host."""
    return HeyGen("test-key", base_url=host.url, retry=HURRIED)


async def cut(request: web.Request, size: int) -> web.StreamResponse:
    """Send the beginning of the file, then break the connection."""
    response = web.StreamResponse(headers={"content-length": str(len(FILE)), "etag": '"v1"'})
    await response.prepare(request)
    await response.write(FILE[:size])
    assert request.transport is not None
    request.transport.close()
    return response


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (LOGIN, "text/html"),
        (LOGIN, "video/mp4"),
        (b"\xef\xbb\xbf\n <html><body>Sign in", "application/octet-stream"),
        (b"<h1>Sign in</h1>", "text/html"),
        (b"<?xml version='1.0'?><Error><Code>SlowDown</Code></Error>", "application/xml"),
        (b"<Error><Code>AccessDenied</Code></Error>", "video/mp4"),
        (b'{"error": {"code": "expired"}}', "application/json"),
        (b"Access denied", "text/plain"),
        (b"", "video/mp4"),
    ],
    ids=["page", "mislabelled", "bom", "fragment", "xml", "error", "json", "text", "empty"],
)
async def test_what_is_no_video_is_not_saved_as_one(
    tmp_path: pathlib.Path, body: bytes, content_type: str
) -> None:
    """A 200 that is a page, an error document or nothing is a `DownloadError` and leaves no file."""

    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers={"content-type": content_type, "etag": '"v1"'})

    async with StorageHost(respond) as host, client(host) as heygen:
        with pytest.raises(DownloadError, match="storage host sent"):
            await (await read_video(heygen)).download(tmp_path)

    assert [] == left_in(tmp_path)


async def test_a_page_in_between_passes(tmp_path: pathlib.Path) -> None:
    """After a login page the link is asked for afresh, and the file is saved when it comes."""

    async def respond(request: web.Request) -> web.StreamResponse:
        if host.links_given == 1:
            return web.Response(body=LOGIN, content_type="text/html")
        return web.Response(body=FILE)

    async with StorageHost(respond) as host, client(host) as heygen:
        path = await (await read_video(heygen)).download(tmp_path)

    assert FILE == path.read_bytes()


async def test_a_page_does_not_cost_the_half_file(tmp_path: pathlib.Path) -> None:
    """A login page in answer to the request for the rest leaves the half file for a later run."""

    async def respond(request: web.Request) -> web.StreamResponse:
        if len(host.targets) == 1:
            return await cut(request, 10_000)
        return web.Response(body=LOGIN, content_type="text/html")

    async with StorageHost(respond) as host, client(host) as heygen:
        with pytest.raises(DownloadError):
            await (await read_video(heygen)).download(tmp_path / "a.mp4")

    assert FILE[:10_000] == (tmp_path / "a.mp4.part").read_bytes()


async def test_a_video_called_text_is_a_video(tmp_path: pathlib.Path) -> None:
    """A wrong content type alone refuses nothing."""

    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(body=FILE, content_type="text/plain")

    async with StorageHost(respond) as host, client(host) as heygen:
        path = await (await read_video(heygen)).download(tmp_path)

    assert FILE == path.read_bytes()


@pytest.mark.parametrize("asked", [False, True], ids=["unasked", "for the rest"])
async def test_206_with_the_whole(tmp_path: pathlib.Path, asked: bool) -> None:
    """A host that sends the whole file as a range gives the file."""

    async def respond(request: web.Request) -> web.StreamResponse:
        if asked and len(host.targets) == 1:
            return await cut(request, 10_000)
        span = {"content-range": f"bytes 0-{len(FILE) - 1}/{len(FILE)}", "etag": '"v1"'}
        return web.Response(status=206, body=FILE, headers=span)

    async with StorageHost(respond) as host, client(host) as heygen:
        path = await (await read_video(heygen)).download(tmp_path)

    assert FILE == path.read_bytes()


@pytest.mark.parametrize("status", [400, 403, 404, 405, 416, 501])
async def test_host_that_refuses_ranges(tmp_path: pathlib.Path, status: int) -> None:
    """A host that refuses every range is asked for the whole file."""

    async def respond(request: web.Request) -> web.StreamResponse:
        if len(host.targets) == 1:
            return await cut(request, 10_000)
        return web.Response(status=status) if "range" in request.headers else web.Response(body=FILE)

    async with StorageHost(respond) as host, client(host) as heygen:
        path = await (await read_video(heygen)).download(tmp_path)

    assert FILE == path.read_bytes()


@pytest.mark.parametrize("total", ["9" * 18, "9" * 5_000, "-1", "abc"])
async def test_absurd_content_range(tmp_path: pathlib.Path, total: str) -> None:
    """A range of a file of absurd length is a `DownloadError`, whatever number is written there."""

    async def respond(request: web.Request) -> web.StreamResponse:
        span = {"content-range": f"bytes 0-{len(FILE) - 1}/{total}"}
        return web.Response(status=206, body=FILE, headers=span)

    async with StorageHost(respond) as host, client(host) as heygen:
        with pytest.raises(DownloadError):
            await (await read_video(heygen)).download(tmp_path)

    assert [] == left_in(tmp_path)
