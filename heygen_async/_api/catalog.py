"""Styles, brand kits, voices, avatars and the account: their paths, and how their answers are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..models import AvatarGroup, AvatarLook, BrandGlossary, BrandKit, Style, User, Voice, VoiceDetail
from .calls import list_call, read_call
from .responses import Decoder, Envelope

if TYPE_CHECKING:
    from .calls import Call, PageQuery

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


def styles(**query: PageQuery) -> Call[tuple[Style, ...]]:
    """List visual styles."""
    return list_call("styles", "/v3/video-agents/styles", STYLES, query)


def brand_kits(**query: PageQuery) -> Call[tuple[BrandKit, ...]]:
    """List brand kits."""
    return list_call("brand_kits", "/v3/brand-kits", BRAND_KITS, query)


def brand_glossaries(**query: PageQuery) -> Call[tuple[BrandGlossary, ...]]:
    """List brand glossaries."""
    return list_call("brand_glossaries", "/v3/brand-glossaries", BRAND_GLOSSARIES, query)


def voice(voice_id: str) -> Call[VoiceDetail]:
    """Read one voice."""
    return read_call("voice", "/v3/voices/{voice_id}", VOICE, voice_id=voice_id)


def voices(**query: PageQuery) -> Call[tuple[Voice, ...]]:
    """List voices."""
    return list_call("voices", "/v3/voices", VOICES, query)


def avatar(group_id: str) -> Call[AvatarGroup]:
    """Read one avatar group."""
    return read_call("avatar", "/v3/avatars/{group_id}", AVATAR, group_id=group_id)


def avatars(**query: PageQuery) -> Call[tuple[AvatarGroup, ...]]:
    """List avatar groups; 50 a page at most."""
    return list_call("avatars", "/v3/avatars", AVATARS, query, most=50)


def look(look_id: str) -> Call[AvatarLook]:
    """Read one avatar look."""
    return read_call("look", "/v3/avatars/looks/{look_id}", LOOK, look_id=look_id)


def looks(**query: PageQuery) -> Call[tuple[AvatarLook, ...]]:
    """List avatar looks; 50 a page at most."""
    return list_call("looks", "/v3/avatars/looks", LOOKS, query, most=50)


def account() -> Call[User]:
    """Read the caller's account."""
    return read_call("account", "/v3/users/me", ACCOUNT)
