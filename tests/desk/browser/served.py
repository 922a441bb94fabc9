"""The desk as people meet it: served on loopback, in a real Chromium."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Self

import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from heygen_async import Cadence, HeyGen
from heygen_async.testing import Simulator, SimulatorServer
from review_desk.__main__ import Server, scenario
from review_desk.app import RETRY, TIMEOUTS, create_app
from review_desk.settings import Settings

OpenTab = Callable[..., Page]

SPEED = 40.0
LOCAL = Settings(media="http://127.0.0.1:*")
PROMPT = "A 30-second intro to our espresso machine"
MISSING = "No Chromium here: install one (Debian: apt-get install chromium), or name it in DESK_CHROMIUM."


def chromium() -> str:
    """The path of the browser."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("DESK_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise FileNotFoundError(MISSING)
    return found


@contextmanager
def launched() -> Generator[Browser]:
    """Run a browser without a window."""
    # Its own sandbox needs what root in a container has not.
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox"] if is_root else [], timeout=100_000
        )
        yield browser
        browser.close()


class ServedDesk:
    """
    A desk and its agent, in a thread with a loop of its own: a browser needs a desk that answers meanwhile.

    Attributes:
        agent: The simulated service.
        heygen: The desk's client.
        url: Where the desk is.
    """

    def __init__(
        self, settings: Settings, agent: Simulator | None = None, *, port: int = 0, speed: float = SPEED
    ) -> None:
        self.agent = agent or Simulator(scenario=scenario(), speed=speed, max_jobs=1000)
        self.heygen: HeyGen
        self.url = ""
        self._settings = settings
        self._port = port
        self._ready: Future[Server] = Future()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        server = self._ready.result()
        self.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        """End as at a signal, which reaches no thread but the main one: streams first, or the server waits for them."""
        server = self._ready.result()
        asyncio.run_coroutine_threadsafe(self._app.state.board.stop(), self._loop).result()
        server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # uvicorn exits where its port is taken
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with SimulatorServer(self.agent) as agent:
            self.heygen = HeyGen(
                self.agent.api_key,
                base_url=agent.url,
                cadence=Cadence.constant(0.1),
                timeouts=TIMEOUTS,
                retry=RETRY,
            )
            self._app = create_app(self.heygen, self._settings)
            await Announcing(self._app, self._port, self._ready).serve()


class Announcing(Server):
    """A server that says when it listens."""

    def __init__(self, app: object, port: int, ready: Future[Server]) -> None:
        super().__init__(app, host="127.0.0.1", port=port)  # type: ignore[arg-type]
        self._ready = ready

    async def startup(self, sockets: object = None) -> None:
        """Listen, then say so."""
        await super().startup()
        self._ready.set_result(self)


def start_session(page: Page, desk: ServedDesk, prompt: str) -> str:
    """Start a session with the form; return its page's address."""
    page.goto(desk.url)
    page.get_by_label("What is the video about?").fill(prompt)
    page.get_by_role("button", name="Start session").click()
    page.wait_for_url("**/sessions/*")
    return page.url


def pill(page: Page) -> Locator:
    """Where a session's page says its status."""
    return page.locator("#pill")


def until(page: Page, truth: str) -> None:
    """Wait for something that only a script can see; the page's own policy forbids Playwright's way of waiting."""
    for _ in range(100):
        if page.evaluate(truth):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"never: {truth}")


def is_playable(page: Page) -> None:
    """Wait until the video element has a picture to show."""
    until(page, "document.querySelector('#video').readyState >= 2")
