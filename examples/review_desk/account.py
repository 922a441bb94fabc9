"""What the account has: avatars, voices and styles to choose from, and a balance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Final, Generic, TypeVar

from msgspec import Struct

from heygen_async import HeyGen
from heygen_async.models import User

T = TypeVar("T")

_MOST: Final = 200  # of each kind; own ones come first
_CATALOG_SECONDS: Final = 600.0
_BALANCE_SECONDS: Final = 30.0


class Choice(Struct, frozen=True, kw_only=True):
    """Something to choose; `media` is a picture of it, or how a voice sounds."""

    id: str
    name: str
    media: str | None


class Catalog(Struct, frozen=True, kw_only=True):
    """What a new video can be made with."""

    avatar_id: list[Choice]
    voice_id: list[Choice]
    style_id: list[Choice]

    def names(self, ids: Iterable[str]) -> str:
        """Return chosen ids in words."""
        known = {each.id: each.name for each in (*self.avatar_id, *self.voice_id, *self.style_id)}
        return " · ".join(known.get(each, each) for each in ids)


class Balance(Struct, frozen=True, kw_only=True):
    """What is left to spend, in words; None where the account does not say."""

    balance: str | None


class Account:
    """The account, read seldom, however many pages ask."""

    def __init__(self, heygen: HeyGen) -> None:
        self._heygen = heygen
        self.catalog = Cached(self._read_catalog, _CATALOG_SECONDS)
        self.balance = Cached(self._read_balance, _BALANCE_SECONDS)

    async def _read_balance(self) -> Balance:
        return Balance(balance=balance_of(await self._heygen.account.me()))

    async def _read_catalog(self) -> Catalog:
        heygen = self._heygen
        looks = [heygen.avatars.looks(ownership=which) for which in ("private", "public")]
        voices = [heygen.voices.list(type=which) for which in ("private", "public")]
        return Catalog(
            avatar_id=[
                Choice(id=look.id, name=look.name, media=look.preview_image_url)
                for look in await _first(*looks)
                if look.status in {None, "completed"}
            ],
            voice_id=[
                Choice(
                    id=voice.voice_id,
                    name=" · ".join(filter(None, (voice.name, voice.language, voice.gender))),
                    media=voice.preview_audio_url,
                )
                for voice in await _first(*voices)
            ],
            style_id=[
                Choice(id=style.style_id, name=style.name, media=style.thumbnail_url)
                for style in await _first(heygen.styles.list())
            ],
        )


async def _first(*pages: AsyncIterator[T]) -> list[T]:
    found: list[T] = []
    for page in pages:
        async for each in page:
            found.append(each)
            if len(found) == _MOST:
                return found
    return found


def balance_of(user: User) -> str | None:
    """Return what is left to spend, in words."""
    if user.wallet is not None and user.wallet.remaining_balance is not None:
        return f"{user.wallet.remaining_balance:,.2f} {user.wallet.currency.upper()}"
    if user.usage_based is not None and user.usage_based.remaining_credits is not None:
        return f"{user.usage_based.remaining_credits:,.0f} credits"
    if user.subscription is not None:
        pools = (user.subscription.credits.premium_credits, user.subscription.credits.add_on_credits)
        left = [pool.remaining for pool in pools if pool is not None and pool.remaining is not None]
        return f"{sum(left):,} credits" if left else None
    return None


class Cached(Generic[T]):
    """
    A value that is read again when it is older than so many seconds; one read serves all who ask meanwhile.

    Args:
        read: Reads it; what it raises is raised to all who wait, and kept for nobody.
        seconds: For how long it is good.
    """

    def __init__(self, read: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._value: T | None = None
        self._read_at = 0.0

    async def get(self) -> T:
        """Return the value."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if self._value is None or now - self._read_at > self._seconds:
                self._value, self._read_at = await self._read(), now
            return self._value
