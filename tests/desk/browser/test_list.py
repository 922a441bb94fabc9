"""The list of sessions: what it shows of each, how one is found in it, and how one leaves it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from desk.browser.served import LOCAL, PROMPT, OpenTab, ServedDesk, is_playable, pill, start_session, until
from heygen_async.testing import Scenario, Simulator
from review_desk.settings import Settings

pytestmark = pytest.mark.browser

OTHER = "Three reasons for oat milk"


def approve(page: Page) -> None:
    """Have the storyboard rendered."""
    page.get_by_role("button", name="Approve and render").click()


def test_a_row_has_a_picture_and_a_date(desk: ServedDesk, open_tab: OpenTab) -> None:
    """A session in the list shows its newest storyboard picture, then its video's, and when it was started."""
    page, rows = open_tab(), open_tab(locale="en-GB")
    start_session(page, desk, PROMPT)
    rows.goto(desk.url)
    picture = rows.locator(".thumbnail img")
    expect(picture).to_have_attribute("src", re.compile("/pictures/"))
    expect(picture).to_be_visible()
    expect(rows.locator(".row time")).to_have_text(re.compile(r"^\d+ \w+ 20\d\d, \d\d:\d\d$"))
    approve(page)
    expect(picture).to_have_attribute("src", re.compile("/thumbnail$"))
    until(rows, "document.querySelector('.thumbnail img').naturalWidth > 0")


def test_sessions_are_found(desk: ServedDesk, open_tab: OpenTab) -> None:
    """Words and a state narrow the list as it goes on changing, and the address of what was found can be passed on."""
    page, rows = open_tab(), open_tab()
    start_session(page, desk, PROMPT)
    expect(pill(page)).to_have_text("Ready for review")
    rows.goto(desk.url)
    rows.get_by_label("Search titles and prompts").fill("OAT reasons")
    expect(rows.locator("#none-found")).to_be_visible()
    start_session(page, desk, OTHER)
    expect(rows.locator(".row-title")).to_have_text([OTHER])
    rows.get_by_label("Search titles and prompts").fill("")
    expect(rows.locator(".row-title")).to_have_text([OTHER, PROMPT])
    rows.get_by_label("Show", exact=True).select_option(label="Waiting for us")
    expect(rows.locator(".row .pill")).to_have_text(["Ready for review"] * 2)
    approve(page)
    expect(rows.locator(".row-title")).to_have_text([PROMPT])
    rows.goto(f"{rows.url.partition('?')[0]}?shown=done&words=oat")
    expect(rows.get_by_label("Show", exact=True)).to_have_value("done")
    expect(rows.locator(".row-title")).to_have_text([OTHER])


def test_a_rendering_session_says_how_long_it_takes(open_tab: OpenTab) -> None:
    """While a video is rendered its page and the list say how long it will still take."""
    agent = Simulator(scenario=Scenario.chat().timed(thinking=1, generating=300), max_jobs=10)
    page, rows = open_tab(), open_tab()
    with ServedDesk(LOCAL, agent) as desk:
        start_session(page, desk, PROMPT)
        rows.goto(desk.url)
        approve(page)
        expect(page.locator(".status .eta")).to_have_text(re.compile(r"^about \d min left$"))
        expect(rows.locator(".row .eta")).to_have_text(re.compile(r"^about \d min left$"))


@pytest.mark.parametrize(
    ("header", "name"), [(None, "Ann"), ("x-forwarded-user", "ben@example.test")], ids=["typed", "signed in"]
)
def test_a_page_says_who_approved(open_tab: OpenTab, header: str | None, name: str) -> None:
    """Who approved the storyboard, and when, is on the page, by the sign-in before the desk where there is one."""
    page = open_tab(extra_http_headers={"x-forwarded-user": "ben@example.test"})
    with ServedDesk(Settings(media=LOCAL.media, user_header=header)) as desk:
        start_session(page, desk, PROMPT)
        expect(pill(page)).to_have_text("Ready for review")
        if header is None:
            page.get_by_label("Your name").fill(name)
        else:
            expect(page.get_by_label("Your name")).to_have_count(0)
        approve(page)
        expect(page.locator("#approved-by")).to_have_text(f"by {name}")
        expect(page.locator("#approved")).not_to_be_empty()
        start_session(page, desk, OTHER)
        if header is None:
            expect(page.get_by_label("Your name")).to_have_value(name)


def test_stopped_is_not_failed(desk: ServedDesk, open_tab: OpenTab) -> None:
    """A session that somebody stopped says so, on its page and in the list, and not that the agent gave up."""
    page, rows = open_tab(), open_tab()
    desk.agent.script(Scenario.chat().timed(thinking=60))
    start_session(page, desk, PROMPT)
    rows.goto(desk.url)
    page.get_by_role("button", name="Stop").click()
    expect(pill(page)).to_have_text("Stopped")
    expect(page.locator("#failure")).to_have_text(re.compile("It was stopped here"))
    expect(rows.locator(".row .pill")).to_have_text("Stopped")
    rows.get_by_label("Show", exact=True).select_option(label="Stopped or failed")
    expect(rows.locator(".row")).to_have_count(1)


def test_a_video_is_downloaded_with_its_title(desk: ServedDesk, open_tab: OpenTab) -> None:
    """The button gives the whole video as a file that has the session's title."""
    page = open_tab()
    start_session(page, desk, PROMPT)
    approve(page)
    is_playable(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()

    assert f"{PROMPT}.mp4" == download.value.suggested_filename
    assert download.value.path().read_bytes()[4:8] == b"ftyp"


def test_a_session_is_archived_and_comes_back(desk: ServedDesk, open_tab: OpenTab) -> None:
    """What is archived leaves the list of all who look at it, and is found again in the archive."""
    page, rows = open_tab(), open_tab()
    start_session(page, desk, PROMPT)
    rows.goto(desk.url)
    expect(rows.locator(".row")).to_have_count(1)
    page.get_by_role("button", name="Archive").click()
    expect(rows.locator(".row")).to_have_count(0)
    rows.get_by_label("Show", exact=True).select_option(label="Archive")
    expect(rows.locator(".row")).to_have_count(1)
    page.get_by_role("button", name="Back to the list").click()
    expect(rows.locator(".row")).to_have_count(0)
    rows.get_by_label("Show", exact=True).select_option("")
    expect(rows.locator(".row")).to_have_count(1)


def test_a_session_is_deleted_with_its_video(desk: ServedDesk, open_tab: OpenTab) -> None:
    """After a question a session and its video are gone, and a page that is open elsewhere says so and rests."""
    page, other = open_tab(), open_tab()
    other.goto(start_session(page, desk, PROMPT))
    approve(page)
    is_playable(page)
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url(f"{desk.url}/")
    expect(page.locator("#empty")).to_be_visible()
    expect(other.locator("#gone")).to_be_visible()
    expect(other.locator("#connection")).to_have_text("Not there")
    asked: list[str] = []
    other.on("request", lambda request: asked.append(request.url))
    other.wait_for_timeout(4_000)  # longer than a page waits before it connects again

    assert [] == asked
    assert 1 == desk.agent.ledger.requests["video_delete"].total()
