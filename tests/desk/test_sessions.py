"""What a person at the desk can do with a session."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from desk.conftest import SETTINGS
from heygen_async import _clock
from heygen_async.testing import Scenario, Simulator
from review_desk.settings import Settings

if TYPE_CHECKING:
    from desk.conftest import OpenDesk
    from desk.visitor import JSON, Visitor

PROMPT = "A tour of our bakery"
HOSTILE = "<img src=x onerror=alert(1)> </script><b>&amp;"


async def created(visitor: Visitor, prompt: str = PROMPT, form: str = "a-form") -> str:
    """Start a session; return where its page is."""
    answer = await visitor.post("/sessions", {"form": form, "prompt": prompt, "orientation": "landscape"})
    assert 201 == answer.status, answer.body
    url: str = answer.json["url"]
    return url


def has_video(event: JSON) -> bool:
    """Whether the page can play a video."""
    return event["video"] is not None


async def test_a_session_is_made_reviewed_and_played(visitor: Visitor, service: Simulator) -> None:
    """From the prompt over a revision and the approval to the video, all on one page that is never loaded again."""
    url = await created(visitor)
    async with visitor.watch(f"{url}/events") as page:
        review = await page.until(status="reviewing")
        assert 3 == len(review["messages"][-1]["pictures"])
        assert 204 == (await visitor.post(f"{url}/messages", {"message": "Warmer, please"})).status
        page.events.clear()
        await page.until(can_approve=True)
        assert 204 == (await visitor.post(f"{url}/approve")).status
        done = await page.when(has_video)
    video = await visitor.get(done["video"])

    assert (307, True) == (video.status, video.headers["location"].startswith(service.storage.url))
    assert [PROMPT, "Warmer, please"] == [
        said["text"] for said in done["messages"] if said["role"] == "user"
    ][:2]
    assert 1 == len(service.ledger.billed)


async def test_a_picture_has_an_address_that_stays(visitor: Visitor) -> None:
    """The desk's own address of a picture leads to the service's newest link."""
    url = await created(visitor)
    async with visitor.watch(f"{url}/events") as page:
        review = await page.until(status="reviewing")
    picture = await visitor.get(review["messages"][-1]["pictures"][0])

    assert 307 == picture.status
    assert picture.headers["location"].endswith(".png")


async def test_the_list_shows_sessions_as_they_come_and_move(visitor: Visitor) -> None:
    """An open list shows a session made by somebody else, and each step of it."""
    async with visitor.watch("/events") as rows:
        await created(visitor)
        await rows.until(title=PROMPT, status="thinking")
        await rows.until(title=PROMPT, status="reviewing", label="Ready for review")

    assert [0, 1] == [len(event["ids"]) for event in rows.events if event["ids"] is not None]


async def test_whoever_comes_later_sees_everything(visitor: Visitor) -> None:
    """A browser that connects, or connects again, is first told the whole state."""
    url = await created(visitor)
    async with visitor.watch(f"{url}/events") as page:
        await page.until(status="reviewing")
    async with visitor.watch(f"{url}/events") as page, visitor.watch("/events") as rows:
        await page.until(status="reviewing")
        await rows.until(status="reviewing")

    assert 2 == len(page.events[0]["messages"])
    assert [url.rpartition("/")[2]] == rows.events[0]["ids"]


async def test_a_page_that_is_opened_again_goes_on(visitor: Visitor) -> None:
    """Going from the list to a session's page, which is in no tab for a moment, does not stop the polls."""
    url = await created(visitor)
    for path in ("/events", f"{url}/events", "/events"):
        async with visitor.watch(path) as stream:
            await stream.until(status="thinking")
        await _clock.sleep(0.1)
    async with visitor.watch(f"{url}/events") as page:
        await page.until(status="reviewing")


@pytest.mark.parametrize("together", [True, False], ids=["at once", "one after the other"])
async def test_a_form_sent_twice_makes_one_session(
    visitor: Visitor, service: Simulator, together: bool
) -> None:
    """Two clicks, or a form that is sent again, are paid for once."""
    if together:
        async with asyncio.TaskGroup() as clicks:
            tasks = [clicks.create_task(created(visitor)) for _ in range(3)]
        urls = [task.result() for task in tasks]
    else:
        urls = [await created(visitor) for _ in range(3)]

    assert 1 == len(set(urls)) == len(service.ledger.creates)


async def test_another_prompt_in_the_same_form_makes_another(visitor: Visitor, service: Simulator) -> None:
    """Going back, changing the words and sending makes a new session."""
    assert await created(visitor) != await created(visitor, "A tour of our mill")


async def test_words_are_never_markup(visitor: Visitor) -> None:
    """Hostile words come to the page as they were written, and its HTML has them escaped."""
    url = await created(visitor, HOSTILE)
    async with visitor.watch(f"{url}/events") as page:
        review = await page.until(status="reviewing")
    html = (await visitor.get(url)).body.decode()

    assert HOSTILE == review["messages"][0]["text"]
    assert "<img src=x" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html


async def test_a_failure_is_told_with_its_reason(visitor: Visitor, service: Simulator) -> None:
    """A session that fails says why, and takes no more messages."""
    service.script(Scenario.failing("thinking", mode="chat"))
    url = await created(visitor)
    async with visitor.watch(f"{url}/events") as page:
        failed = await page.until(status="failed")

    assert "The narration could not be synthesized." == failed["failure"]
    assert (False, False, False) == (failed["can_send"], failed["can_approve"], failed["can_stop"])


async def test_a_session_can_be_stopped(visitor: Visitor, service: Simulator) -> None:
    """Stop asks the service to end the run."""
    url = await created(visitor)
    assert 204 == (await visitor.post(f"{url}/stop")).status

    assert service.ledger.sessions == service.ledger.stops


async def test_a_finished_session_can_be_revised(visitor: Visitor) -> None:
    """A message to a completed session starts it again, and the page follows on to the next video."""
    url = await created(visitor)
    async with visitor.watch(f"{url}/events") as page:
        await page.until(status="reviewing")
        await visitor.post(f"{url}/approve")
        first = await page.when(has_video)
        await visitor.post(f"{url}/messages", {"message": "A warmer voice, please"})
        page.events.clear()
        await page.until(can_approve=True, video=None)
        await visitor.post(f"{url}/approve")
        second = await page.when(has_video)

    assert first["video"] != second["video"]


async def test_attachments_reach_the_agent(visitor: Visitor, service: Simulator) -> None:
    """Files of the form are uploaded and go with the prompt."""
    picture = b"\x89PNG\r\n\x1a\n" + bytes(64)
    parts = [
        b'Content-Disposition: form-data; name="form"\r\n\r\na-form',
        b'Content-Disposition: form-data; name="prompt"\r\n\r\nA tour',
        b'Content-Disposition: form-data; name="files"; filename="oven.png"\r\nContent-Type: image/png\r\n\r\n'
        + picture,
    ]
    body = b"".join(b"--limit\r\n" + part + b"\r\n" for part in parts) + b"--limit--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=limit", "sec-fetch-site": "same-origin"}
    answer = await visitor.ask("POST", "/sessions", headers, body)
    async with visitor.watch(f"{answer.json['url']}/events") as page:
        review = await page.until(status="reviewing")

    assert 1 == service.ledger.requests["asset_upload"][200]
    assert 1 == len(review["messages"][0]["pictures"])


async def test_who_approved_is_the_sign_in_s_word(open_desk: OpenDesk) -> None:
    """Behind a sign-in nobody approves in another's name."""
    settings = Settings(hosts=SETTINGS.hosts, user_header="x-forwarded-user")
    async with open_desk(settings) as visitor:
        url = await created(visitor)
        async with visitor.watch(f"{url}/events") as page:
            await page.until(status="reviewing")
            await visitor.post(
                f"{url}/approve", {"by": "Somebody else"}, {"x-forwarded-user": "ann@example.test"}
            )
            await page.until(approved_by="ann@example.test")


async def test_a_session_at_work_is_not_deleted(visitor: Visitor) -> None:
    """What the agent works on has to be stopped first, also where nobody has looked at it."""
    url = await created(visitor)
    refused = await visitor.post(f"{url}/delete")
    await _clock.sleep(600)  # it has paused since, and no page has told the desk
    deleted = await visitor.post(f"{url}/delete")

    assert (409, 200) == (refused.status, deleted.status)
    assert "Stop it first" in refused.json["error"]
    assert 404 == (await visitor.get(url)).status


async def test_a_stopped_session_that_goes_on_is_not_stopped(visitor: Visitor) -> None:
    """A session that is stopped says that it is ending, then that it was stopped; another message ends that."""
    url = await created(visitor)
    async with visitor.watch(f"{url}/events") as page:
        await page.until(status="reviewing")
        await visitor.post(f"{url}/approve")
        await page.when(has_video)
        await visitor.post(f"{url}/messages", {"message": "Warmer, please"})
        await visitor.post(f"{url}/stop")
        await page.until(label="Stopping", can_stop=False)
        page.events.clear()
        await page.until(label="Completed")
