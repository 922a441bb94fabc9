"""Nothing that is shown, logged or stored has a key, a token or a signed address in it."""

from __future__ import annotations

import gzip
import logging
import pickle
import traceback
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from heygen_async import HeyGen, RetryPolicy
from heygen_async.errors import HeyGenError
from heygen_async.testing import Scenario, Simulator, SimulatorServer
from peers import Behaviour, Line, closed_port, http, peer, reset, silence
from security.words import CLIENTS, KEY, SIGNATURE, slot, video, with_key

NewClient = Callable[..., HeyGen]
TWICE = RetryPolicy(max_attempts=2, base=0.001, longest=0.001, max_retry_after=0.01, settle="raise")

clients = pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS.keys())


def chain(error: BaseException | None) -> Generator[BaseException]:
    """An error and all that lie under it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def shown(error: HeyGenError, *, with_locals: bool) -> str:
    """All that a log, a console, a debugger or a store may keep of an error."""
    said = [f"{each} {each!r} {each.args} {vars(each)}" for each in chain(error)]
    told = traceback.TracebackException.from_exception(error, capture_locals=with_locals)
    stored = pickle.dumps(error).decode("latin-1")
    return "\n".join([*said, *told.format(), stored])


@contextmanager
def everything_logged() -> Generator[list[str]]:
    """Every record of every logger, with all its fields and its formatted text."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{self.format(record)} {vars(record)}")

    handler, root = Keep(logging.DEBUG), logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in ("heygen_async", "aiohttp", "asyncio"))]
    levels = [logger.level for logger in loggers]
    root.addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


async def failures(heygen: HeyGen) -> list[HeyGenError]:
    """The errors of a read and of a write."""
    caught: list[HeyGenError] = []
    calls: list[Callable[[], Awaitable[object]]] = [heygen.account.me, lambda: heygen.sessions.create("p")]
    for call in calls:
        with pytest.raises(HeyGenError) as one:
            await call()
        caught.append(one.value)
    return caught


PLAIN: dict[str, Behaviour] = {
    "reset": reset,
    "silence": silence,
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "no gzip": http(b"no gzip", content_encoding="gzip"),
    "no JSON": http(b"<html>"),
    "no schema": http(b'{"data": {"wallet": 7, "session_id": 7}}'),
    "400": http(b"{}", status="400 Bad Request"),
    "401": http(b"{}", status="401 Unauthorized"),
    "402": http(b"{}", status="402 Payment Required"),
    "429": http(b"{}", status="429 Too Many Requests", retry_after="1000"),
    "500": http(b"{}", status="500 Internal Server Error"),
    "redirect": http(b"", status="302 Found", location="http://127.0.0.1:1/"),
}


@clients
@pytest.mark.parametrize("behaviour", PLAIN.values(), ids=PLAIN.keys())
async def test_failures_show_no_credential(client: NewClient, behaviour: Behaviour) -> None:
    """However a call fails, neither its errors, with the locals of every frame, nor the logs have the credential."""
    with everything_logged() as lines:
        async with peer(behaviour) as service, client(service.url, TWICE) as heygen:
            errors = await failures(heygen)
            seen = [repr(heygen), repr(vars(heygen)), *(shown(error, with_locals=True) for error in errors)]

    assert not any(KEY in text for text in [*seen, *lines])
    assert lines


@clients
async def test_refused_connections_show_no_credential(client: NewClient) -> None:
    """A service that is not there leaves no credential in errors or logs either."""
    with everything_logged() as lines:
        async with client(closed_port(), TWICE) as heygen:
            seen = [shown(error, with_locals=True) for error in await failures(heygen)]

    assert not any(KEY in text for text in [*seen, *lines])


async def says_half(line: Line) -> None:
    """Repeat the credential in a head that ends early."""
    await line.say(b"HTTP/1.1 200 OK\r\nx-echo: %s\r\n" % KEY.encode())
    line.writer.close()


ENVELOPE = b'{"error": {"code": "%s", "message": "Bad key %s", "param": "%s", "doc_url": "https://x/%s"}}'
FILLED = ENVELOPE.replace(b"%s", KEY.encode())
ECHOES: dict[str, Behaviour] = {
    "envelope": http(FILLED, status="400 Bad Request"),
    "unauthorized": http(FILLED, status="401 Unauthorized"),
    "success": http(FILLED),
    "packed": http(gzip.compress(FILLED), status="403 Forbidden", content_encoding="gzip"),
    "detail": http(b'{"detail": "Bearer %s"}' % KEY.encode(), status="422 Unprocessable"),
    "page": http(b"<html><body>x-api-key: %s</body></html>" % KEY.encode(), status="502 Bad Gateway"),
    "text": http(KEY.encode(), status="500 Internal Server Error"),
    "long text": http(b"x" * 190 + KEY.encode(), status="500 Internal Server Error"),
    "no JSON": http(KEY.encode()),
    "data": http(b'{"data": {"wallet": 7, "session_id": 7, "%s": "%s"}}' % (KEY.encode(), KEY.encode())),
    "number of an error": http(b'{"error": "%s"}' % KEY.encode(), status="400 Bad Request"),
    "request id": http(b"{}", status="404 Not Found", x_request_id=KEY),
    "pace": http(b"{}", status="429 Too Many Requests", retry_after=KEY),
    "location": http(b"", status="302 Found", location=f"https://{KEY}.test/{KEY}?{KEY}"),
    "header": b"HTTP/1.1 200 OK\r\nx-echo: %s\x00\r\n\r\n" % KEY.encode(),
    "half a head": says_half,
    "status line": b"HTTP/1.1 %s OK\r\n\r\n" % KEY.encode(),
    "chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%s\r\n" % KEY.encode(),
}


@clients
@pytest.mark.parametrize("behaviour", ECHOES.values(), ids=ECHOES.keys())
async def test_echoed_credentials_are_not_shown(client: NewClient, behaviour: Behaviour) -> None:
    """A service that repeats the credential, wherever it does, does not get it into errors or logs."""
    with everything_logged() as lines:
        async with peer(behaviour) as service, client(service.url, TWICE) as heygen:
            seen = [shown(error, with_locals=False) for error in await failures(heygen)]

    assert not any(KEY in text for text in [*seen, *lines])


STORAGE: dict[str, Behaviour] = {
    "refuses": http(b"", status="403 Forbidden"),
    "breaks": http(b"", status="500 Internal Server Error"),
    "resets": reset,
    "silent": silence,
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "cut": b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nabc",
    "in circles": http(b"", status="302 Found", location=f"/again?X-Amz-Signature={SIGNATURE}"),
    "to no address": http(b"", status="302 Found", location=f"http://[::1?X-Amz-Signature={SIGNATURE}"),
    "to ftp": http(b"", status="302 Found", location=f"ftp://127.0.0.1/x?X-Amz-Signature={SIGNATURE}"),
    "to nobody": http(b"", status="302 Found", location=f"http://127.0.0.1:1/x?X-Amz-Signature={SIGNATURE}"),
}


async def failed_download(heygen: HeyGen, folder: Path) -> str:
    """All that is shown of a video and of its download's error."""
    found = await heygen.videos.get("v")
    with pytest.raises(HeyGenError) as caught:
        await found.download(folder / "v.mp4")
    return f"{found!r} {found} {shown(caught.value, with_locals=False)}"


@pytest.mark.parametrize("behaviour", STORAGE.values(), ids=STORAGE.keys())
async def test_signed_addresses_are_not_shown(tmp_path: Path, behaviour: Behaviour) -> None:
    """However a download fails, the signature of its address is in no repr, error or log."""
    with everything_logged() as lines:
        async with (
            peer(behaviour) as storage,
            peer(video(storage.url)) as service,
            with_key(service.url) as heygen,
        ):
            seen = await failed_download(heygen, tmp_path)

    assert not any(SIGNATURE in text or KEY in text for text in [seen, *lines])


REFUSALS = ("refuses", "breaks", "resets", "no HTTP")


@pytest.mark.parametrize("behaviour", [STORAGE[name] for name in REFUSALS], ids=REFUSALS)
async def test_signed_upload_addresses_are_not_shown(behaviour: Behaviour) -> None:
    """However an upload fails, the signature of its address is in no error or log."""
    large = b"\x89PNG\r\n\x1a\n" + bytes(32_000_000)
    with everything_logged() as lines:
        async with (
            peer(behaviour) as storage,
            peer(slot(storage.url)) as service,
            with_key(service.url) as heygen,
        ):
            with pytest.raises(HeyGenError) as caught:
                await heygen.assets.upload(large)

    seen = shown(caught.value, with_locals=False)
    assert not any(SIGNATURE in text or KEY in text for text in [seen, *lines])


@pytest.mark.parametrize("host", ["refused", "hangs", "nowhere.invalid", "127.0.0.1:99999", "[::1"])
async def test_unreachable_signed_addresses_are_not_shown(tmp_path: Path, host: str) -> None:
    """A storage host that cannot be reached gives no signature away, not even in the causes of the error."""
    with everything_logged() as lines:
        async with peer(silence) as hanging:
            links = {"refused": closed_port(), "hangs": hanging.url.replace("http", "https")}
            link = links.get(host, f"https://{host}")
            async with peer(video(link)) as service, with_key(service.url) as heygen:
                seen = await failed_download(heygen, tmp_path)

    assert not any(SIGNATURE in text or KEY in text for text in [seen, *lines])


@clients
async def test_a_whole_life_logs_no_secret(client: NewClient, tmp_path: Path) -> None:
    """A life with retries from prompt to film leaves no key and no signature in logs, states or refs."""
    simulator = Simulator(api_key=KEY, access_token=KEY, speed=100_000, scenario=Scenario.generate())
    simulator.faults.add("error_500", on="create", processed=True)
    simulator.faults.add("reset_before", on="get")
    with everything_logged() as lines:
        async with (
            SimulatorServer(simulator) as service,
            client(service.url, RetryPolicy(base=0.001)) as heygen,
        ):
            session = await heygen.sessions.create("p", mode="generate")
            state = await session.refresh()
            found = await session.video()
            await found.download(tmp_path)
            resources = await session.resources()
            seen = [repr(session), repr(state), repr(found), repr(resources), session.ref().decode()]

    signatures = {link.partition("?")[2] for link in (found.video_url or "", found.thumbnail_url or "")} - {
        ""
    }
    assert signatures
    assert not any(secret in text for secret in (KEY, *signatures) for text in [*seen, *lines])
