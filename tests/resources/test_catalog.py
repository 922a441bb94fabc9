"""The read-only lists of the account, and its videos."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from flows import all_of
from heygen_async import HeyGen, InvalidArgument, NotFound
from heygen_async.testing import Simulator

PROMPT = "An espresso machine"


LISTS: dict[str, Callable[[HeyGen, int], AsyncIterator[Any]]] = {
    "styles": lambda heygen, size: heygen.styles.list(page_size=size),
    "avatars": lambda heygen, size: heygen.avatars.list(page_size=size),
    "looks": lambda heygen, size: heygen.avatars.looks(page_size=size),
    "voices": lambda heygen, size: heygen.voices.list(page_size=size),
    "brand_kits": lambda heygen, size: heygen.brand_kits.list(page_size=size),
    "brand_glossaries": lambda heygen, size: heygen.brand_glossaries.list(page_size=size),
    "videos": lambda heygen, size: heygen.videos.list(page_size=size),
    "sessions": lambda heygen, size: heygen.sessions.list(page_size=size),
}


@pytest.mark.parametrize(
    ("name", "count", "page_size", "pages"),
    [
        ("styles", 24, 10, 3),
        ("avatars", 3, 2, 2),
        ("looks", 6, 2, 3),
        ("voices", 28, 20, 2),
        ("brand_kits", 2, 1, 2),
        ("brand_glossaries", 2, 1, 2),
    ],
)
async def test_lists_go_over_all_pages(
    heygen: HeyGen, service: Simulator, name: str, count: int, page_size: int, pages: int
) -> None:
    """Each list yields all its items, page after page."""
    found = await all_of(LISTS[name](heygen, page_size))

    assert count == len(found) == len({item.name for item in found})
    assert pages == service.ledger.requests[name][200]


@pytest.mark.parametrize(
    ("name", "page_size"),
    [
        ("styles", 0),
        ("avatars", 51),
        ("looks", 51),
        ("voices", 101),
        ("brand_kits", -1),
        ("videos", 101),
        ("sessions", 101),
    ],
)
async def test_page_sizes_are_checked_here(
    heygen: HeyGen, service: Simulator, name: str, page_size: int
) -> None:
    """A page size the service would refuse is refused before anything is sent."""
    with pytest.raises(InvalidArgument, match="page_size"):
        await all_of(LISTS[name](heygen, page_size))

    assert 0 == service.ledger.total_requests


async def test_styles_by_tag(heygen: HeyGen) -> None:
    """Styles can be asked for by tag."""
    styles = await all_of(heygen.styles.list(tag="handmade"))

    assert 4 == len(styles)
    assert all("handmade" in (style.tags or ()) for style in styles)
    assert {"16:9"} == {style.aspect_ratio for style in await all_of(heygen.styles.list(tag="cinematic"))}


async def test_avatars_and_their_looks(heygen: HeyGen) -> None:
    """One's own avatars can be told from the presets, and a look's id is the avatar to send."""
    [mine] = await all_of(heygen.avatars.list(ownership="private"))
    looks = await all_of(heygen.avatars.looks(group_id=mine.id))
    photo = await all_of(heygen.avatars.looks(avatar_type="photo_avatar"))

    assert {mine.id} == {look.group_id for look in looks}
    assert {"photo_avatar"} == {look.avatar_type for look in photo}
    session = await heygen.sessions.create(PROMPT, avatar_id=looks[0].id)
    assert session.id


async def test_voices_by_language_and_library(heygen: HeyGen) -> None:
    """Voices can be asked for by language, gender and library."""
    german = await all_of(heygen.voices.list(language="German", gender="female"))
    private = await all_of(heygen.voices.list(type="private"))

    assert german
    assert {("German", "female")} == {(voice.language, voice.gender) for voice in german}
    assert {"private"} == {voice.type for voice in private}


async def test_brand_kits_have_colours(heygen: HeyGen) -> None:
    """A brand kit tells its name and colours."""
    kits = await all_of(heygen.brand_kits.list())

    assert {"Acme", "Roastery"} == {kit.name for kit in kits}
    assert all(kit.colors for kit in kits)


async def test_account(heygen: HeyGen) -> None:
    """The account tells who one is and what is left."""
    user = await heygen.account.me()

    assert "someone@example.test" == user.email
    assert user.wallet is not None
    assert 12.5 == user.wallet.remaining_balance


# -- videos --


async def finished(heygen: HeyGen, count: int) -> list[str]:
    """Make so many videos one after the other; return their ids, oldest first."""
    made: list[str] = []
    for number in range(count):
        session = await heygen.sessions.create(f"Film {number}", mode="generate")
        made.append((await session.video()).id)
    return made


async def test_videos_are_listed_newest_first(heygen: HeyGen, service: Simulator) -> None:
    """The account's videos come page after page, newest first, and by title when asked."""
    made = await finished(heygen, 12)
    listed = await all_of(heygen.videos.list())

    assert made[::-1] == [video.id for video in listed]
    assert 2 == service.ledger.requests["video_list"][200]
    assert [made[7]] == [video.id for video in await all_of(heygen.videos.list(title="Film 7"))]
    assert made[::-1] == [video.id for video in await all_of(heygen.videos.list(page_size=5))]


async def test_video_is_read_and_deleted(heygen: HeyGen) -> None:
    """A video is read with a fresh link, and is gone once deleted."""
    [video_id] = await finished(heygen, 1)
    video = await heygen.videos.get(video_id)

    assert video.is_downloadable
    assert video.completed is not None
    assert video.created is not None
    assert 90 == pytest.approx((video.completed - video.created).total_seconds(), abs=1)
    await heygen.videos.delete(video_id)
    with pytest.raises(NotFound):
        await heygen.videos.get(video_id)


@pytest.mark.parametrize(("count", "requests"), [(0, 0), (1, 1), (100, 1), (101, 2), (250, 3)])
async def test_statuses_of_any_number(heygen: HeyGen, service: Simulator, count: int, requests: int) -> None:
    """Statuses are read a hundred at a time; an id the service does not know is `not_found` and no error."""
    [known] = await finished(heygen, 1)
    before = service.ledger.bulk_requests
    ids = [f"vid_{number}" for number in range(count - 1)] + [known] * bool(count)
    states = await heygen.videos.statuses(ids)

    assert ids == list(states)
    assert requests == service.ledger.bulk_requests - before
    assert count - 1 == sum(state.status == "not_found" for state in states.values()) or not count
    assert not count or "completed" == states[known].status


async def test_statuses_ask_for_each_id_once(heygen: HeyGen, service: Simulator) -> None:
    """An id given many times is asked for once."""
    [known] = await finished(heygen, 1)
    before = service.ledger.bulk_requests
    states = await heygen.videos.statuses(known for _ in range(300))

    assert [known] == list(states)
    assert 1 == service.ledger.bulk_requests - before


@pytest.mark.parametrize("video_id", ["", ".", "..", "a,b"])
async def test_ids_are_checked_here(heygen: HeyGen, service: Simulator, video_id: str) -> None:
    """What is no id is refused before anything is sent."""
    with pytest.raises(InvalidArgument):
        await heygen.videos.statuses([video_id])
    if "," not in video_id:
        with pytest.raises(InvalidArgument):
            await heygen.videos.get(video_id)

    assert 0 == service.ledger.total_requests


async def test_one_look_group_and_voice_are_read_by_id(heygen: HeyGen) -> None:
    """One avatar group, look and voice can be read by their ids."""
    group = await heygen.avatars.get("grp_1")
    look = await heygen.avatars.look("look_1")
    voice = await heygen.voices.get("voice_1")

    assert ("Ann", "grp_1") == (group.name, look.group_id)
    assert ("Voice 1", True) == (voice.name, voice.support_pause)


async def test_a_group_is_no_look(heygen: HeyGen) -> None:
    """The id of a group asked for as a look is `NotFound`, as an unknown voice or group is."""
    for wrong in (heygen.avatars.look("grp_1"), heygen.avatars.get("look_1"), heygen.voices.get("look_1")):
        with pytest.raises(NotFound):
            await wrong


async def test_statuses_of_assets(heygen: HeyGen) -> None:
    """The statuses of any number of assets come by id, 100 a request; an unknown id is `not_found`."""
    asset = await heygen.assets.upload(b"%PDF-1.4 text")
    states = await heygen.assets.statuses([asset.id, *(f"asset_{number}" for number in range(150))])

    assert "completed" == states[asset.id].status
    assert "not_found" == states["asset_7"].status
    assert 151 == len(states)
