"""
The only file that imports the HTTP client: sends a request, returns the answer, translates what breaks.

Redirects are never followed on API calls: aiohttp drops `Authorization` when the origin changes but would hand
`x-api-key` on. Storage requests carry no credential, so they may be redirected. Loaded at the first request, since
the HTTP client is most of the cost of an import.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError
from msgspec import structs
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from .. import _redact, errors
from .._config import MAX_BODY_BYTES
from .failures import describe
from .limits import TimeoutWheel
from .links import resolve_link
from .streaming import UploadStream
from .transport import BufferedResponse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping

    from aiohttp.abc import AbstractStreamWriter

    from .._config import Timeouts
    from ..models._assets import Body
    from .proxies import Proxies
    from .transport import Request, Transport

_CHUNK = 64 * 1024
_LARGER_BLOCK = 512 * 1024
# Bytes of one header line: proxies and CDNs add policies longer than the 8 KiB the library takes.
_HEADER_BYTES = 64 * 1024
# What the library itself sends again when a pooled connection was dead.
_POOLED = frozenset({"GET", "HEAD", "PUT"})
_REDIRECTS = 5
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_NEVER_SENT = (
    aiohttp.ClientConnectorError,  # name lookup, refusal, TLS and certificates
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ServerFingerprintMismatch,
    aiohttp.NonHttpUrlClientError,
    ValueError,  # an address, a proxy or a header that nothing can be sent to or with
)


class StreamedResponse:
    """Status and headers of an answer whose body is still coming."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """
        Yield the body as it comes.

        Raises:
            TransportError: It broke off, or nothing came for too long.
        """
        try:
            # As it comes: cutting it to measure would copy it all once more.
            async for chunk in self._response.content.iter_any():
                yield chunk
        except _FOREIGN as error:
            # What came before the break is good, and the public way to it is shut by the error.
            if rest := self._response.content._read_nowait(-1):  # noqa: SLF001
                yield rest
            raise _translate(error, "the download") from _sanitize(error)


class ReportingBody(aiohttp.BytesPayload):
    """A body that says when it leaves: the library holds the head back until then."""

    def __init__(self, body: bytes, on_send: Callable[[], None]) -> None:
        super().__init__(body)
        self._on_send = on_send

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write as much of it as the head announces."""
        self._on_send()
        await super().write_with_length(writer, content_length)


@dataclass(eq=False, repr=False)
class AiohttpTransport:
    """
    Sends over one pooled session, its own or the caller's.

    At most `max_connections` requests are under way; further ones wait in line. The line is ours because the pool's
    own lets some callers through hundreds of times while others starve.

    What changes something goes out on a connection of its own, for one handshake more: a pooled one may be half
    closed, and then nobody knows whether the request was processed. A session of the caller's decides that itself.
    """

    reports_sending = True

    session: aiohttp.ClientSession | None = None
    _: KW_ONLY
    timeouts: Timeouts
    max_connections: int
    max_body_bytes: int = MAX_BODY_BYTES
    # Asking for proxies at every request, as the library's own trust_env does, costs more than the request.
    proxies: Proxies | None = None

    def __post_init__(self) -> None:
        # By whether they keep connections for the next request.
        self._sessions = {} if self.session is None else {True: self.session, False: self.session}
        self._is_closed = False
        self._opened: list[AsyncGenerator[None]] = []
        self._answering: set[aiohttp.ClientResponse] = set()
        self._slots = asyncio.Semaphore(self.max_connections)
        self._deadlines = TimeoutWheel()
        # asyncio reads each answer into a new block of 256 KiB. glibc has the system map and unmap blocks of that size,
        # which takes a sixth of a poll's time, until a larger one has been freed: from then on it keeps them.
        bytes(_LARGER_BLOCK)
        # The limit on the whole is ours: the library would set a timer for every request.
        self._limits = aiohttp.ClientTimeout(total=None, connect=self.timeouts.connect)

    async def send(self, request: Request) -> BufferedResponse:
        """
        Exchange one request for its answer.

        Raises:
            TransportError: The kind says whether it can have been processed.
            ClientStateError: The session given by the caller is closed.
        """
        await self._slots.acquire()
        try:
            if self._is_closed:
                raise RuntimeError("Session is closed")
            if request.body is None or isinstance(request.body, bytes):
                return await self._exchange(request, request.body)
            return await self._upload(request, request.body)
        except _OUTSIDE as error:
            raise self._explain(error, request, request.route or "the request") from error
        finally:
            self._slots.release()

    def _explain(self, error: Exception, request: Request, what: str) -> errors.HeyGenError:
        """Return what an error of a library means; no secret is left in it."""
        if isinstance(error, RuntimeError):
            return errors.ClientStateError(
                f"The HTTP session cannot be used: {_redact.clean(str(error))}",
                hint="Keep the session given as http= open, and use it in the event loop it was made in.",
            )
        values = request.headers.values()
        secrets = tuple(one.removeprefix("Bearer ") for one in values if isinstance(one, _redact.Secret))
        meaning = _translate(error, what, secrets)
        if self._is_closed and isinstance(error, TimeoutError):
            meaning = errors.ConnectionLost("The client was closed while this was under way.")
        _sanitize(error, secrets)
        return meaning

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[StreamedResponse, None]:
        """
        Open an answer without reading its body; there is a limit on silence, none on the whole.

        Raises:
            TransportError: No answer came.
        """
        limits = aiohttp.ClientTimeout(
            total=None, sock_connect=self.timeouts.connect, sock_read=self.timeouts.transfer
        )
        try:
            response = await self._follow(request, request.url, limits)
        except _OUTSIDE as error:
            raise self._explain(error, request, "the download") from error
        self._answering.add(response)
        try:
            async with response:
                yield StreamedResponse(response)
        finally:
            self._answering.discard(response)

    async def _follow(
        self, request: Request, link: str, limits: aiohttp.ClientTimeout, redirects: int = _REDIRECTS
    ) -> aiohttp.ClientResponse:
        """Follow redirects link by link: the library would write the escapes of a signed link anew."""
        response = await self._request(request, URL(link, encoded=True), timeout=limits)
        location = response.headers.get("location")
        if response.status not in _REDIRECT_STATUSES or not location:
            return response
        response.release()
        if not redirects:
            raise errors.BadResponse("The storage host redirects in a circle.", status=response.status)
        return await self._follow(request, resolve_link(location, link), limits, redirects - 1)

    async def aclose(self) -> None:
        """End what is under way, and close the session if it is ours."""
        for response in list(self._answering):
            response.close()  # a closed session would leave its reader waiting for the time limit
        self._is_closed = True
        if self.session is not None:
            self._deadlines.expire()  # that session stays open, and would let them wait for ever
        self._deadlines.close()
        for opened in self._opened:
            await opened.aclose()

    def abandon(self) -> None:
        """Let go of a session whose loop is closed: nothing can be awaited there any more."""
        for session in self._sessions.values() if self.session is None else ():
            connector = session.connector
            session.detach()
            if connector is not None:
                connector._close()  # noqa: SLF001 - the public close() wants the dead loop
        self._sessions.clear()

    async def _exchange(self, request: Request, body: bytes | None) -> BufferedResponse:
        data: bytes | ReportingBody | None = body
        if body is not None and request.on_send is not None:
            data = ReportingBody(body, request.on_send)
        task, response = self._deadlines.begin(request.timeout), None
        try:
            response = await self._request(request, _url(request.url), data=data, timeout=self._limits)
            self._answering.add(response)
            length = response.content_length
            if length is None or length > self.max_body_bytes or "Content-Encoding" in response.headers:
                content = await self._body(response)
            else:
                content = await response.read()
        except BaseException as error:
            if response is not None:
                self._answering.discard(response)
                response.release()
            self._deadlines.end(task, error)
            raise
        self._answering.discard(response)  # all of it was read, so its connection is free again
        self._deadlines.end(task)
        return BufferedResponse(response.status, response.headers, content)

    async def _upload(self, request: Request, body: Body) -> BufferedResponse:
        """Send what is too large for memory; there is a limit on silence, none on the whole."""
        stream = UploadStream(body, self.timeouts.transfer, request.timeout)
        request = structs.replace(request, headers={**request.headers, "content-length": str(body.length)})
        limits = aiohttp.ClientTimeout(total=None, sock_connect=self.timeouts.connect)
        try:
            url = URL(request.url, encoded=True)
            async with stream, await self._request(request, url, data=stream, timeout=limits) as response:
                return BufferedResponse(response.status, response.headers, await self._body(response))
        except _FOREIGN:
            if stream.error is not None:
                raise stream.error from None
            raise

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        if (response.content_length or 0) > self.max_body_bytes:
            raise self._too_large(response)
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > self.max_body_bytes:
                raise self._too_large(response)
        return bytes(body)

    def _too_large(self, response: aiohttp.ClientResponse) -> errors.BadResponse:
        response.close()  # the rest must not be read into the pool
        problem = f"The answer is larger than {self.max_body_bytes:,} bytes."
        return errors.BadResponse(problem, status=response.status)

    async def _request(
        self, request: Request, url: URL, *, timeout: aiohttp.ClientTimeout, data: object = None
    ) -> aiohttp.ClientResponse:
        session = self._sessions.get(request.method in _POOLED) or await self._open_session(request)
        proxies = self.proxies
        return await session.request(
            request.method,
            url,
            headers=request.headers,
            # What is signed is signed without it; a body is all that would bring it.
            skip_auto_headers=None if data is None else ("content-type",),
            data=data,
            timeout=timeout,
            allow_redirects=False,
            proxy=None if proxies is None else proxies.choose(url.scheme, url.host or "", url.port),
            raise_for_status=False,
        )

    async def _open_session(self, request: Request) -> aiohttp.ClientSession:
        is_pooled = request.method in _POOLED
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=not is_pooled),
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
        )
        if not is_pooled and hasattr(session, "_retry_connection"):
            session._retry_connection = False  # noqa: SLF001 - a delete that was done and is repeated is "not found"
        # A loop that ends closes its generators: a client nobody closed then leaves no socket behind.
        opened = _keep_open(session)
        self._opened.append(opened)
        await anext(opened)
        self._sessions[is_pooled] = session
        return session


def open_transport(
    http: aiohttp.ClientSession | Transport | None,
    timeouts: Timeouts,
    max_connections: int,
    proxies: Proxies | None = None,
) -> Transport:
    """Return the transport a client was given, or one over its session, or over a session of our own."""
    if http is not None and not isinstance(http, aiohttp.ClientSession):
        return http
    return AiohttpTransport(http, timeouts=timeouts, max_connections=max_connections, proxies=proxies)


async def _keep_open(session: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await session.close()


# As many as one program has sessions, as a rule: making one takes as long as deciding when to poll.
@lru_cache(maxsize=8192)
def _url(address: str) -> URL:
    return URL(address, encoded=True)


_OUTSIDE = (aiohttp.ClientError, OSError, ValueError, EOFError, RuntimeError)
_FOREIGN = (aiohttp.ClientError, OSError, ValueError, EOFError)


def _translate(error: Exception, what: str, secrets: tuple[str, ...] = ()) -> errors.TransportError:
    problem = describe(error, secrets)
    if isinstance(error, _NEVER_SENT):
        return errors.ConnectFailed(f"No connection for {what}: {problem}.")
    if isinstance(error, TimeoutError):
        return errors.RequestTimeout(f"No whole answer to {what} in time.")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return errors.ConnectionLost(f"The server closed the connection without an answer to {what}.")
    if isinstance(error, aiohttp.ClientResponseError):
        fault = error.message.partition(":")[0]  # then come bytes of the server's, and a drawing of them
        return errors.BadResponse(f"The answer to {what} is not HTTP: {_redact.clean(fault, secrets)}.")
    if isinstance(error.__cause__, ContentEncodingError):
        return errors.BadResponse(f"The answer to {what} cannot be unpacked.")
    if isinstance(error, aiohttp.ClientPayloadError):
        return errors.ConnectionLost(f"The answer to {what} broke off.")
    return errors.ConnectionLost(f"The connection broke during {what}: {problem}.")


def _sanitize(error: Exception, secrets: Iterable[str] = ()) -> Exception:
    """Strip an error, and those under it, of requests, proxies and signed addresses: a traceback shows them all."""
    under: BaseException | None = error
    while under is not None:
        if isinstance(under, aiohttp.ClientResponseError):
            shown = URL(_redact.host(str(under.request_info.real_url)))
            bare = CIMultiDictProxy(CIMultiDict[str]())
            under.request_info = aiohttp.RequestInfo(shown, under.request_info.method, bare, shown)
            under.history = ()
        # Timeouts and bad links quote the whole address, proxies their password, garbled heads what was echoed.
        under.args = (_redact.clean(str(under), secrets),) if under.args else ()
        for name, value in vars(under).items():
            if name == "message" or isinstance(value, str | URL):
                setattr(under, name, _redact.clean(str(value), secrets))
        under = under.__cause__ or under.__context__
    return error
