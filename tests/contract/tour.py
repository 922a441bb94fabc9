"""Everything the client can do, done once over a line that keeps every exchange."""

from __future__ import annotations

import functools
import pathlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import structs

from contract.book import Exchange
from heygen_async import HeyGen
from heygen_async.errors import InvalidRequest, NotFound
from heygen_async.models import AssetBase64, AssetId, AssetUrl, Reply, SessionState
from heygen_async.testing import MemoryAnswer, MemoryTransport, Scenario, Simulator, run

if TYPE_CHECKING:
    from heygen_async import Session, Video
    from heygen_async._http.transport import Request

PDF = b"%PDF-1.4\n%%EOF\n"  # text, since some proxies read a form as text
LARGE = PDF + bytes(33_000_000)


class Keeper(MemoryTransport):
    """The way to the service, with a copy of all that went over it."""

    def __init__(self, service: Simulator) -> None:
        super().__init__(service, latency=0.0)
        self.kept: list[Exchange] = []

    async def send(self, request: Request) -> MemoryAnswer:  # type: ignore[override]
        """Keep a copy and pass it on."""
        body = request.body
        if body is not None and not isinstance(body, bytes):
            body = b"".join([bytes(piece) async for piece in body])
        answer = await super().send(structs.replace(request, body=body))
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.kept.append(Exchange(request.method, request.url, headers, body, answer.status, answer.body))
        return answer


async def drain(items: AsyncIterator[object]) -> list[object]:
    """All items."""
    return [item async for item in items]


async def catalog(heygen: HeyGen) -> None:
    """Every list, with and without its filters."""
    for bare in (
        heygen.styles.list(),
        heygen.avatars.list(),
        heygen.avatars.looks(),
        heygen.voices.list(),
        heygen.brand_kits.list(),
        heygen.brand_glossaries.list(),
    ):
        await drain(bare)
    await drain(heygen.styles.list(tag="cinematic", page_size=1))
    await drain(heygen.avatars.list(ownership="private", page_size=1))
    looks = heygen.avatars.looks(
        group_id="grp_1", avatar_type="photo_avatar", ownership="public", page_size=50
    )
    await drain(looks)
    voices = heygen.voices.list(
        type="public", engine="starfish", language="English", gender="female", page_size=1
    )
    await drain(voices)
    await drain(heygen.brand_kits.list(page_size=1))
    await drain(heygen.brand_glossaries.list(page_size=1))
    await heygen.avatars.get("grp_1")
    await heygen.avatars.look("look_1")
    await heygen.voices.get("voice_1")
    await heygen.account.me()


async def files(heygen: HeyGen) -> str:
    """Upload both ways, read, delete; the id of one that is left."""
    small = await heygen.assets.upload(PDF, filename='a "b"\r\nc.pdf')
    large = await heygen.assets.upload(LARGE, filename="large.pdf")
    await heygen.assets.get(small.id)
    await heygen.assets.delete(large.id)
    return small.id


async def conversation(heygen: HeyGen, asset_id: str) -> Session:
    """A chat with every option, a question, a revision and an approval."""
    attachments = (
        AssetId(asset_id=asset_id),
        AssetUrl(url="https://example.test/a.png"),
        AssetBase64(media_type="image/png", data="iVBORw0KGgo="),
        "https://example.test/b.png",
    )
    session = await heygen.sessions.create(
        "An espresso machine, “très chic” ☕",
        mode="chat",
        avatar_id="look_1",
        voice_id="voice_1",
        style_id="style_1",
        brand_kit_id="bk_1",
        brand_glossary_id="gloss_1",
        orientation="portrait",
        files=attachments,
        incognito_mode=True,
        callback_url="https://example.test/hook",
        callback_id="mine",
        idempotency_key="my:key_1.a-b",
    )
    await session.wait()
    await session.send(
        "Warmer", avatar_id="look_1", voice_id="voice_1", brand_kit_id="bk_1", files=attachments
    )
    await session.wait()
    await session.resources()
    await session.approve()
    return session


async def reviewed(heygen: HeyGen) -> None:
    """A chat in the hands of a reviewer, found again by its id and by its ref."""
    session = await heygen.sessions.create("Another")
    again = heygen.sessions.restore(heygen.sessions.attach(session.id).ref())

    def review(_: Session, state: SessionState) -> Reply:
        return Reply(message="Looks good, go ahead.")

    await again.converse(review)
    await drain(again.videos())
    await drain(heygen.sessions.list(page_size=1))


async def films(heygen: HeyGen, film: Video, folder: pathlib.Path) -> None:
    """What can be done with videos."""
    await film.download(folder)
    await heygen.videos.get(film.id)
    await heygen.videos.statuses([film.id, "unknown"])
    await drain(heygen.videos.list())
    await drain(heygen.videos.list(title="a & b", folder_id="folder/1", page_size=1))
    await heygen.videos.delete(film.id)


async def webhooks(heygen: HeyGen) -> None:
    """What can be done with webhooks."""
    endpoints = heygen.webhooks.endpoints
    await endpoints.create("https://example.test/all")
    made = await endpoints.create(
        "https://example.test/some?a=b", events=["video_agent.success"], entity_id="entity_1"
    )
    await endpoints.update(made.endpoint_id, url="https://example.test/moved")
    await endpoints.update(made.endpoint_id, events=["video_agent.success", "video_agent.fail"])
    await endpoints.rotate_secret(made.endpoint_id)
    await drain(endpoints.list())
    await drain(endpoints.list(page_size=1))
    await endpoints.delete(made.endpoint_id)
    await heygen.webhooks.event_types()
    await drain(heygen.webhooks.events())
    await drain(heygen.webhooks.events(event_type="video_agent.success", entity_id="session_1", page_size=1))


async def refusals(heygen: HeyGen) -> None:
    """Requests the service refuses, correctly sent."""
    for unknown in (
        heygen.videos.get("nope"),
        heygen.sessions.attach("n").refresh(),
        heygen.webhooks.endpoints.delete("n"),
    ):
        with suppress(NotFound):
            await unknown
    with suppress(InvalidRequest):
        await heygen.sessions.create("p", extra={"visibility": "private"})


async def everything(heygen: HeyGen, service: Simulator, folder: pathlib.Path) -> None:
    """The whole tour."""
    await catalog(heygen)
    await webhooks(heygen)
    session = await conversation(heygen, await files(heygen))
    film = await session.video()
    await films(heygen, film, folder)
    service.script(Scenario.question())
    await reviewed(heygen)
    stopped = await heygen.sessions.create("One shot", mode="generate")
    await stopped.stop()
    await refusals(heygen)
    await drain(heygen.webhooks.events())


async def keep_everything(keeper: Keeper, service: Simulator, folder: pathlib.Path) -> None:
    """The whole tour, in one process."""
    async with HeyGen(service.api_key, base_url=service.base_url, http=keeper) as heygen:
        await everything(heygen, service, folder)


@functools.cache
def exchanges() -> tuple[Exchange, ...]:
    """All exchanges of the tour but those with storage, which is no part of the contract."""
    service = Simulator()
    keeper = Keeper(service)
    with tempfile.TemporaryDirectory() as folder:
        run(keep_everything, keeper, service, pathlib.Path(folder))
    return tuple(one for one in keeper.kept if one.path.startswith("/v3/"))
