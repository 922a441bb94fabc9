"""The form for a new session: what there is to choose from, files that are dropped on it, and what it costs."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from desk.browser.served import LOCAL, PROMPT, OpenTab, ServedDesk, start_session, until
from heygen_async.testing import Simulator
from review_desk.settings import Settings

pytestmark = pytest.mark.browser

DROP = """([name, bytes]) => {
    const files = new DataTransfer();
    files.items.add(new File([new Uint8Array(bytes)], name));
    const drop = document.querySelector("#drop");
    for (const type of ["dragover", "drop"]) {
        drop.dispatchEvent(new DragEvent(type, { dataTransfer: files, cancelable: true, bubbles: true }));
    }
}"""
SOUND = [0x49, 0x44, 0x33, 4, 0, 0, 0, 0, 0, 0, *[0] * 400]


def test_avatar_voice_and_style_are_chosen_by_their_pictures(desk: ServedDesk, open_tab: OpenTab) -> None:
    """The catalogue's avatars and styles are there with pictures; what is chosen reaches the agent and the page."""
    page = open_tab()
    page.goto(desk.url)
    page.get_by_label("What is the video about?").fill(PROMPT)
    page.get_by_text("Avatar, voice and style").click()
    avatar = page.get_by_role("group", name="Avatar").get_by_label("Look 2", exact=True)
    avatar.check(force=True)
    until(
        page,
        "[...document.querySelectorAll('.choice-card img')].slice(0, 3).every((one) => one.naturalWidth)",
    )
    page.get_by_label("Voice", exact=True).select_option("voice_3")
    page.get_by_role("group", name="Style").get_by_label("Style 5", exact=True).check(force=True)
    page.get_by_role("button", name="Start session").click()
    page.wait_for_url("**/sessions/*")

    expect(page.locator(".brief dd").first).to_have_text(re.compile("Look 2 · Voice 3 · .* · Style 5"))
    [create] = desk.agent.ledger.creates
    assert ("look_2", "voice_3", "style_5") == tuple(
        create.fields[name] for name in ("avatar_id", "voice_id", "style_id")
    )


def test_a_catalogue_that_cannot_be_read_does_not_stop_anybody(desk: ServedDesk, open_tab: OpenTab) -> None:
    """When there is nothing to choose from the form says why, tries again when asked, and works all the same."""
    page = open_tab()
    desk.agent.faults.add("forbidden", on="looks", times=1)
    page.goto(desk.url)
    page.get_by_text("Avatar, voice and style").click()
    expect(page.locator("#no-choices")).to_contain_text("does not accept")
    page.get_by_text("Avatar, voice and style").click()
    page.get_by_text("Avatar, voice and style").click()
    expect(page.get_by_role("group", name="Avatar").get_by_role("radio")).not_to_have_count(0)
    expect(page.locator("#no-choices")).to_be_hidden()


def test_files_are_dropped_and_their_upload_is_shown(desk: ServedDesk, open_tab: OpenTab) -> None:
    """What is dropped on the form is listed, its upload has a bar, and it goes with the prompt."""
    page = open_tab()
    page.goto(desk.url)
    page.evaluate(
        """new MutationObserver(([change]) => (window.wasShown = !change.target.hidden || window.wasShown))
            .observe(document.querySelector("#upload"), { attributes: true })"""
    )
    page.get_by_label("What is the video about?").fill(PROMPT)
    page.evaluate(DROP, ["jingle.mp3", SOUND])
    page.evaluate(DROP, ["second.mp3", [*SOUND, 1]])
    expect(page.locator("#chosen li")).to_have_text([re.compile("jingle.mp3"), re.compile("second.mp3")])
    desk.agent.faults.add("payment_required", on="create", times=1)
    page.get_by_role("button", name="Start session").click()
    expect(page.locator("#create .problem")).to_contain_text("no credit left")
    assert page.evaluate("window.wasShown")
    expect(page.locator("#upload")).to_be_hidden()
    page.get_by_role("button", name="Start session").click()
    page.wait_for_url("**/sessions/*")
    expect(page.locator(".message .picture")).to_have_count(2)


def test_an_upload_error_names_the_file(desk: ServedDesk, open_tab: OpenTab) -> None:
    """Of several files the one that cannot be used is named beside the form."""
    page = open_tab()
    page.goto(desk.url)
    page.get_by_label("What is the video about?").fill(PROMPT)
    page.evaluate(DROP, ["jingle.mp3", SOUND])
    page.evaluate(DROP, ["menu.png", list(b"no picture")])
    page.get_by_role("button", name="Start session").click()
    expect(page.locator("#create .problem")).to_contain_text("'menu.png'")


def test_ones_own_title_stays(desk: ServedDesk, open_tab: OpenTab) -> None:
    """A session is called what its maker called it, and the prompt stays in view, whatever the service makes of it."""
    page, rows = open_tab(), open_tab()
    rows.goto(desk.url)
    page.goto(desk.url)
    page.get_by_label("What is the video about?").fill(PROMPT.replace(" intro", "\nintro"))
    page.get_by_label("Title (optional)").fill("Spring campaign")
    page.get_by_role("button", name="Start session").click()
    page.wait_for_url("**/sessions/*")
    expect(page.locator("#service-title")).to_contain_text("A 30-second intro")
    expect(page.locator("h1")).to_have_text("Spring campaign")
    expect(page.locator(".brief-prompt")).to_have_text(PROMPT)
    expect(rows.locator(".row-title")).to_have_text("Spring campaign")
    expect(rows.locator(".row-service-title")).to_contain_text("A 30-second intro")


@pytest.mark.parametrize(("is_simulated", "badge"), [(True, "Simulated"), (False, "Paid")])
def test_every_page_says_whether_it_costs(open_tab: OpenTab, *, is_simulated: bool, badge: str) -> None:
    """A badge tells a desk that costs nothing from one that does, and what is left to spend is beside it."""
    agent = Simulator(speed=40)
    page = open_tab()
    with ServedDesk(Settings(media=LOCAL.media, is_simulated=is_simulated), agent) as desk:
        start_session(page, desk, PROMPT)
        for url in (page.url, desk.url):
            page.goto(url)
            expect(page.locator(".badge")).to_have_text(badge)
            expect(page.locator("#balance")).to_have_text("Balance 12.50 USD")
