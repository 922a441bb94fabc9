"""Styles, brand kits, voices, avatars and the account: their paths, and how their answers are read."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..models import AvatarGroup, AvatarLook, BrandGlossary, BrandKit, Style, User, Voice, VoiceDetail
from .calls import list_call, read_call
from .responses import Decoder, Envelope

if TYPE_CHECKING:
    from .calls import Call

VOICE = Decoder(Envelope[VoiceDetail])
AVATAR = Decoder(Envelope[AvatarGroup])
LOOK = Decoder(Envelope[AvatarLook])
ACCOUNT = Decoder(Envelope[User])

# Lists, a page at a time: what they are asked for is the rest of the arguments.
styles = partial(list_call, "styles", "/v3/video-agents/styles", Decoder(Envelope[tuple[Style, ...]]))
brand_kits = partial(list_call, "brand_kits", "/v3/brand-kits", Decoder(Envelope[tuple[BrandKit, ...]]))
brand_glossaries = partial(
    list_call, "brand_glossaries", "/v3/brand-glossaries", Decoder(Envelope[tuple[BrandGlossary, ...]])
)
voices = partial(list_call, "voices", "/v3/voices", Decoder(Envelope[tuple[Voice, ...]]))
avatars = partial(list_call, "avatars", "/v3/avatars", Decoder(Envelope[tuple[AvatarGroup, ...]]), 50)
looks = partial(list_call, "looks", "/v3/avatars/looks", Decoder(Envelope[tuple[AvatarLook, ...]]), 50)


def voice(voice_id: str) -> Call[VoiceDetail]:
    """Read one voice."""
    return read_call("voice", "/v3/voices/{voice_id}", VOICE, voice_id=voice_id)


def avatar(group_id: str) -> Call[AvatarGroup]:
    """Read one avatar group."""
    return read_call("avatar", "/v3/avatars/{group_id}", AVATAR, group_id=group_id)


def look(look_id: str) -> Call[AvatarLook]:
    """Read one avatar look."""
    return read_call("look", "/v3/avatars/looks/{look_id}", LOOK, look_id=look_id)


def account() -> Call[User]:
    """Read the caller's account."""
    return read_call("account", "/v3/users/me", ACCOUNT)
