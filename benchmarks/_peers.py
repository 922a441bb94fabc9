"""
Other ways to ask for a session's state: each opens its client and yields a coroutine function that asks for one.

All get the same key, a limit of 30 seconds and as many sockets as there are callers.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from . import _generated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    Ask = Callable[[int], Awaitable[object]]
    Opened = Callable[[str, int], AbstractAsyncContextManager[Ask]]

KEY = {"x-api-key": "k"}
PATH = "/v3/video-agents/sess_"


@dataclass(frozen=True)
class Peer:
    """
    A way to ask.

    Attributes:
        opened: Opens it for an address and a number of callers.
        cost: Roughly how many times the floor it takes: slow ones get fewer requests.
        is_on_uvloop: Whether it runs on the faster event loop.
    """

    opened: Opened
    cost: int = 1
    is_on_uvloop: bool = False


def peers() -> tuple[dict[str, Peer], dict[str, str]]:
    """Return the peers to be had here, and why others are not."""
    missing = {name: why for name, why in _generated.make().items() if why}
    found = {
        "aiohttp + msgspec on uvloop": Peer(aiohttp_msgspec, is_on_uvloop=True),
        "aiohttp + json": Peer(aiohttp_json),
        "pyreqwest + msgspec": Peer(pyreqwest_msgspec),
        "httpx + pydantic": Peer(httpx_pydantic, 12),
        "openai SDK core": Peer(openai_core, 12),
    }
    if _generated.ASYNCIO not in missing:
        found["openapi-generator asyncio"] = Peer(generator_asyncio, 4)
    if _generated.PYTHON_CLIENT not in missing:
        found["openapi-python-client"] = Peer(python_client, 12)
    return found, missing


@asynccontextmanager
async def aiohttp_msgspec(base: str, callers: int) -> AsyncIterator[Ask]:
    """Written by hand on the client's own stack, without anything a client does besides: the floor."""
    import aiohttp
    from yarl import URL

    from heygen_async._api.responses import Envelope
    from heygen_async.models import SessionData

    decoder = msgspec.json.Decoder(Envelope[SessionData])
    urls = [URL(f"{base}{PATH}{number}") for number in range(callers)]
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=30), headers=KEY
    ) as http:

        async def ask(number: int) -> object:
            async with http.get(urls[number]) as response:
                return decoder.decode(await response.read())

        yield ask


@asynccontextmanager
async def aiohttp_msgspec_kept(base: str, callers: int) -> AsyncIterator[Ask]:
    """As above, in a process that keeps the memory it reads into, since it has once freed a larger block."""
    bytearray(1024 * 1024)
    async with aiohttp_msgspec(base, callers) as ask:
        yield ask


@asynccontextmanager
async def aiohttp_json(base: str, callers: int) -> AsyncIterator[Ask]:
    """As above, with the standard library's JSON and no types."""
    import aiohttp
    from yarl import URL

    urls = [URL(f"{base}{PATH}{number}") for number in range(callers)]
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=30), headers=KEY
    ) as http:

        async def ask(number: int) -> object:
            async with http.get(urls[number]) as response:
                return json.loads(await response.read())

        yield ask


@asynccontextmanager
async def pyreqwest_msgspec(base: str, callers: int) -> AsyncIterator[Ask]:
    """An HTTP client in Rust: what no client on aiohttp can reach."""
    from datetime import timedelta

    from pyreqwest.client import ClientBuilder

    from heygen_async._api.responses import Envelope
    from heygen_async.models import SessionData

    decoder = msgspec.json.Decoder(Envelope[SessionData])
    builder = ClientBuilder().timeout(timedelta(seconds=30)).default_headers(KEY)
    async with builder.pool_max_idle_per_host(callers).build() as http:

        async def ask(number: int) -> object:
            response = await http.get(f"{base}{PATH}{number}").build().send()
            return decoder.decode(await response.bytes())

        yield ask


@asynccontextmanager
async def httpx_pydantic(base: str, callers: int) -> AsyncIterator[Ask]:
    """The usual choice for a client written by hand."""
    import httpx

    from ._pydantic import SessionEnvelope

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=base, timeout=30, headers=KEY, limits=limits) as http:

        async def ask(number: int) -> object:
            response = await http.get(f"{PATH}{number}")
            return SessionEnvelope.model_validate_json(response.content)

        yield ask


@asynccontextmanager
async def openai_core(base: str, callers: int) -> AsyncIterator[Ask]:
    """The machinery under a generated SDK of the best-known kind, asked for another service's path."""
    import httpx
    from openai import AsyncOpenAI
    from openai._models import BaseModel

    from ._pydantic import annotations

    model: Any = type("SessionEnvelope", (BaseModel,), {"__annotations__": annotations(BaseModel)})
    try:
        import httpx2 as library  # what this SDK moved to
    except ImportError:
        library = httpx
    limits = library.Limits(max_connections=None, max_keepalive_connections=None)
    inner = library.AsyncClient(limits=limits, timeout=30)
    async with AsyncOpenAI(api_key="k", base_url=base, http_client=inner, max_retries=0) as client:

        async def ask(number: int) -> object:
            return await client.get(f"{PATH}{number}", cast_to=model)

        yield ask


@asynccontextmanager
async def generator_asyncio(base: str, callers: int) -> AsyncIterator[Ask]:
    """As generated, but with as many sockets as callers."""
    import generated_asyncio as generated  # type: ignore[import-not-found]

    configuration = generated.Configuration(host=base, api_key={"ApiKeyAuth": "k"})
    configuration.connection_pool_maxsize = callers
    async with generated.ApiClient(configuration) as client:
        api = generated.VideoAgentApi(client)

        async def ask(number: int) -> object:
            return await api.get_video_agent_session(f"sess_{number}", _request_timeout=30.0)

        yield ask


@asynccontextmanager
async def python_client(base: str, callers: int) -> AsyncIterator[Ask]:
    """As generated, but with as many sockets as callers."""
    import httpx
    from generated_python_client import Client  # type: ignore[import-not-found]
    from generated_python_client.api.video_agent import get_video_agent_session as get

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    client = Client(base_url=base, headers=KEY, timeout=httpx.Timeout(30), httpx_args={"limits": limits})
    async with client:

        async def ask(number: int) -> object:
            return await get.asyncio(f"sess_{number}", client=client)

        yield ask
