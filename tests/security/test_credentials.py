"""Credentials go to the service, over a line nobody listens in on, and nowhere else."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from heygen_async import HeyGen, RetryPolicy, Timeouts
from heygen_async.errors import (
    BadResponse,
    ConfigError,
    ConnectFailed,
    DownloadError,
    OutcomeUnknown,
    UploadError,
)
from peers import Heard, Peer, certified, http, peer
from security.words import CLIENTS, KEY, ONCE, QUICK, slot, video, with_key

ME = http(b'{"data": {"username": "ada"}}')
NewClient = Callable[..., HeyGen]

clients = pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS.keys())


def carries(heard: Heard) -> bool:
    """Whether a request has the credential anywhere."""
    return KEY in str(heard)


@clients
async def test_the_service_gets_one_credential(client: NewClient) -> None:
    """The service gets the credential in the one header it belongs in."""
    async with peer(ME) as service, client(service.url) as heygen:
        await heygen.account.me()
    [heard] = service.heard

    assert 1 == len({"x-api-key", "authorization"} & set(heard.headers))
    assert heard.headers.get("x-api-key", heard.headers.get("authorization")) in {KEY, f"Bearer {KEY}"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@clients
async def test_redirects_get_nothing(client: NewClient, status: int) -> None:
    """Nobody is redirected: neither another origin nor another path hears a thing, on reads and on writes."""
    async with peer(ME) as other:
        to = http(b"", status=f"{status} Moved", location=f"{other.url}/v3/users/me")
        async with peer(to) as service, client(service.url, RetryPolicy(settle="raise")) as heygen:
            with pytest.raises(BadResponse):
                await heygen.account.me()
            with pytest.raises(OutcomeUnknown):
                await heygen.sessions.create("p")

    assert (2, []) == (len(service.heard), other.heard)


@clients
async def test_storage_hosts_get_no_credential(client: NewClient, tmp_path: Path) -> None:
    """A signed address, and whatever host it redirects to, is asked without the credential or our headers."""
    async with (
        peer(http(b"\0\0\0\x18ftypmp42", content_type="video/mp4")) as last,
        peer(http(b"", status="302 Found", location=f"{last.url}/film")) as storage,
        peer(video(storage.url)) as service,
        client(service.url) as heygen,
    ):
        await (await heygen.videos.get("v")).download(tmp_path / "v.mp4")

    asked = [*storage.heard, *last.heard]
    assert [True, False, False] == [carries(heard) for heard in [*service.heard, *asked]]
    assert not any(
        name.startswith(("x-heygen", "authorization", "cookie")) for h in asked for name in h.headers
    )


UPLOADED = http(
    b'{"data": {"asset_id": "a", "url": "https://x/a", "mime_type": "image/png", "size_bytes": 1}}'
)
LARGE = b"\x89PNG\r\n\x1a\n" + bytes(32_000_000)


@clients
async def test_storage_hosts_get_files_without_credentials(client: NewClient) -> None:
    """A large file is put at its signed address without the credential."""
    async with (
        peer(http(b"")) as storage,
        peer(slot(storage.url), UPLOADED) as service,
        client(service.url, limits=Timeouts()) as heygen,
    ):
        await heygen.assets.upload(LARGE)

    [put] = storage.heard
    assert ("PUT", LARGE) == (put.method, put.body)
    assert KEY not in f"{put.target} {put.headers}"
    assert not {"x-api-key", "authorization", "x-heygen-source"} & set(put.headers)


async def test_redirected_uploads_go_nowhere() -> None:
    """A storage host that redirects an upload is an error; the other host gets neither file nor credential."""
    async with (
        peer(http(b"")) as other,
        peer(http(b"", status="307 Moved", location=other.url)) as storage,
        peer(slot(storage.url)) as service,
        with_key(service.url, limits=Timeouts()) as heygen,
    ):
        with pytest.raises(UploadError):
            await heygen.assets.upload(LARGE)

    assert [] == other.heard


async def test_cookies_are_not_kept(tmp_path: Path) -> None:
    """What a host sets as a cookie is sent to nobody."""
    sets_cookie = http(b'{"data": {"username": "ada"}}', set_cookie="a=b; Path=/")
    async with peer(sets_cookie) as service, with_key(service.url) as heygen:
        for _ in range(2):
            await heygen.account.me()

    assert [False, False] == ["cookie" in heard.headers for heard in service.heard]


PLAIN = [
    "http://api.heygen.com",
    "http://127.0.0.1.example.test",
    "http://localhost.example.test",
    "http://example.test#@127.0.0.1",
    "http://127.0.0.1@example.test",
    "http://example.test\\@127.0.0.1",
    "http://0.0.0.0",
    "http://[::]",
    "http://10.0.0.1",
    "http://2130706433",
    "HTTP://example.test",
    "ftp://127.0.0.1",
    "ws://127.0.0.1",
    "//127.0.0.1",
    f"https://user:{KEY}@example.test",
]


@pytest.mark.parametrize("url", PLAIN)
@pytest.mark.parametrize("way", ["argument", "environment"])
def test_open_lines_are_refused(monkeypatch: pytest.MonkeyPatch, url: str, way: str) -> None:
    """An address to which the key would travel in the open is refused before anything is sent, and not quoted."""
    monkeypatch.setenv("HEYGEN_API_BASE", url)
    with pytest.raises(ConfigError) as caught:
        HeyGen(KEY, base_url=url if way == "argument" else None)

    assert KEY not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"


# ---- TLS ----------------------------------------------------------------------------------------------------------


async def refused(service: Peer, trusting: ssl.SSLContext | None) -> None:
    """Expect the line to be refused before a request is sent."""
    connector = None if trusting is None else aiohttp.TCPConnector(ssl=trusting)
    async with (
        aiohttp.ClientSession(connector=connector) as own,
        HeyGen(KEY, base_url=service.url, http=own, retry=ONCE, timeouts=QUICK) as heygen,
    ):
        with pytest.raises(ConnectFailed, match="ertificate"):
            await heygen.account.me()
    assert [] == service.heard


async def test_unknown_authorities_are_refused() -> None:
    """A certificate of an authority nobody trusts is `ConnectFailed`."""
    serving, _ = certified("127.0.0.1")
    async with peer(ME, tls=serving) as service:
        await refused(service, None)
        async with with_key(service.url) as heygen:
            with pytest.raises(ConnectFailed, match="ertificate"):
                await heygen.account.me()

    assert [] == service.heard


async def test_other_hosts_certificates_are_refused() -> None:
    """A trusted certificate of another host is `ConnectFailed`."""
    serving, trusting = certified("api.heygen.example")
    async with peer(ME, tls=serving) as service:
        await refused(service, trusting)


async def test_expired_certificates_are_refused() -> None:
    """A trusted certificate that has expired is `ConnectFailed`."""
    serving, trusting = certified("127.0.0.1", until=datetime(2020, 1, 1, tzinfo=UTC))
    async with peer(ME, tls=serving) as service:
        await refused(service, trusting)


async def test_trusted_certificates_are_taken() -> None:
    """A private authority is trusted through the caller's own session."""
    serving, trusting = certified("127.0.0.1")
    async with (
        peer(ME, tls=serving) as service,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as own,
        HeyGen(KEY, base_url=service.url, http=own) as heygen,
    ):
        user = await heygen.account.me()

    assert ("ada", True) == (user.username, carries(service.heard[0]))


async def test_plain_text_behind_https_is_refused() -> None:
    """A server that speaks plain HTTP at an https address hears no request."""
    async with (
        peer(ME) as service,
        HeyGen(
            KEY, base_url=service.url.replace("http", "https"), timeouts=Timeouts(connect=0.05), retry=ONCE
        ) as heygen,
    ):
        with pytest.raises(ConnectFailed):
            await heygen.account.me()

    assert [] == service.heard


async def test_downloads_check_certificates(tmp_path: Path) -> None:
    """A storage host with a certificate nobody trusts is asked for nothing."""
    serving, _ = certified("127.0.0.1")
    async with (
        peer(http(b"film"), tls=serving) as storage,
        peer(video(storage.url)) as service,
        with_key(service.url) as heygen,
    ):
        found = await heygen.videos.get("v")
        with pytest.raises(DownloadError):
            await found.download(tmp_path / "v.mp4")

    assert [] == storage.heard
    assert [] == list(tmp_path.iterdir())
