"""Everybody can use the desk: with a keyboard, a screen reader, a phone, in the dark."""

from __future__ import annotations

import importlib.resources

import pytest
from playwright.sync_api import Page, expect

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


def tab_to(page: Page, selector: str) -> None:
    """Reach something with the Tab key."""
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
    pytest.fail(f"{selector} is not reached with Tab")


def test_a_video_is_asked_for_with_the_keyboard_alone(desk: ServedDesk, open_tab: OpenTab) -> None:
    """Without a mouse a person writes a prompt, chooses an avatar and an orientation, and starts a session."""
    page = open_tab()
    page.goto(desk.url)
    tab_to(page, ".skip")
    expect(page.locator(".skip")).to_be_in_viewport()
    tab_to(page, "#prompt")
    page.keyboard.type(PROMPT)
    tab_to(page, "summary")
    page.keyboard.press("Enter")
    expect(page.locator("[name=avatar_id]")).not_to_have_count(0)
    tab_to(page, "[name=avatar_id]")
    page.keyboard.press("ArrowRight")
    expect(page.locator("[name=avatar_id]").nth(1)).to_be_checked()
    tab_to(page, "[name=orientation]")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Portrait")).to_be_checked()
    tab_to(page, "#create button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sessions/*")


def test_a_session_is_led_with_the_keyboard_alone(desk: ServedDesk, open_tab: OpenTab) -> None:
    """Without a mouse a person asks for a change, approves it, reaches the video, and thinks again of deleting it."""
    page = open_tab()
    start_session(page, desk, PROMPT)
    expect(pill(page)).to_have_text("Ready for review")
    tab_to(page, "#message")
    page.keyboard.type("Warmer, please")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("worked your change")).to_be_visible()
    tab_to(page, "#approve button")
    page.keyboard.press("Space")
    expect(page.locator("#title")).to_be_focused()  # the button went away; the focus did not get lost
    expect(pill(page)).to_have_text("Completed")
    tab_to(page, "#video")
    tab_to(page, "#delete-ask")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#delete-ask")).to_be_focused()


def check(page: Page, moment: str) -> None:
    """Assert that names, roles, order and contrast hold on a page as it is now (WCAG 2.2 AA)."""
    axe = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    page.evaluate(axe)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    faults = [f"{moment}: {one['id']}: {one['nodes'][0]['html']}" for one in found["violations"]]
    assert [] == faults


def fail(page: Page, desk: ServedDesk) -> None:
    """Have a session fail."""
    desk.agent.script(Scenario.failing("thinking", mode="chat").at_speed(SPEED))
    start_session(page, desk, "One that fails")
    expect(page.locator("#failure")).to_be_visible()


def stop(page: Page, desk: ServedDesk) -> None:
    """Stop a session."""
    desk.agent.script(Scenario.chat().timed(thinking=60))
    start_session(page, desk, "One that is stopped")
    page.get_by_role("button", name="Stop").click()
    expect(pill(page)).to_have_text("Stopped")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_read_a_session(desk: ServedDesk, open_tab: OpenTab, scheme: str) -> None:
    """The page of a session passes through its life, light and dark."""
    page = open_tab(color_scheme=scheme)
    start_session(page, desk, PROMPT)
    check(page, "thinking")
    expect(page.locator(".picture img")).to_have_count(3)
    check(page, "reviewing")
    page.get_by_role("button", name="Approve and render").click()
    is_playable(page)
    check(page, "completed")
    page.get_by_role("button", name="Delete…").click()
    check(page, "question")
    page.get_by_role("button", name="Keep it").click()
    fail(page, desk)
    check(page, "failed")
    stop(page, desk)
    check(page, "stopped")
    page.goto(f"{desk.url}/sessions/none")
    check(page, "not here")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_read_the_list(desk: ServedDesk, open_tab: OpenTab, scheme: str) -> None:
    """The list and its form pass empty and full, with what there is to choose from, light and dark."""
    page = open_tab(color_scheme=scheme)
    page.goto(desk.url)
    expect(page.locator("#empty")).to_be_visible()
    check(page, "empty list")
    page.get_by_text("Avatar, voice and style").click()
    expect(page.get_by_role("group", name="Style").get_by_role("radio")).not_to_have_count(0)
    check(page, "choices")
    start_session(page, desk, PROMPT)
    fail(page, desk)
    stop(page, desk)
    page.goto(desk.url)
    expect(page.locator(".row .pill")).to_have_text(["Stopped", "Failed", "Ready for review"])
    check(page, "list")
    page.get_by_label("Search titles and prompts").fill("nothing like this")
    expect(page.locator("#none-found")).to_be_visible()
    check(page, "nothing found")


def test_it_fits_a_phone(desk: ServedDesk, open_tab: OpenTab) -> None:
    """At the width of a small phone nothing has to be scrolled sideways, however long the words."""
    page = open_tab(viewport=PHONE, has_touch=True)

    def is_wider() -> bool:
        return bool(
            page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        )

    page.goto(desk.url)
    page.get_by_text("Avatar, voice and style").click()
    expect(page.get_by_role("group", name="Style").get_by_role("radio")).not_to_have_count(0)
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
