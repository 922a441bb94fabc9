"""
The public surface as users write it; never run, only read by type checkers.

`assert_type` pins what an editor shows while a user types. `tests/repository/test_typing.py` fails when a public
name or method is not used here.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import assert_type

import aiohttp

import heygen_async
from heygen_async import (
    Approve,
    Asset,
    AssetBase64,
    AssetId,
    AssetUrl,
    Cadence,
    HeyGen,
    HeyGenError,
    Message,
    Orphan,
    Orphans,
    Outage,
    Reply,
    RequestEvent,
    Resource,
    RetryEvent,
    RetryPolicy,
    SentMessage,
    Session,
    SessionState,
    SessionStatus,
    SessionSummary,
    Statistics,
    Stop,
    Timeouts,
    Transfer,
    TransitionEvent,
    Transport,
    Video,
    VideoState,
    VideoStatus,
    Watch,
)
from heygen_async.cadence import Durations, Expected, PollContext, bounded
from heygen_async.models import (
    AssetState,
    AutoReload,
    AvatarGroup,
    AvatarLook,
    BrandGlossary,
    BrandKit,
    CreditPool,
    File,
    Mode,
    OnProgress,
    Orientation,
    ResourceInfo,
    SessionData,
    Style,
    Subscription,
    SubscriptionCredits,
    TrainingError,
    UsageBased,
    User,
    VideoInfo,
    Voice,
    VoiceDetail,
    Wallet,
)

# ---- the client ---------------------------------------------------------------------------------------------------


def clients(http: aiohttp.ClientSession, transport: Transport) -> list[HeyGen]:
    """Every way to make one."""

    def token() -> str:
        return "token"

    async def fresh_token() -> str:
        return "token"

    def told(event: RequestEvent | TransitionEvent) -> None:
        assert_type(event.elapsed, float)

    async def told_later(event: RetryEvent) -> None:
        assert_type((event.method, event.route, event.attempt), tuple[str, str, int])
        assert_type((event.delay, event.reason, event.error), tuple[float, str, str])

    return [
        HeyGen(),
        HeyGen("a-key"),
        HeyGen(api_key="a-key", base_url="https://api.heygen.com", trust_env=True),
        HeyGen(access_token="a-token", max_connections=10, requests_per_second=2.5, rng=random.Random(7)),
        HeyGen(access_token=token, http=http),
        HeyGen(access_token=fresh_token, http=transport),
        HeyGen(
            timeouts=Timeouts(connect=5, read=30, write=120, transfer=60, watch=None, settle=30, outage=300)
        ),
        HeyGen(retry=RetryPolicy(max_attempts=3, max_elapsed=60, settle="raise")),
        HeyGen(cadence=Cadence.constant(5)),
        HeyGen(on_request=told, on_retry=told_later, on_transition=told),
        HeyGen(cadence=lambda moment: 2.0 if moment.progress < 50 else 1.0),
    ]


async def life_of_a_client() -> None:
    """A client is opened, counted and closed."""
    async with HeyGen() as heygen:
        assert_type(heygen, HeyGen)
        statistics = heygen.statistics()
        assert_type(statistics, Statistics)
        assert_type(statistics.polls, int)
        assert_type(statistics.lateness_p99, float)
    assert_type(await heygen.aclose(), None)
    assert_type(heygen_async.__version__, str)


# ---- sessions -----------------------------------------------------------------------------------------------------


async def sessions(heygen: HeyGen, asset: Asset, mode: Mode, orientation: Orientation) -> None:
    """A session is made, found again, listed."""
    files: list[File] = [
        asset,
        AssetId(asset_id="asset"),
        AssetUrl(url="https://example.com/plan.pdf"),
        AssetBase64(media_type="image/png", data=""),
        Path("plan.pdf"),
        "https://example.com/plan.pdf",
    ]
    session = await heygen.sessions.create(
        "A tour of our bakery",
        mode=mode,
        avatar_id="look",
        voice_id="voice",
        style_id="style",
        brand_kit_id="kit",
        orientation=orientation,
        files=files,
        auto_proceed=True,
        incognito_mode=False,
        callback_url="https://example.com/hook",
        callback_id="mine",
        extra={"new_field": 1},
        idempotency_key="my-key",
    )
    assert_type(session, Session)
    assert_type(heygen.sessions.attach(session.id), Session)
    assert_type(heygen.sessions.restore(session.ref()), Session)
    assert_type(heygen.sessions.orphans, Orphans)
    assert_type(list(heygen.sessions.orphans), list[Orphan])
    heygen.sessions.orphans.discard(session.id)
    assert_type(await heygen.request("GET", "/v3/folders", params={"limit": 10}), dict[str, object])
    await heygen.stop_watching()
    assert_type(heygen.sessions.orphans.pop(), Orphan | None)
    assert_type(heygen.sessions.orphans.drain(), tuple[Orphan, ...])
    assert_type(heygen.sessions.list(page_size=10), AsyncIterator[SessionSummary])
    async for summary in heygen.sessions.list():
        assert_type(summary.title, str | None)
        assert_type(summary.created, datetime | None)


async def one_session(session: Session) -> None:
    """What a handle tells."""
    assert_type(session.id, str)
    assert_type(session.mode, str | None)
    assert_type(session.state, SessionState | None)
    assert_type(session.video_id, str | None)
    assert_type(session.ref(), bytes)
    assert_type(await session.refresh(), SessionState)
    assert_type(await session.stop(), None)


async def watching(session: Session) -> None:
    """What a loop over a session gives."""
    async for state in session.watch():
        assert_type(state, SessionState)
        assert_type(state.status, SessionStatus)
        assert_type(state.progress, int)
        assert_type(state.previous, SessionStatus | None)
        assert_type(state.elapsed, float)
        assert_type(state.new_messages, tuple[Message, ...])
        assert_type(state.messages_gap, bool)
        assert_type(state.is_paused, bool)
        assert_type(state.is_terminal, bool)
        assert_type(state.status.is_paused, bool)
        assert_type(state.status.is_known, bool)
        assert_type(state.failure_reason, str | None)
        assert_type(state.created, datetime | None)
        for message in state.new_messages:
            assert_type(message.content, str)
            assert_type(message.created, datetime | None)
            assert_type(message.resource_ids, tuple[str, ...] | None)

    watch = session.watch(
        until=[SessionStatus.REVIEWING, "completed"],
        timeout=None,
        stall_timeout=600,
        progress=True,
        cadence=Cadence.stepped([(2, 10), (5, 20)], then=15),
    )
    assert_type(watch, Watch)
    async with watch as states:
        assert_type(await anext(states), SessionState)
    assert_type(await watch.aclose(), None)

    state = await session.wait(until=("reviewing",), timeout=60, stall_timeout=30, cadence=Cadence.adaptive())
    assert_type(state, SessionState)
    data: SessionData = state
    assert_type(data.messages, tuple[Message, ...])


async def talking(session: Session) -> None:
    """What can be said, and what comes back."""
    sent = await session.send(
        "Warmer, please",
        avatar_id="look",
        voice_id="voice",
        brand_kit_id="kit",
        files=[Path("shot.png")],
        auto_proceed=False,
        extra={"new_field": True},
        idempotency_key="my-key",
    )
    assert_type(sent, SentMessage)
    assert_type(await session.send(files=[Path("shot.png")]), SentMessage)
    assert_type(sent.run_id, str | None)
    assert_type(await session.approve(), SentMessage)
    assert_type(await session.approve("Go", extra={}, idempotency_key="my-key"), SentMessage)


async def conversing(session: Session) -> None:
    """A reviewer may be sync or async, and answer in three ways."""

    def review(session: Session, state: SessionState) -> Reply | Approve | Stop:
        return Reply(message="Go on", avatar_id="look") if state.status == "waiting_for_input" else Approve()

    async def review_slowly(session: Session, state: SessionState) -> Stop:
        return Stop()

    assert_type(await session.converse(review), Video)
    assert_type(await session.converse(review_slowly, timeout=None), Video)
    assert_type(await session.converse(lambda _session, _state: Approve(message="Go")), Video)


# ---- what comes of it ---------------------------------------------------------------------------------------------


async def resources(session: Session, on_progress: OnProgress) -> None:
    """What messages refer to."""
    found = await session.resources()
    assert_type(found, list[Resource])
    one = await session.resource("resource")
    assert_type(one, Resource)
    assert_type(one.url, str | None)
    assert_type(one.created, datetime | None)
    assert_type(await one.download("shot.png", resume=False, overwrite=True, on_progress=on_progress), Path)
    info: ResourceInfo = one
    assert_type(info.metadata, dict[str, object])


async def videos(heygen: HeyGen, session: Session) -> None:
    """Finished work."""
    video = await session.video(timeout=900)
    assert_type(video, Video)
    assert_type(video.status, VideoStatus)
    assert_type(video.status.is_terminal, bool)
    assert_type(video.duration, float | None)
    assert_type(video.created, datetime | None)
    assert_type(video.completed, datetime | None)
    assert_type(video.is_downloadable, bool)

    def show(transfer: Transfer) -> None:
        assert_type(transfer.total_bytes, int | None)

    async def show_slowly(transfer: Transfer) -> None:
        assert_type(transfer.elapsed, float)

    assert_type(await video.download("intro.mp4", on_progress=show), Path)
    assert_type(await video.copy_to("s3://films/intro.mp4", overwrite=True, on_progress=show), str)
    assert_type(await video.download_captions(Path("folder"), on_progress=show_slowly), Path)
    assert_type(session.videos(), AsyncIterator[Video])
    async for each in heygen.videos.list(title="Intro", folder_id="folder", page_size=10):
        assert_type(each, Video)
    assert_type(await heygen.videos.get("video"), Video)
    assert_type(await heygen.videos.delete("video"), None)
    states = await heygen.videos.statuses(["video"])
    assert_type(states, dict[str, VideoState])
    assert_type(states["video"].error, dict[str, object] | None)
    info: VideoInfo = video
    assert_type(info.video_url, str | None)


async def assets(heygen: HeyGen, chunks: AsyncIterator[bytes], on_progress: OnProgress) -> None:
    """Files given to the agent."""
    assert_type(await heygen.assets.upload("plan.pdf"), Asset)
    assert_type(await heygen.assets.upload(Path("plan.pdf"), on_progress=on_progress), Asset)
    assert_type(
        await heygen.assets.upload(b"...", filename="plan.pdf", content_type="application/pdf"), Asset
    )
    asset = await heygen.assets.upload(chunks)
    assert_type(asset.uploaded, datetime | None)
    assert_type(await heygen.assets.get(asset.id), Asset)
    assert_type(await heygen.assets.delete(asset.id), None)


async def catalog(heygen: HeyGen) -> None:
    """What there is to choose from."""
    assert_type(heygen.styles.list(tag="cinematic", page_size=10), AsyncIterator[Style])
    assert_type(heygen.avatars.list(ownership="private"), AsyncIterator[AvatarGroup])
    assert_type(heygen.avatars.looks(group_id="g", avatar_type="photo_avatar"), AsyncIterator[AvatarLook])
    assert_type(heygen.voices.list(type="public", language="English", gender="male"), AsyncIterator[Voice])
    assert_type(heygen.brand_kits.list(), AsyncIterator[BrandKit])
    assert_type(heygen.brand_glossaries.list(page_size=10), AsyncIterator[BrandGlossary])
    assert_type(await heygen.avatars.get("grp_1"), AvatarGroup)
    assert_type(await heygen.avatars.look("look_1"), AvatarLook)
    assert_type(await heygen.voices.get("voice_1"), VoiceDetail)
    assert_type(await heygen.assets.statuses(["asset_1"]), dict[str, AssetState])
    assert_type(await heygen.assets.upload("film.mp4", timeout=None), Asset)
    async for group in heygen.avatars.list():
        assert_type(group.error, TrainingError | None)
        assert_type(group.created, datetime | None)
    user = await heygen.account.me()
    assert_type(user, User)
    assert_type(user.wallet, Wallet | None)
    if user.wallet is not None:
        assert_type(user.wallet.auto_reload, AutoReload | None)
    assert_type(user.subscription, Subscription | None)
    if user.subscription is not None:
        assert_type(user.subscription.credits, SubscriptionCredits)
        assert_type(user.subscription.credits.premium_credits, CreditPool | None)
    assert_type(user.usage_based, UsageBased | None)


# ---- cadence ------------------------------------------------------------------------------------------------------


def cadences(steps: Sequence[tuple[float, int]]) -> list[Callable[[PollContext], float]]:
    """Schedules, ready made and of one's own."""
    durations = Durations()
    durations.add(SessionStatus.THINKING, 42.0)
    expected = durations.expected(SessionStatus.THINKING)
    assert_type(expected, Expected | None)
    moment = PollContext(status=SessionStatus.GENERATING, elapsed=1.0, progress=10, expected=expected)
    assert_type(Expected(100.0, 2.0).odds(10.0), float)
    assert_type(bounded(0.01), float)
    assert_type(Cadence.constant(5)(moment), float)
    return [
        Cadence(lambda moment: moment.elapsed / 10, "a tenth"),
        Cadence.exponential(1, factor=1.5, longest=30, jitter=0.1),
        Cadence.stepped(steps, then=30),
        Cadence.adaptive(worth=0.5),
    ]


# ---- mistakes that a checker catches ------------------------------------------------------------------------------


async def mistakes(heygen: HeyGen, session: Session) -> None:
    """Each of these lines would be reported; mypy would report the comment of one that is not."""
    await heygen.sessions.create()  # type: ignore[call-arg]
    await heygen.sessions.create("A tour", mode="talk")  # type: ignore[arg-type]
    await heygen.sessions.create("A tour", orientation="diagonal")  # type: ignore[arg-type]
    await heygen.sessions.create("A tour", "chat")  # type: ignore[call-arg]
    await session.converse(lambda _session, _state: "go on")  # type: ignore[arg-type,return-value]
    session.watch(timeout="a minute")  # type: ignore[arg-type]
    session.id = "another"  # type: ignore[misc]


async def outages(session: Session) -> None:
    """What is called while the service does not answer."""

    def show(outage: Outage) -> None:
        assert_type(outage.seconds, float)
        assert_type(outage.error, HeyGenError | None)
        assert_type(outage.is_over, bool)

    assert_type(session.watch(on_outage=show), Watch)
    assert_type(await session.wait(on_outage=show), SessionState)
