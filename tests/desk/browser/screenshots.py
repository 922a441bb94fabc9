"""Take the pictures of the README: `nox -s desk_tests -- --screenshots`."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from desk.browser.served import ServedDesk, launched, start_session
from repository import house
from review_desk.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

FOLDER = house.ROOT / "examples" / "review_desk" / "screenshots"
DESKTOP: ViewportSize = {"width": 1120, "height": 700}
TALL: ViewportSize = {"width": 1120, "height": 1100}
PHONE: ViewportSize = {"width": 390, "height": 780}


def main() -> None:
    """Make three videos, and show the list and the pages of two of them."""
    with (
        ServedDesk(Settings(media="http://127.0.0.1:*", is_simulated=True), speed=12) as desk,
        launched() as browser,
    ):
        page = browser.new_context(viewport=DESKTOP).new_page()
        done = start_session(page, desk, "Welcome to the Lisbon office")
        page.get_by_label("Your name").fill("Ann")
        approve(page)
        expect(page.locator("#video")).to_have_js_property("readyState", 4, timeout=20_000)
        rendering = start_session(page, desk, "Three reasons for oat milk")
        review = start_session(page, desk, "Meet our new espresso machine")
        page.goto(rendering)
        approve(page)
        show(browser, desk.url, "list", "light", DESKTOP)
        show(browser, desk.url, "choices", "light", TALL, "summary")
        show(browser, review, "review", "light", DESKTOP)
        show(browser, done, "done-dark", "dark", DESKTOP)
        show(browser, desk.url, "list-phone", "light", PHONE)
        show(browser, review, "review-phone-dark", "dark", PHONE)


def approve(page: Page) -> None:
    """Approve the storyboard once it is there."""
    page.get_by_role("button", name="Approve and render").click()


def show(
    browser: Browser, url: str, name: str, scheme: str, size: ViewportSize, click: str | None = None
) -> None:
    """Take one picture, after a click where one is named."""
    context = browser.new_context(viewport=size, color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    page.goto(url)
    expect(page.locator(".pill").first).not_to_be_empty()
    if click is not None:
        page.locator(click).click()
    page.wait_for_timeout(1_000)  # pictures, and where the conversation scrolls to
    page.screenshot(path=pathlib.Path(FOLDER / f"{name}.png"))
    context.close()


if __name__ == "__main__":
    main()
