"""`files=` with files of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from files.film import PNG, film, noise
from heygen_async import AssetId, HeyGen, InvalidArgument, Unauthorized, UploadError
from heygen_async.testing import MemoryTransport, Simulator

if TYPE_CHECKING:
    import pathlib

    from heygen_async.testing import SimulatorServer


def picture(folder: pathlib.Path, name: str, seed: int = 1) -> pathlib.Path:
    """Make a picture."""
    path = folder / name
    path.write_bytes(PNG + noise(1000, seed))
    return path


def attached(service: Simulator) -> list[str]:
    """The names of the files of the newest session or message, in order."""
    session = service._state.session_order[-1]
    urls = [str(item.url) for item in session.uploads]
    return [service._state.assets[url.rpartition("/")[2]].name for url in urls]


async def test_paths_are_uploaded_in_order(
    heygen: HeyGen, service: Simulator, tmp_path: pathlib.Path
) -> None:
    """Files of this machine are uploaded first and named in the order they were given."""
    paths = [picture(tmp_path, f"{number}.png", number) for number in range(9)]
    uploaded = await heygen.assets.upload(picture(tmp_path, "first.png", 99))
    await heygen.sessions.create("Make it", files=[uploaded, *paths])

    assert ["first.png", *(path.name for path in paths)] == attached(service)


async def test_messages_take_paths_too(heygen: HeyGen, service: Simulator, tmp_path: pathlib.Path) -> None:
    """A message may bring files as a session does."""
    film(service)  # a session that has finished long ago takes messages at once
    service._state.session_order[-1].mode = "chat"
    session = heygen.sessions.attach(service.ledger.sessions[-1])
    await session.send("Like this", files=[picture(tmp_path, "like.png")])

    assert ["like.png"] == attached(service)


async def test_same_content_is_uploaded_once(
    heygen: HeyGen, service: Simulator, tmp_path: pathlib.Path
) -> None:
    """The same bytes are uploaded once per client, under whatever names and however often."""
    logo, copy = picture(tmp_path, "logo.png"), picture(tmp_path, "copy.png")
    for _ in range(2):
        await heygen.sessions.create("Make it", files=[logo, copy, logo])

    assert 1 == service.ledger.requests["asset_upload"][200]


async def test_deleted_file_is_uploaded_again(
    heygen: HeyGen, service: Simulator, tmp_path: pathlib.Path
) -> None:
    """What was deleted at the service is not believed to be there."""
    logo = picture(tmp_path, "logo.png")
    await heygen.sessions.create("Make it", files=[logo])
    await heygen.assets.delete(next(iter(service._state.assets)))
    await heygen.sessions.create("Make it again", files=[logo])

    assert 2 == service.ledger.requests["asset_upload"][200]


async def test_failed_upload_makes_no_session(
    heygen: HeyGen, service: Simulator, tmp_path: pathlib.Path
) -> None:
    """If one file fails nothing is created, and the error says which one it was."""
    bad = tmp_path / "notes.txt"
    bad.write_text("text")
    with pytest.raises(UploadError, match=r"files\[1\].*notes\.txt"):
        await heygen.sessions.create("Make it", files=[picture(tmp_path, "a.png"), bad])

    assert [] == service.ledger.sessions


async def test_refused_upload_makes_no_session(
    heygen: HeyGen, service: Simulator, tmp_path: pathlib.Path
) -> None:
    """A file the service refuses is named, with the service's reason."""
    service.faults.add("error_500", on="asset_upload", times=None)
    with pytest.raises(UploadError, match=r"files\[0\].*a\.png.*500"):
        await heygen.sessions.create("Make it", files=[picture(tmp_path, "a.png")])

    assert [] == service.ledger.sessions


async def test_refused_credential_is_not_about_a_file(
    server: SimulatorServer, tmp_path: pathlib.Path
) -> None:
    """A wrong key is reported as a wrong key."""
    async with HeyGen("wrong", base_url=server.url) as heygen:
        with pytest.raises(Unauthorized):
            await heygen.sessions.create("Make it", files=[picture(tmp_path, "a.png")])


@pytest.mark.parametrize(
    "wrong", [{"prompt": ""}, {"orientation": "round"}, {"files": 21}], ids=["prompt", "option", "too many"]
)
async def test_other_mistakes_are_found_before_anything_is_uploaded(
    heygen: HeyGen, service: Simulator, tmp_path: pathlib.Path, wrong: dict[str, Any]
) -> None:
    """A call that would be refused for another reason uploads nothing."""
    files = [picture(tmp_path, "a.png")] * wrong.pop("files", 1)
    with pytest.raises(InvalidArgument):
        await heygen.sessions.create(wrong.pop("prompt", "Make it"), files=files, **wrong)

    assert 0 == service.ledger.total_requests


async def test_at_most_four_at_a_time(tmp_path: pathlib.Path) -> None:
    """Twenty files are uploaded side by side, four at a time."""
    service = Simulator()
    line = MemoryTransport(service, latency=0.02)
    async with HeyGen(service.api_key, base_url=service.base_url, http=line) as heygen:
        files = [picture(tmp_path, f"{number}.png", number) for number in range(20)]
        await heygen.sessions.create("Make it", files=files)

    assert 4 == line.max_in_flight
    assert 20 == len(service._state.assets)


async def test_asset_goes_by_its_id(heygen: HeyGen, service: Simulator) -> None:
    """An uploaded asset can be given as it is or by its id."""
    asset = await heygen.assets.upload(PNG + b"x", filename="logo.png")
    await heygen.sessions.create("Make it", files=[asset, AssetId(asset_id=asset.id)])

    assert ["logo.png", "logo.png"] == attached(service)
