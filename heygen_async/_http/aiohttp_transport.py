"""
The only file that imports the HTTP client: sends a request, returns the answer, translates what breaks.

Redirects are never followed on API calls: aiohttp drops `Authorization` when the origin changes but would hand
`x-api-key` on. Storage requests carry no credential, so they may be redirected. Loaded at the first request, since
the HTTP client is most of the cost of an import.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from .._config import MAX_BODY_BYTES
from .._redact import Secret, clean, host
from ..errors import (
    BadResponse,
    ClientStateError,
    ConnectFailed,
    ConnectionLost,
    RequestTimeout,
    TransportError,
)
from .limits import Gate, TimeoutWheel
from .links import resolve_link
from .streaming import UploadStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping

    from aiohttp.abc import AbstractStreamWriter

    from .._config import Timeouts
    from ..models._assets import Body
    from .transport import Request, Transport

# The library sends what it takes to be idempotent again by itself, under capital letters. A delete that was done and
# is repeated is "not found", and nobody could tell that from a wrong id.
_SENT_ONCE = {"DELETE": "delete"}
_CHUNK = 64 * 1024
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


class Answer:
    """Status, headers and the whole body."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class Download:
    """Status and headers of an answer whose body is still coming."""

    __slots__ = ("_response", "headers", "status")

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
            raise _translated(error, "the download") from _harmless(error)


class ReportingBody(aiohttp.BytesPayload):
    """A body that says when it leaves: the library holds the head back until then."""

    def __init__(self, body: bytes, on_send: Callable[[], None]) -> None:
        super().__init__(body)
        self._on_send = on_send

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write it all."""
        self._on_send()
        await super().write(writer)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write as much of it as the head announces."""
        self._on_send()
        await super().write_with_length(writer, content_length)


class AiohttpTransport:
    """
    Sends over one pooled session, its own or the caller's.

    At most `max_connections` requests are under way; further ones wait in line. The line is ours because the pool's
    own lets some callers through hundreds of times while others starve.
    """

    reports_sending = True

    def __init__(
        self,
        session: aiohttp.ClientSession | None = None,
        *,
        timeouts: Timeouts,
        max_connections: int,
        max_body_bytes: int,
        trust_env: bool = False,
    ) -> None:
        self._session = session
        self._is_ours = session is None
        self._is_closed = False
        self._keeper: AsyncGenerator[None, None] | None = None
        self._answering: set[aiohttp.ClientResponse] = set()
        self._timeouts = timeouts
        self._max_body_bytes = max_body_bytes
        self._gate = Gate(max_connections)
        self._deadlines = TimeoutWheel()
        # The limit on the whole is ours: the library would set a timer for every request.
        self._limits = aiohttp.ClientTimeout(total=None, connect=timeouts.connect)
        # Asking for proxies at every request, as the library's own trust_env does, costs more than the request.
        self._proxies = getproxies() if trust_env else {}

    async def send(self, request: Request) -> Answer:
        """
        Exchange one request for its answer.

        Raises:
            TransportError: The kind says whether it can have been processed.
            ClientStateError: The session given by the caller is closed.
        """
        await self._gate.enter()
        try:
            if self._is_closed:
                raise RuntimeError("Session is closed")
            if request.body is None or isinstance(request.body, bytes):
                return await self._exchange(request)
            return await self._pour_out(request, request.body)
        except _FOREIGN as error:
            secrets = _secrets(request)
            if self._is_closed and isinstance(error, TimeoutError):
                raise ConnectionLost("The client was closed while this was under way.") from _harmless(error)
            raise _translated(error, request.route or "the request", secrets) from _harmless(error, secrets)
        except RuntimeError as error:
            raise _unusable(error) from error
        finally:
            self._gate.leave()

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[Download, None]:
        """
        Open an answer without reading its body; there is a limit on silence, none on the whole.

        Raises:
            TransportError: No answer came.
        """
        limits = aiohttp.ClientTimeout(
            total=None, sock_connect=self._timeouts.connect, sock_read=self._timeouts.transfer
        )
        try:
            response = await self._follow(request, request.url, limits)
        except _FOREIGN as error:
            raise _translated(error, "the download") from _harmless(error)
        except RuntimeError as error:
            raise _unusable(error) from error
        self._answering.add(response)
        try:
            async with response:
                yield Download(response)
        finally:
            self._answering.discard(response)

    async def _follow(
        self, request: Request, link: str, limits: aiohttp.ClientTimeout, redirects: int = _REDIRECTS
    ) -> aiohttp.ClientResponse:
        """Follow redirects link by link: the library would write the escapes of a signed link anew."""
        session, url = self._session or await self._open(), URL(link, encoded=True)
        response = await session.request(
            request.method,
            url,
            headers=request.headers,
            timeout=limits,
            allow_redirects=False,
            proxy=self._proxy(url),
            raise_for_status=False,
        )
        location = response.headers.get("location")
        if response.status not in _REDIRECT_STATUSES or not location:
            return response
        response.release()
        if not redirects:
            raise BadResponse("The storage host redirects in a circle.", status=response.status)
        return await self._follow(request, resolve_link(location, link), limits, redirects - 1)

    async def aclose(self) -> None:
        """End what is under way, and close the session if it is ours."""
        for response in list(self._answering):
            response.close()  # a closed session would leave its reader waiting for the time limit
        self._is_closed = True
        if not self._is_ours:
            self._deadlines.expire()  # that session stays open, and would let them wait for ever
        self._deadlines.close()
        if self._keeper is not None:
            await self._keeper.aclose()

    def abandon(self) -> None:
        """Let go of a session whose loop is closed: nothing can be awaited there any more."""
        session, self._session = self._session, None
        if session is None or not self._is_ours or session.closed:
            return
        connector = session.connector
        session.detach()
        if connector is not None:
            connector._close()  # noqa: SLF001 - the public close() wants the dead loop

    async def _exchange(self, request: Request) -> Answer:
        url = request.prepared
        if not isinstance(url, URL):
            request.prepared = url = URL(request.url, encoded=True)
        session = self._session or await self._open()
        body: bytes | ReportingBody | None = None
        if isinstance(request.body, bytes):
            body = request.body if request.on_send is None else ReportingBody(request.body, request.on_send)
        task, response = self._deadlines.begin(request.timeout), None
        try:
            response = await session.request(
                _SENT_ONCE.get(request.method, request.method),
                url,
                headers=request.headers,
                data=body,
                timeout=self._limits,
                allow_redirects=False,
                proxy=self._proxy(url) if self._proxies else None,
                raise_for_status=False,
            )
            self._answering.add(response)
            answer = Answer(response.status, response.headers, await self._body(response))
        except BaseException as error:
            self._deadlines.end(task, error)
            raise
        finally:
            if response is not None:
                self._answering.discard(response)
                response.release()
        self._deadlines.end(task)
        return answer

    async def _pour_out(self, request: Request, body: Body) -> Answer:
        """Send what is too large for memory; there is a limit on silence, none on the whole."""
        outflow = UploadStream(body, silence=self._timeouts.transfer, answer=request.timeout)
        url = URL(request.url, encoded=True)
        session = self._session or await self._open()
        try:
            async with outflow:
                response = await session.request(
                    request.method,
                    url,
                    headers={**request.headers, "content-length": str(body.length)},
                    skip_auto_headers=("content-type",),  # what is signed is signed without it
                    data=outflow,
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._timeouts.connect),
                    allow_redirects=False,
                    proxy=self._proxy(url),
                    raise_for_status=False,
                )
                async with response:
                    return Answer(response.status, response.headers, await self._body(response))
        except _FOREIGN:
            if outflow.error is not None:
                raise outflow.error from None
            raise

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        length = response.content_length
        if length is not None and "Content-Encoding" not in response.headers:
            if length > self._max_body_bytes:
                raise self._too_large(response)
            return await response.read()
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > self._max_body_bytes:
                raise self._too_large(response)
        return bytes(body)

    def _too_large(self, response: aiohttp.ClientResponse) -> BadResponse:
        response.close()  # the rest must not be read into the pool
        return BadResponse(
            f"The answer is larger than {self._max_body_bytes:,} bytes.", status=response.status
        )

    async def _open(self) -> aiohttp.ClientSession:
        session = self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
        )
        # A loop that ends closes its generators: a client nobody closed then leaves no socket behind.
        self._keeper = _kept(session)
        await anext(self._keeper)
        return session

    def _proxy(self, url: URL) -> str | None:
        if proxy_bypass(url.host or ""):
            return None
        return self._proxies.get(url.scheme)


def opened(
    http: aiohttp.ClientSession | Transport | None,
    *,
    timeouts: Timeouts,
    max_connections: int,
    trust_env: bool,
) -> Transport:
    """Return the transport a client was given, or one over its session, or over a session of our own."""
    if http is not None and not isinstance(http, aiohttp.ClientSession):
        return http
    return AiohttpTransport(
        http,
        timeouts=timeouts,
        max_connections=max_connections,
        max_body_bytes=MAX_BODY_BYTES,
        trust_env=trust_env,
    )


async def _kept(session: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await session.close()


_FOREIGN = (aiohttp.ClientError, OSError, ValueError, EOFError)


def _unusable(error: RuntimeError) -> ClientStateError:
    return ClientStateError(
        f"The HTTP session cannot be used: {clean(str(error))}",
        hint="Keep the session given as http= open, and use it in the event loop it was made in.",
    )


def _translated(error: Exception, what: str, secrets: Iterable[str] = ()) -> TransportError:
    said = clean(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, secrets)
    if isinstance(error, _NEVER_SENT):
        return ConnectFailed(f"No connection for {what}: {said}")
    if isinstance(error, TimeoutError):
        return RequestTimeout(f"No whole answer to {what} in time ({said})")
    if isinstance(error, aiohttp.ClientResponseError):
        return BadResponse(f"The answer to {what} is not HTTP: {said}")
    if isinstance(error.__cause__, ContentEncodingError):
        return BadResponse(f"The answer to {what} cannot be unpacked: {said}")
    return ConnectionLost(f"The connection broke during {what}: {said}")


def _secrets(request: Request) -> list[str]:
    values = [value for value in request.headers.values() if isinstance(value, Secret)]
    return [Secret(value.removeprefix("Bearer ")) for value in values]


def _harmless(error: Exception, secrets: Iterable[str] = ()) -> Exception:
    """Strip an error, and those under it, of requests, proxies and signed addresses: a traceback shows them all."""
    under: BaseException | None = error
    while under is not None:
        if isinstance(under, aiohttp.ClientResponseError):
            shown = URL(host(str(under.request_info.real_url)))
            bare = CIMultiDictProxy(CIMultiDict[str]())
            under.request_info = aiohttp.RequestInfo(shown, under.request_info.method, bare, shown)
            under.history = ()
        # Timeouts and bad links quote the whole address, proxies their password, garbled heads what was echoed.
        under.args = (clean(str(under), secrets),) if under.args else ()
        for name, value in vars(under).items():
            if name == "message" or isinstance(value, str | URL):
                setattr(under, name, clean(str(value), secrets))
        under = under.__cause__ or under.__context__
    return error
