"""The one-page apps do what a web backend needs: a session, its changes, an answer, a webhook."""

from __future__ import annotations

import importlib.util
import json
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Protocol

import pytest
from aiohttp.test_utils import TestClient, TestServer

from desk.visitor import JSON, Answer, Visitor
from heygen_async.testing import Simulator, SimulatorServer
from heygen_async.webhooks import sign
from repository import house

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping
    from types import ModuleType

    from aiohttp import web

APPS = ("fastapi_app", "litestar_app", "aiohttp_app")
SECRET = "whsec_of_the_app"
JSON_BODY = {"content-type": "application/json"}
BODY = (
    b'{"event_id":"e","event_type":"video_agent.success","event_data":{"session_id":"s"},"created_at":"2026"}'
)


class Site(Protocol):
    """An app that runs."""

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = ...) -> Answer:
        """Ask for anything."""
        ...

    async def until(self, path: str, status: str) -> list[JSON]:
        """Follow an event stream to a status, then leave."""
        ...


class AsgiSite(Visitor):
    """An app of FastAPI or Litestar."""

    async def until(self, path: str, status: str) -> list[JSON]:
        """Follow an event stream to a status, then leave."""
        async with self.watch(path) as stream:
            await stream.when(lambda event: bool(event["status"] == status))
        return stream.events


class AiohttpSite:
    """An app of aiohttp, on loopback."""

    def __init__(self, client: TestClient[web.Request, web.Application]) -> None:
        self._client = client

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Ask for anything."""
        async with self._client.request(method, path, headers=headers, data=body) as answer:
            return Answer(status=answer.status, headers=dict(answer.headers), body=await answer.read())

    async def until(self, path: str, status: str) -> list[JSON]:
        """Follow an event stream to a status, then leave."""
        events: list[JSON] = []
        async with self._client.get(path) as answer:
            async for line in answer.content:
                events += [json.loads(line.removeprefix(b"data: "))] if line.startswith(b"data: ") else []
                if events and events[-1]["status"] == status:
                    break
        return events


def loaded(name: str) -> ModuleType:
    """The example as a module of its own."""
    spec = importlib.util.spec_from_file_location(name, house.ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # Litestar looks it up there
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def opened(name: str) -> AsyncGenerator[Site]:
    """Run an app."""
    app = loaded(name).app
    if name == "aiohttp_app":
        async with TestClient(TestServer(app)) as client:
            yield AiohttpSite(client)
    else:
        async with app.lifespan() if name == "litestar_app" else app.router.lifespan_context(app):
            yield AsgiSite(app)


@pytest.fixture(params=APPS)
async def site(
    request: pytest.FixtureRequest,
    service: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    anyio_backend: object,
) -> AsyncIterator[Site]:
    """Each of the apps in turn, before a simulated agent."""
    async with SimulatorServer(service) as server:
        monkeypatch.setenv("HEYGEN_API_KEY", service.api_key)
        monkeypatch.setenv("HEYGEN_API_BASE", server.url)
        monkeypatch.setenv("HEYGEN_WEBHOOK_SECRET", SECRET)
        async with opened(request.param) as site:
            yield site


@pytest.mark.parametrize("name", APPS)
def test_the_app_fits_on_a_page(name: str) -> None:
    """A reader sees the whole app at once."""
    assert len((house.ROOT / "examples" / f"{name}.py").read_text("utf-8").splitlines()) <= 110


async def test_a_session_is_followed_from_prompt_to_video(site: Site, service: Simulator) -> None:
    """A browser starts a session, sees it move, says go ahead, and sees it completed."""
    made = await site.ask("POST", "/sessions", JSON_BODY, b'{"prompt": "A tour"}')
    path = f"/sessions/{made.json['id']}"
    seen = await site.until(f"{path}/events", "reviewing")
    picture = await site.ask("GET", f"{path}/pictures/{seen[-1]['messages'][-1]['pictures'][0]}", {})
    said = await site.ask("POST", f"{path}/messages", JSON_BODY, b'{"message": "Go ahead"}')
    done = await site.until(f"{path}/events", "completed")

    assert (201, 204) == (made.status, said.status)
    assert picture.status in {200, 302, 307}
    assert "A tour" == seen[0]["messages"][0]["text"]
    assert ("thinking", 40, 100) == (seen[0]["status"], seen[-1]["progress"], done[-1]["progress"])
    assert 1 == len(service.ledger.billed)


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_the_probe_is_answered(site: Site, method: str) -> None:
    """The service's question whether anybody is here is answered with 200."""
    assert 200 == (await site.ask(method, "/webhook", {})).status


async def test_only_signed_events_are_taken(site: Site) -> None:
    """A delivery with the endpoint's signature is taken, and taken politely again; others are refused."""
    headers = sign(BODY, SECRET)
    statuses = [(await site.ask("POST", "/webhook", each, BODY)).status for each in (headers, headers, {})]

    assert [200, 200, 400] == statuses


REFUSED: Final[dict[str, tuple[dict[str, str], str | None, int]]] = {
    "full": ({"prompt": "A tour"}, "rate_limit", 429),
    "no credit": ({"prompt": "A tour"}, "payment_required", 502),
    "empty": ({"prompt": ""}, None, 422),
    "missing": ({}, None, 422),
}


@pytest.mark.parametrize(("form", "fault", "status"), REFUSED.values(), ids=REFUSED)
async def test_a_refusal_has_its_status(
    site: Site, service: Simulator, form: dict[str, str], fault: str | None, status: int
) -> None:
    """What cannot be made is refused at once with the right status, and without the key."""
    if fault is not None:
        service.faults.add(fault, on="create", times=None)
    answer = await site.ask("POST", "/sessions", JSON_BODY, json.dumps(form).encode())

    assert status == answer.status
    assert (status == 429) == ("retry-after" in {name.lower() for name in answer.headers})
    assert service.api_key not in answer.body.decode()
