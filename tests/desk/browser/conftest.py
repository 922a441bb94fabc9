"""A real Chromium, and a desk of its own for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from desk.browser.served import LOCAL, OpenTab, ServedDesk, launched

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all."""
    with launched() as browser:
        expect.set_options(timeout=60_000)
        yield browser


@pytest.fixture
def desk() -> Iterator[ServedDesk]:
    """A desk of its own for each test."""
    with ServedDesk(LOCAL) as desk:
        yield desk


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[OpenTab]:
    """Opens tabs; fails when a page complained: an error of a script, or something the policy forbade."""
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def opened(**options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [] == [text for text in complaints if "Failed to load resource" not in text]
