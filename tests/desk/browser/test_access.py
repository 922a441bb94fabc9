"""Everybody can use the desk: with a keyboard, a screen reader, a phone, in the dark."""

from __future__ import annotations

import importlib.resources

import pytest
from playwright.sync_api import expect

from desk.browser.served import (
    PROMPT,
    SPEED,
    OpenTab,
    ServedDesk,
    is_playable,
    pill,
    start_session,
)
from heygen_async.testing import Scenario

pytestmark = pytest.mark.browser

LONG = "Wort" * 60
PHONE = {"width": 360, "height": 740}


def test_the_desk_is_used_with_the_keyboard_alone(desk: ServedDesk, open_tab: OpenTab) -> None:
    """Without a mouse a person starts a session, asks for a change, approves it and reaches the video."""
    page = open_tab()
    page.goto(desk.url)

    def tab_to(selector: str) -> None:
        for _ in range(25):
            page.keyboard.press("Tab")
            if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
                return
        pytest.fail(f"{selector} is not reached with Tab")

    tab_to(".skip")
    expect(page.locator(".skip")).to_be_in_viewport()
    tab_to("#prompt")
    page.keyboard.type(PROMPT)
    tab_to("[name=orientation]")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Portrait")).to_be_checked()
    tab_to("#create button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sessions/*")
    expect(pill(page)).to_have_text("Ready for review")
    tab_to("#message")
    page.keyboard.type("Warmer, please")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("worked your change")).to_be_visible()
    tab_to("#approve button")
    page.keyboard.press("Space")
    expect(page.locator("#title")).to_be_focused()  # the button went away; the focus did not get lost
    expect(pill(page)).to_have_text("Completed")
    tab_to("#video")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_read_it(desk: ServedDesk, open_tab: OpenTab, scheme: str) -> None:
    """Names, roles, order and contrast hold in the list and through a session's life, light and dark (WCAG 2.2 AA)."""
    axe = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    page = open_tab(color_scheme=scheme)

    def check(moment: str) -> None:
        page.evaluate(axe)
        found = page.evaluate("axe.run({resultTypes: ['violations']})")
        faults = [f"{moment}: {one['id']}: {one['nodes'][0]['html']}" for one in found["violations"]]
        assert [] == faults

    page.goto(desk.url)
    expect(page.locator("#empty")).to_be_visible()
    check("empty list")
    start_session(page, desk, PROMPT)
    check("thinking")
    expect(page.locator(".picture img")).to_have_count(3)
    check("reviewing")
    page.get_by_role("button", name="Approve and render").click()
    is_playable(page)
    check("completed")
    desk.agent.script(Scenario.failing("thinking", mode="chat").at_speed(SPEED))
    start_session(page, desk, "A second one")
    expect(page.locator("#failure")).to_be_visible()
    check("failed")
    page.goto(desk.url)
    expect(page.locator(".row")).to_have_count(2)
    check("list")
    page.goto(f"{desk.url}/sessions/none")
    check("not here")


def test_it_fits_a_phone(desk: ServedDesk, open_tab: OpenTab) -> None:
    """At the width of a small phone nothing has to be scrolled sideways, however long the words."""
    page = open_tab(viewport=PHONE, has_touch=True)

    def is_wider() -> bool:
        return bool(
            page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        )

    page.goto(desk.url)
    assert not is_wider()
    start_session(page, desk, LONG)
    expect(page.locator(".picture img")).to_have_count(3)
    assert not is_wider()
    page.get_by_role("button", name="Approve and render").click()
    is_playable(page)
    assert not is_wider()
    page.goto(desk.url)
    expect(page.locator(".row")).to_have_count(1)
    assert not is_wider()
