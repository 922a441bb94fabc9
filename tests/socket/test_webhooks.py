"""Webhooks over real sockets: what the simulator posts to a web application, and what that makes of it."""
# ruff: noqa: TID251 - real time passes here

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
from aiohttp import web

from heygen_async import HeyGen, InvalidRequest, WebhookError
from heygen_async.testing import Scenario, Simulator, SimulatorServer
from heygen_async.webhooks import SeenEvents, parse_unverified, verify

if TYPE_CHECKING:
    from heygen_async import WebhookEvent

QUICK = Scenario.generate().timed(thinking=0.05, generating=0.05)


class Application:
    """A web application with an endpoint for webhooks."""

    def __init__(self) -> None:
        self.url = ""
        self.secrets: list[str] = []
        self.methods: list[str] = []
        self.events: list[WebhookEvent] = []
        self.unsigned: list[str | None] = []
        self.come = anyio.Event()
        self.answers: list[int] = []

    async def receive(self, request: web.Request) -> web.Response:
        """Answer a probe, or take a delivery."""
        self.methods.append(request.method)
        if request.method != "POST":
            return web.Response()
        body = await request.read()
        if request.path == "/unsigned":
            self.unsigned.append(parse_unverified(body).session_id)
        else:
            try:
                self.events.append(verify(request.headers, body, self.secrets, seen=SeenEvents()))
            except WebhookError:
                return web.Response(status=400)
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.come.set()
        return web.Response(status=status)


@asynccontextmanager
async def serving(app: Application) -> AsyncGenerator[Application]:
    """Serve an application on loopback."""
    site = web.Application()
    site.router.add_route("*", "/{path:.*}", app.receive)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    app.url = f"http://{host}:{port}"
    try:
        yield app
    finally:
        await runner.cleanup()


@pytest.fixture
async def app(anyio_backend: object) -> AsyncGenerator[Application]:
    """An application that is up."""
    async with serving(Application()) as app:
        yield app


async def test_a_registered_endpoint_gets_signed_events(app: Application) -> None:
    """An application that registers is probed, then told of each end, signed with the secret it was given."""
    async with SimulatorServer(Simulator(scenario=QUICK)) as server:
        async with HeyGen("test-key", base_url=server.url) as heygen:
            made = await heygen.webhooks.endpoints.create(f"{app.url}/hook", events=["video_agent.success"])
            app.secrets.append(made.secret or "")
            session = await heygen.sessions.create("A tour of our bakery", mode="generate")
            while not server.simulator.ledger.deliveries:
                await anyio.sleep(0.01)

        assert ["OPTIONS", "GET", "POST"] == app.methods
        assert [("video_agent.success", session.id)] == [(one.type, one.session_id) for one in app.events]
        assert {"video_agent.success": {200: 1}} == server.simulator.ledger.deliveries


async def test_a_callback_url_gets_unsigned_events(app: Application) -> None:
    """A `callback_url` is told of the end of that session alone, unsigned."""
    server = SimulatorServer(Simulator(scenario=QUICK))
    async with server, HeyGen("test-key", base_url=server.url) as heygen:
        await heygen.sessions.create("One that nobody is told of", mode="generate")
        session = await heygen.sessions.create(
            "A tour of our bakery", mode="generate", callback_url=f"{app.url}/unsigned"
        )
        await app.come.wait()

    assert [session.id] == app.unsigned


async def test_an_endpoint_that_does_not_answer_is_refused() -> None:
    """An address that does not answer the probe cannot be registered, as at the service."""
    async with serving(Application()) as gone:
        url = gone.url
    server = SimulatorServer(Simulator())
    async with server, HeyGen("test-key", base_url=server.url) as heygen:
        with pytest.raises(InvalidRequest) as refused:
            await heygen.webhooks.endpoints.create(f"{url}/hook")

    assert "url" == refused.value.param


async def test_a_refused_delivery_comes_again(app: Application) -> None:
    """A delivery that the application answers with an error is repeated, with the same event id."""
    app.answers = [503]
    server = SimulatorServer(Simulator(scenario=QUICK, speed=1000))
    async with server, HeyGen("test-key", base_url=server.url) as heygen:
        made = await heygen.webhooks.endpoints.create(f"{app.url}/hook")
        app.secrets.append(made.secret or "")
        await heygen.sessions.create("A tour of our bakery", mode="generate")
        await app.come.wait()

    assert 2 == len(app.events)
    assert 1 == len({event.id for event in app.events})
