"""The desk in a real browser: what people see, click, type and hear."""

from __future__ import annotations

import importlib.resources
import pathlib
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from desk.browser import SPEED, ServedDesk, launched, start_session
from heygen_async.testing import Line, Scenario, Step
from review_desk.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    OpenTab = Callable[..., Page]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(60)]

PROMPT = "A 30-second intro to our espresso machine"
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script></title><b>bold</b>'
LONG = "Wort" * 60
LOCAL = Settings(media="http://127.0.0.1:*")
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all."""
    with launched() as browser:
        expect.set_options(timeout=10_000)
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


def test_a_video_is_made_without_loading_a_page_again(desk: ServedDesk, open_tab: OpenTab) -> None:
    """A session is started, revised and approved, and the video plays, all in one page that stays."""
    page = open_tab()
    start_session(page, desk, PROMPT)
    page.evaluate("window.isSame = true")
    expect(pill(page)).to_have_text("Ready for review")
    expect(page.locator(".picture img")).to_have_count(3)
    until(page, "[...document.images].every((image) => image.complete && image.naturalWidth)")
    page.get_by_label("Message to the agent").fill("Warmer opening shot, please")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("worked your change into the storyboard")).to_be_visible()
    expect(page.get_by_label("Message to the agent")).to_have_value("")
    page.get_by_role("button", name="Approve and render").click()
    expect(pill(page)).to_have_text("Rendering")
    expect(pill(page)).to_have_text("Completed")
    is_playable(page)
    page.evaluate("document.querySelector('#video').muted = true; document.querySelector('#video').play()")
    until(page, "document.querySelector('#video').currentTime > 0.2")

    assert page.evaluate("window.isSame")
    assert 1 == len(desk.agent.ledger.billed)


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


def test_hostile_words_are_shown_as_text(desk: ServedDesk, open_tab: OpenTab) -> None:
    """Markup in a prompt, a title, the agent's words or a failure is shown, and never becomes part of the page."""
    says = (Line(content=HOSTILE),)
    opening = Scenario.chat().opening
    review = Step(status="reviewing", progress=(40, 40), says=says)
    last = Step(status="failed", says=(Line(content=HOSTILE, is_error=True),))
    desk.agent.script(Scenario(opening=(opening[0], review), revision=(opening[0], last)))
    page, rows = open_tab(), open_tab()
    rows.goto(desk.url)
    start_session(page, desk, HOSTILE)
    expect(page.locator("#messages .text")).to_have_text([HOSTILE, HOSTILE])
    page.get_by_label("Message to the agent").fill(HOSTILE)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#failure")).to_contain_text(HOSTILE)
    expect(rows.locator(".row-title")).to_contain_text("<img src=x")

    for tab in (page, rows):
        assert tab.evaluate("window.hacked") is None
        assert 0 == tab.locator("b, main script, img[src=x]").count()


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


def test_a_refusal_is_shown_beside_what_was_typed(desk: ServedDesk, open_tab: OpenTab) -> None:
    """When the account has no credit the form says so, keeps the words, and works when there is credit again."""
    page = open_tab()
    desk.agent.faults.add("payment_required", on="create", times=1)
    page.goto(desk.url)
    page.get_by_label("What is the video about?").fill(PROMPT)
    page.get_by_role("button", name="Start session").click()
    expect(page.locator("#create .problem")).to_contain_text("no credit left")
    expect(page.get_by_label("What is the video about?")).to_have_value(PROMPT)
    page.get_by_role("button", name="Start session").click()
    page.wait_for_url("**/sessions/*")


def test_attachments_are_shown(desk: ServedDesk, open_tab: OpenTab, tmp_path: pathlib.Path) -> None:
    """A picture that was attached is in the conversation, and what is no picture is a link."""
    sound = tmp_path / "jingle.mp3"
    sound.write_bytes(b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(400))
    page = open_tab()
    page.goto(desk.url)
    page.get_by_label("What is the video about?").fill(PROMPT)
    page.get_by_label("Attachments").set_input_files([sound])
    page.get_by_role("button", name="Start session").click()
    page.wait_for_url("**/sessions/*")
    expect(page.get_by_role("link", name="Attachment 1")).to_be_visible()


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


def test_a_tab_in_the_background_costs_nothing(desk: ServedDesk, open_tab: OpenTab) -> None:
    """A tab that nobody looks at holds no connection and causes no polls, and catches up when it is looked at."""
    page = open_tab()
    start_session(page, desk, PROMPT)
    expect(page.locator("#connection")).to_have_text("Live")
    turn_to(page, is_hidden=True)
    for _ in range(100):
        if desk.heygen.statistics().watchers == 0:
            break
        page.wait_for_timeout(50)
    polls = desk.heygen.statistics().polls
    page.wait_for_timeout(1_500)  # long enough for the storyboard
    assert (polls, "Thinking") == (desk.heygen.statistics().polls, pill(page).inner_text())
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


def test_a_link_that_expired_is_renewed(desk: ServedDesk, open_tab: OpenTab) -> None:
    """A video whose link ran out while the page was open is loaded again by a fresh one, without a word."""
    page = open_tab()
    start_session(page, desk, PROMPT)
    page.get_by_role("button", name="Approve and render").click()
    is_playable(page)
    asked = desk.agent.ledger.requests["media"].total()
    page.evaluate("document.querySelector('#video').dispatchEvent(new Event('error'))")
    is_playable(page)
    until(page, "document.querySelector('#video').src.includes('again=')")
    expect(page.locator("#video")).to_have_js_property("readyState", 4)

    assert desk.agent.ledger.requests["media"].total() > asked
