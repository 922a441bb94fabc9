"""Sessions found again, read, listed, and talked with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from flows import Canned, Line, all_of, client, pass_time
from heygen_async import HeyGen, InvalidArgument, NotFound, SessionStatus
from heygen_async.testing import Scenario, Simulator

PROMPT = "An espresso machine"
STORYBOARD = "Here is the storyboard. Shall I go ahead?"

# -- found again --


async def test_attach_asks_nobody(heygen: HeyGen, service: Simulator) -> None:
    """A handle of a session made elsewhere costs no request."""
    session = heygen.sessions.attach("sess_elsewhere")

    assert ("sess_elsewhere", None, None) == (session.id, session.state, session.mode)
    assert 0 == service.ledger.total_requests


@pytest.mark.parametrize("session_id", ["", ".", "..", None])
async def test_attach_refuses_what_is_no_id(heygen: HeyGen, session_id: Any) -> None:
    """What no path can carry is refused at once."""
    with pytest.raises(InvalidArgument, match="session_id"):
        heygen.sessions.attach(session_id)


@pytest.mark.parametrize("session_id", ["a/b", "a b?é", "a%2fb", "../a", "a\\b#", "a\nb"])
async def test_any_id_of_the_service_goes_round(heygen: HeyGen, line: Line, session_id: str) -> None:
    """A session with an odd id is attached and restored, and its reads are escaped to one segment of the path."""
    session = heygen.sessions.restore(heygen.sessions.attach(session_id).ref())
    with pytest.raises(NotFound):
        await session.refresh()

    assert session_id == session.id
    assert f"/v3/video-agents/{quote(session_id, safe='')}" == line.sent[-1].path


async def test_attached_session_goes_on(heygen: HeyGen, service: Simulator) -> None:
    """An attached session is watched, answered and brought to its video like one's own."""
    made = await heygen.sessions.create(PROMPT)
    async with client(service) as other:
        session = other.sessions.attach(made.id)
        await session.wait()
        await session.approve()

        assert (await session.video()).is_downloadable
    assert 1 == len(service.ledger.creates)


async def test_ref_goes_on_in_another_process(heygen: HeyGen, service: Simulator) -> None:
    """A ref brings mode and state along, and what was told before is not told again."""
    session = await heygen.sessions.create(PROMPT)
    told = (await session.wait()).new_messages
    ref = session.ref()
    await session.send("Warmer, please")
    async with client(service) as other:
        restored = other.sessions.restore(ref)
        known = restored.state
        state = await restored.wait()

    assert [PROMPT, STORYBOARD] == [message.content for message in told]
    assert ("chat", session.id) == (restored.mode, restored.id)
    assert known is not None
    assert SessionStatus.REVIEWING == known.status
    assert ["Warmer, please", STORYBOARD] == [message.content for message in state.new_messages]


async def test_ref_is_plain_and_holds_no_secret(heygen: HeyGen) -> None:
    """A ref is JSON that may be stored anywhere: no key, no address, no words of the conversation."""
    session = await heygen.sessions.create(PROMPT, mode="generate")
    video = await session.video()
    ref = session.ref()

    told = json.loads(ref)
    assert (session.id, video.id) == (told["session_id"], told["video_id"])
    assert not any(secret in ref for secret in (b"test-key", b"http", b"Shall I", b"is ready"))


@pytest.mark.parametrize("ref", [b"", b"{}", b"[]", b'{"v": 99, "session_id": "s"}', b'{"v": 1}', b"\xff"])
async def test_restore_refuses_what_is_no_ref(heygen: HeyGen, ref: bytes) -> None:
    """Bytes that are not a ref are refused by name."""
    with pytest.raises(InvalidArgument, match="ref"):
        heygen.sessions.restore(ref)


# -- listed --


@pytest.mark.parametrize(("page_size", "pages"), [(10, 3), (None, 2), (100, 1), (25, 1)])
async def test_list_goes_over_all_pages(
    heygen: HeyGen, service: Simulator, page_size: int | None, pages: int
) -> None:
    """The list yields every session once, newest first, and reads no page too many."""
    made = [(await heygen.sessions.create(f"{PROMPT} {number}")).id for number in range(25)]
    listed = [summary.session_id for summary in await all_of(heygen.sessions.list(page_size=page_size))]

    assert made[::-1] == listed
    assert pages == service.ledger.requests["list"][200]


async def test_list_reads_pages_as_needed(heygen: HeyGen, service: Simulator) -> None:
    """Who stops early pays for the first page only."""
    for number in range(25):
        await heygen.sessions.create(f"{PROMPT} {number}")
    async for _ in heygen.sessions.list(page_size=5):
        break

    assert 1 == service.ledger.requests["list"][200]


@pytest.mark.parametrize(
    ("next_tokens", "pages"),
    [
        pytest.param(["a", "a", "a", "a"], 2, id="same"),
        pytest.param(["a", "b", "a", "b"], 3, id="circle"),
        pytest.param(["", "x"], 1, id="empty"),
        pytest.param([None, "x"], 1, id="null"),
    ],
)
async def test_list_ends_where_tokens_lead_nowhere(next_tokens: list[str | None], pages: int) -> None:
    """A service that says there is more but repeats its token, or gives none, does not hold the list for ever."""
    bodies = [
        {"data": [{"session_id": f"s{place}", "created_at": 1}], "has_more": True, "next_token": token}
        for place, token in enumerate(next_tokens)
    ]
    async with HeyGen(api_key="k", http=Canned(bodies)) as heygen:
        listed = [summary.session_id for summary in await all_of(heygen.sessions.list())]

    assert [f"s{place}" for place in range(pages)] == listed


# -- read --


async def test_refresh_reads_once(heygen: HeyGen, service: Simulator) -> None:
    """A refresh is one GET and brings the newest state."""
    session = await heygen.sessions.create(PROMPT)
    await pass_time(30)
    state = await session.refresh()

    assert SessionStatus.REVIEWING == state.status
    assert state is session.state
    assert 1 == service.ledger.polls[session.id]


async def test_unknown_session(heygen: HeyGen) -> None:
    """A session the service does not know is `NotFound`, read or watched."""
    session = heygen.sessions.attach("sess_unknown")
    with pytest.raises(NotFound):
        await session.refresh()
    with pytest.raises(NotFound):
        await session.wait()


async def test_resources_come_once_each(heygen: HeyGen, service: Simulator) -> None:
    """All pictures of all storyboards so far are fetched once each, in the order of the conversation."""
    session = await heygen.sessions.create(PROMPT)
    await session.wait()
    await session.send("Warmer, please")
    state = await session.wait()
    resources = await session.resources()

    shown = [name for message in reversed(state.messages) for name in message.resource_ids or ()]
    assert 6 == len(shown)
    assert shown == [resource.resource_id for resource in resources]
    assert 6 == service.ledger.requests["resource"].total()
    assert all(resource.url for resource in resources)


async def test_resource_named_twice_is_fetched_once() -> None:
    """A resource that several messages refer to comes once, where it was first shown."""
    messages = [
        {"role": "model", "content": text, "type": "resource", "created_at": at, "resource_ids": names}
        for text, at, names in (("Both again", 3, ["a", "b"]), ("One", 2, ["b"]))
    ]
    session = {"session_id": "s", "status": "reviewing", "created_at": 1, "messages": messages}
    resources = [{"resource_id": name, "resource_type": "image"} for name in ("b", "a")]
    async with HeyGen(api_key="k", http=Canned([{"data": data} for data in (session, *resources)])) as heygen:
        found = await heygen.sessions.attach("s").resources()

    assert ["b", "a"] == [resource.resource_id for resource in found]


async def test_resources_of_an_attached_session(heygen: HeyGen, service: Simulator) -> None:
    """A handle that has read nothing yet reads the session first."""
    made = await heygen.sessions.create(PROMPT)
    await made.wait()
    async with client(service) as other:
        assert 3 == len(await other.sessions.attach(made.id).resources())


async def test_one_resource(heygen: HeyGen) -> None:
    """One resource is resolved by its id; an unknown one is `NotFound`."""
    session = await heygen.sessions.create(PROMPT)
    state = await session.wait()
    name = next(iter(state.messages[0].resource_ids or ()))

    assert name == (await session.resource(name)).resource_id
    with pytest.raises(NotFound):
        await session.resource("res_unknown")


# -- videos --


async def test_video_after_a_revision_is_the_new_one(
    heygen: HeyGen, service: Simulator, tmp_path: Path
) -> None:
    """After a revision of a completed session `video()` waits for the new video, and `videos()` lists it first."""
    session = await heygen.sessions.create(PROMPT)
    await session.wait()
    await session.approve()
    first = await session.video()
    await session.send("The same, but shorter")
    await session.wait()
    await session.approve()
    second = await session.video()
    listed = await all_of(session.videos())

    assert second.id != first.id
    assert [second.id, first.id] == [video.id for video in listed]
    assert [first.id, second.id] == service.ledger.billed
    assert (await listed[1].download(tmp_path)).is_file()


async def test_old_video_is_not_taken_for_the_revision(heygen: HeyGen, service: Simulator) -> None:
    """When the service still says `completed` right after a revision, the old video is not returned as the new."""
    service.script(Scenario.generate())
    session = await heygen.sessions.create(PROMPT)
    first = await session.video()
    service.faults.add("stale_status", on="send", polls=3)
    await session.send("The same, but shorter")

    assert first.id != (await session.video()).id


async def test_video_waits_for_its_file(heygen: HeyGen, service: Simulator) -> None:
    """A session may be completed before its video has a file; the video comes when it can be downloaded."""
    service.script(Scenario.generate().with_lag(video=120, url=30))
    session = await heygen.sessions.create(PROMPT, mode="generate")
    await session.wait()
    assert "processing" == (await all_of(session.videos()))[0].status
    video = await session.video()

    assert video.is_downloadable


async def test_download_gives_no_key_away(line: Line, heygen: HeyGen, tmp_path: Path) -> None:
    """The file is fetched without the credential."""
    session = await heygen.sessions.create(PROMPT, mode="generate")
    await (await session.video()).download(tmp_path / "v.mp4")

    assert [] == line.service.ledger.key_leaks
    assert 1 == line.service.ledger.requests["media"][200]


async def test_restored_right_after_an_approval(service: Simulator) -> None:
    """A ref taken after a send remembers it: the pause from before is not told again in the next process."""
    async with client(service) as heygen:
        session = await heygen.sessions.create("A film")
        await session.wait()
        service.faults.add("stale_status", on="send", polls=3)
        await session.approve()
        ref = session.ref()
    async with client(service) as heygen:
        state = await heygen.sessions.restore(ref).wait()

    assert "completed" == state.status
