"""Signed links, which are sent as they were given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from files.film import HURRIED, MP4
from files.storage_host import StorageHost, read_video
from heygen_async import DownloadError, HeyGen

if TYPE_CHECKING:
    import pathlib

SIGNED = "/signed/foo%27bar%2Emp4?response-content-type=video%2Fmp4&Signature=a%2Bb%2Fc%3D%40"


def client(host: StorageHost) -> HeyGen:
    """A client of the host."""
    return HeyGen("test-key", base_url=host.url, retry=HURRIED)


@pytest.mark.parametrize("form", ["{url}{path}", "//{address}{path}", "{path}"])
async def test_redirect_keeps_every_escape(tmp_path: pathlib.Path, form: str) -> None:
    """A redirect to a signed link is followed byte for byte, whether it names scheme and host or not."""

    async def respond(request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/files"):
            place = form.format(url=host.url, address=host.address, path=SIGNED)
            return web.Response(status=302, headers={"location": place})
        return web.Response(body=MP4)

    async with StorageHost(respond) as host, client(host) as heygen:
        await (await read_video(heygen)).download(tmp_path)

    assert SIGNED == host.targets[-1]


@pytest.mark.parametrize(
    ("link", "sent"),
    [
        ("/files/my film.mp4?sig=1", "/files/my%20film.mp4?sig=1"),
        ("/files/été.mp4?sig=1", "/files/%C3%A9t%C3%A9.mp4?sig=1"),
        ("/files/a%20b é.mp4?s=%2F+", "/files/a%20b%20%C3%A9.mp4?s=%2F+"),
        (SIGNED, SIGNED),
    ],
)
async def test_link_is_escaped_only_where_it_must(tmp_path: pathlib.Path, link: str, sent: str) -> None:
    """A space or a letter beyond ASCII is escaped, and what is escaped already is left alone."""

    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(body=MP4)

    async with StorageHost(respond, link) as host, client(host) as heygen:
        await (await read_video(heygen)).download(tmp_path)

    assert [sent] == host.targets


async def test_link_without_a_scheme(tmp_path: pathlib.Path) -> None:
    """A link that names only its host is read with the scheme of the service."""

    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(body=MP4)

    async with StorageHost(respond) as host, client(host) as heygen:
        host.link = f"//{host.address}/files/a.mp4"
        await (await read_video(heygen)).download(tmp_path)

    assert ["/files/a.mp4"] == host.targets


@pytest.mark.parametrize(
    "link", ["ftp://example.test/a.mp4", "javascript:alert(1)", "http://[::1/a.mp4", "http:///a"]
)
async def test_link_that_leads_nowhere(tmp_path: pathlib.Path, link: str) -> None:
    """A link that is no address of HTTP is a `DownloadError`, also at the end of a redirect."""

    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"location": link})

    async with StorageHost(respond) as host, client(host) as heygen:
        video = await read_video(heygen)
        with pytest.raises(DownloadError):
            await video.download(tmp_path)
        host.link = link
        with pytest.raises(DownloadError):
            await (await read_video(heygen)).download(tmp_path)


async def test_an_empty_link_is_none(tmp_path: pathlib.Path) -> None:
    """A video whose link is empty has none yet: the error says so, and no host is asked."""

    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(body=MP4)

    async with StorageHost(respond) as host, client(host) as heygen:
        host.link = ""
        with pytest.raises(DownloadError, match="no link"):
            await (await read_video(heygen)).download(tmp_path)

    assert not host.targets


async def test_redirects_in_a_circle_end(tmp_path: pathlib.Path) -> None:
    """A storage host that redirects to itself is a `DownloadError`."""

    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"location": request.raw_path})

    async with StorageHost(respond) as host, client(host) as heygen:
        with pytest.raises(DownloadError, match="circle"):
            await (await read_video(heygen)).download(tmp_path)
