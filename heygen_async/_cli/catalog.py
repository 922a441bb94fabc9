"""
The commands that find an id, and show the balance.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar

from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.text import Text

from .exit_codes import Exit
from .options import Json, client
from .output import Output, brief

if TYPE_CHECKING:
    from heygen_async import HeyGen
    from heygen_async.models import AvatarGroup, AvatarLook, BrandKit, Style, User, VideoInfo, Voice

T = TypeVar("T")

Search = Annotated[
    str | None, Parameter(help="Only those with this text in what is shown, in capitals or not.")
]
Limit = Annotated[int, Parameter(validator=Number(gte=1), help="How many at most.")]
Ownership = Annotated[
    Literal["public", "private"] | None, Parameter(help="The service's presets, or the account's own.")
]

_LIMIT: Final = 50


def add_to(app: App) -> None:
    """Add the commands to the app."""
    for command in (avatars, looks, voices, styles, brand_kits, videos, account):
        app.command(command)


async def avatars(
    *, search: Search = None, ownership: Ownership = None, limit: Limit = _LIMIT, json: Json = False
) -> int:
    """
    List avatars; `looks --avatar ID` lists the looks of one, whose ids are what --avatar-id takes.
    """

    def describe(group: AvatarGroup) -> Mapping[str, object]:
        return {
            "group_id": group.id,
            "name": group.name,
            "gender": group.gender,
            "looks": group.looks_count,
            "status": group.status,
        }

    return await _list(
        "avatar", lambda heygen: heygen.avatars.list(ownership=ownership), describe, search, limit, json
    )


async def looks(
    *,
    avatar: str | None = None,
    search: Search = None,
    ownership: Ownership = None,
    limit: Limit = _LIMIT,
    json: Json = False,
) -> int:
    """
    List the looks of avatars: their ids are what --avatar-id takes.

    Parameters
    ----------
    avatar
        Only looks of this avatar.
    """

    def describe(look: AvatarLook) -> Mapping[str, object]:
        return {
            "avatar_id": look.id,
            "name": look.name,
            "type": look.avatar_type,
            "orientation": look.preferred_orientation,
            "status": look.status,
            "group_id": look.group_id,
        }

    return await _list(
        "look",
        lambda heygen: heygen.avatars.looks(group_id=avatar, ownership=ownership),
        describe,
        search,
        limit,
        json,
    )


async def voices(
    *,
    search: Search = None,
    language: str | None = None,
    gender: Literal["male", "female"] | None = None,
    limit: Limit = _LIMIT,
    json: Json = False,
) -> int:
    """
    List voices: their ids are what --voice-id takes.

    Parameters
    ----------
    language
        Only voices of this language.
    gender
        Only voices of this gender.
    """

    def describe(voice: Voice) -> Mapping[str, object]:
        return {
            "voice_id": voice.voice_id,
            "name": voice.name,
            "language": voice.language,
            "gender": voice.gender,
        }

    return await _list(
        "voice",
        lambda heygen: heygen.voices.list(language=language, gender=gender),
        describe,
        search,
        limit,
        json,
    )


async def styles(*, search: Search = None, limit: Limit = _LIMIT, json: Json = False) -> int:
    """
    List visual styles: their ids are what --style-id takes.
    """

    def describe(style: Style) -> Mapping[str, object]:
        return {
            "style_id": style.style_id,
            "name": style.name,
            "aspect_ratio": style.aspect_ratio,
            "tags": ", ".join(style.tags),
        }

    return await _list("style", lambda heygen: heygen.styles.list(), describe, search, limit, json)


async def brand_kits(*, search: Search = None, limit: Limit = _LIMIT, json: Json = False) -> int:
    """
    List brand kits: their ids are what --brand-kit-id takes.
    """

    def describe(kit: BrandKit) -> Mapping[str, object]:
        return {"brand_kit_id": kit.brand_kit_id, "name": kit.name}

    return await _list("brand_kit", lambda heygen: heygen.brand_kits.list(), describe, search, limit, json)


async def videos(*, search: Search = None, limit: Limit = _LIMIT, json: Json = False) -> int:
    """
    List the account's videos, newest first.
    """

    def describe(video: VideoInfo) -> Mapping[str, object]:
        return {
            "video_id": video.id,
            "status": video.status,
            "duration": video.duration,
            "title": video.title,
        }

    return await _list("video", lambda heygen: heygen.videos.list(), describe, search, limit, json)


async def account(*, json: Json = False) -> int:
    """
    Show whose key it is, and the balance.
    """
    output = Output(is_json=json)
    async with client(None) as heygen:
        user = await heygen.account.me()
    fields = _describe_account(user)
    output.emit("account", **fields)
    for name, value in fields.items():
        output.show(Text(f"{name.replace('_', ' '):<20} {brief(str(value), 200)}"))
    return Exit.DONE


def _describe_account(user: User) -> dict[str, object]:
    fields: dict[str, object | None] = {
        "username": user.username,
        "email": user.email,
        "billing": user.billing_type,
    }
    if user.wallet is not None:
        fields |= {"balance": user.wallet.remaining_balance, "currency": user.wallet.currency}
    if user.subscription is not None:
        credit = user.subscription.credits
        fields["plan"] = user.subscription.plan
        fields["premium_credits"] = credit.premium_credits and credit.premium_credits.remaining
        fields["add_on_credits"] = credit.add_on_credits and credit.add_on_credits.remaining
    if user.usage_based is not None:
        fields["remaining_credits"] = user.usage_based.remaining_credits
        fields["spending_cap_usd"] = user.usage_based.spending_cap_usd
        fields["spending_usd"] = user.usage_based.spending_current_usd
    return {name: value for name, value in fields.items() if value not in {None, ""}}


async def _list(
    event: str,
    read: Callable[[HeyGen], AsyncIterator[T]],
    describe: Callable[[T], Mapping[str, object]],
    search: str | None,
    limit: int,
    json: bool,  # noqa: FBT001 - passed on as it is
) -> int:
    output, found = Output(is_json=json), 0
    async with client(None) as heygen:
        async for item in read(heygen):
            fields = describe(item)
            words = [_word(name, value) for name, value in fields.items() if value not in {None, ""}]
            if search is not None and search.casefold() not in " ".join(words).casefold():
                continue
            output.emit(event, **fields)
            output.show(Text("  ".join(brief(word, 70) for word in words)))
            found += 1
            if found >= limit:
                output.advise(f"There may be more than these {limit}: --limit shows more, --search fewer.")
                break
    if not found:
        matching = "" if search is None else f" with {brief(search)!r} in it"
        output.advise(f"There is no {event.replace('_', ' ')}{matching}.")
    return Exit.DONE


def _word(name: str, value: object) -> str:
    return f"{value:.0f} s" if name == "duration" and isinstance(value, float) else str(value)
