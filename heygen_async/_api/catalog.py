"""Styles, brand kits, voices, avatars and the account: their paths, and how their answers are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..models import AvatarGroup, AvatarLook, BrandGlossary, BrandKit, Style, User, Voice, VoiceDetail
from .calls import page_size, reading
from .responses import Decoder, Envelope

if TYPE_CHECKING:
    from .calls import Call

STYLES = Decoder(Envelope[tuple[Style, ...]])

BRAND_KITS = Decoder(Envelope[tuple[BrandKit, ...]])

BRAND_GLOSSARIES = Decoder(Envelope[tuple[BrandGlossary, ...]])

VOICE = Decoder(Envelope[VoiceDetail])

VOICES = Decoder(Envelope[tuple[Voice, ...]])

AVATAR = Decoder(Envelope[AvatarGroup])

AVATARS = Decoder(Envelope[tuple[AvatarGroup, ...]])

LOOK = Decoder(Envelope[AvatarLook])

LOOKS = Decoder(Envelope[tuple[AvatarLook, ...]])

ACCOUNT = Decoder(Envelope[User])


def styles(
    *, limit: int | None = None, token: str | None = None, tag: str | None = None
) -> Call[tuple[Style, ...]]:
    """List visual styles."""
    query = {"limit": page_size(limit, 100), "token": token, "tag": tag}
    return reading("styles", "/v3/video-agents/styles", STYLES, query=query)


def brand_kits(*, limit: int | None = None, token: str | None = None) -> Call[tuple[BrandKit, ...]]:
    """List brand kits."""
    return reading(
        "brand_kits",
        "/v3/brand-kits",
        BRAND_KITS,
        query={"limit": page_size(limit, 100), "token": token},
    )


def brand_glossaries(
    *, limit: int | None = None, token: str | None = None
) -> Call[tuple[BrandGlossary, ...]]:
    """List brand glossaries."""
    query = {"limit": page_size(limit, 100), "token": token}
    return reading("brand_glossaries", "/v3/brand-glossaries", BRAND_GLOSSARIES, query=query)


def voice(voice_id: str) -> Call[VoiceDetail]:
    """Read one voice."""
    return reading("voice", "/v3/voices/{voice_id}", VOICE, voice_id=voice_id)


def voices(
    *, limit: int | None = None, token: str | None = None, **filters: str | None
) -> Call[tuple[Voice, ...]]:
    """List voices."""
    return reading(
        "voices",
        "/v3/voices",
        VOICES,
        query={"limit": page_size(limit, 100), "token": token, **filters},
    )


def avatar(group_id: str) -> Call[AvatarGroup]:
    """Read one avatar group."""
    return reading("avatar", "/v3/avatars/{group_id}", AVATAR, group_id=group_id)


def avatars(
    *, limit: int | None = None, token: str | None = None, ownership: str | None = None
) -> Call[tuple[AvatarGroup, ...]]:
    """List avatar groups; 50 a page at most."""
    query = {"limit": page_size(limit, 50), "token": token, "ownership": ownership}
    return reading("avatars", "/v3/avatars", AVATARS, query=query)


def look(look_id: str) -> Call[AvatarLook]:
    """Read one avatar look."""
    return reading("look", "/v3/avatars/looks/{look_id}", LOOK, look_id=look_id)


def looks(
    *, limit: int | None = None, token: str | None = None, **filters: str | None
) -> Call[tuple[AvatarLook, ...]]:
    """List avatar looks; 50 a page at most."""
    return reading(
        "looks",
        "/v3/avatars/looks",
        LOOKS,
        query={"limit": page_size(limit, 50), "token": token, **filters},
    )


def account() -> Call[User]:
    """Read the caller's account."""
    return reading("account", "/v3/users/me", ACCOUNT)
