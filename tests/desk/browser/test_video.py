"""From the prompt to the video in a real browser, and what may go wrong on the way."""

from __future__ import annotations

import pathlib

import pytest
from playwright.sync_api import expect

from desk.browser.served import (
    PROMPT,
    OpenTab,
    ServedDesk,
    is_playable,
    pill,
    start_session,
    until,
)
from heygen_async.testing import Line, Scenario, Step

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script></title><b>bold</b>'


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
