"""Several tabs, a tab that nobody looks at, a desk that goes away: what is open stays true."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from desk.browser.served import (
    LOCAL,
    PROMPT,
    OpenTab,
    ServedDesk,
    is_playable,
    pill,
    start_session,
)
from review_desk.settings import Settings

pytestmark = pytest.mark.browser


def test_two_tabs_show_the_same(desk: ServedDesk, open_tab: OpenTab) -> None:
    """What is done in one tab is seen in another, and in the list, for the polls of one."""
    mine, yours, rows = open_tab(), open_tab(), open_tab()
    rows.goto(desk.url)
    yours.goto(start_session(mine, desk, PROMPT))
    expect(pill(yours)).to_have_text("Ready for review")
    yours.get_by_role("button", name="Approve and render").click()
    for tab in (mine, yours):
        expect(pill(tab)).to_have_text("Completed")
        is_playable(tab)
    expect(rows.locator(".row .pill")).to_have_text("Completed")

    assert 1 == len(desk.agent.ledger.messages)


def test_a_page_outlives_the_desk(open_tab: OpenTab, tmp_path: pathlib.Path) -> None:
    """While the desk is away an open page says so; when it is back the page goes on where the session is now."""
    settings = Settings(database=str(tmp_path / "desk.sqlite3"), media=LOCAL.media)
    page = open_tab()
    with ServedDesk(settings) as first:
        start_session(page, first, PROMPT)
        expect(page.locator("#connection")).to_have_text("Live")
    expect(page.locator("#connection")).to_have_text("Reconnecting…")
    page.evaluate("window.isSame = true")
    with ServedDesk(settings, first.agent, port=int(first.url.rpartition(":")[2])):
        expect(page.locator("#connection")).to_have_text("Live")
        expect(pill(page)).to_have_text("Ready for review")
        expect(page.locator(".picture img")).to_have_count(3)
        assert page.evaluate("window.isSame")


@pytest.fixture
def leisurely() -> Iterator[ServedDesk]:
    """A desk whose agent thinks for some seconds."""
    with ServedDesk(LOCAL, speed=4) as desk:
        yield desk


def test_a_tab_in_the_background_costs_nothing(leisurely: ServedDesk, open_tab: OpenTab) -> None:
    """A tab that nobody looks at holds no connection and causes no polls, and catches up when it is looked at."""
    page = open_tab()
    start_session(page, leisurely, PROMPT)
    expect(page.locator("#connection")).to_have_text("Live")
    turn_to(page, is_hidden=True)
    for _ in range(100):
        if leisurely.heygen.statistics().watchers == 0:
            break
        page.wait_for_timeout(50)
    polls = leisurely.heygen.statistics().polls
    page.wait_for_timeout(1_000)  # ten looks
    assert (polls, "Thinking") == (leisurely.heygen.statistics().polls, pill(page).inner_text())
    turn_to(page, is_hidden=False)
    expect(pill(page)).to_have_text("Ready for review")


def turn_to(page: Page, *, is_hidden: bool) -> None:
    """Let the page believe that somebody looks at it, or nobody."""
    page.evaluate(
        """(isHidden) => {
            Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        is_hidden,
    )
