"""
What the service lists besides sessions and videos: styles, avatars, voices, brand kits, the account.

A text or number the service leaves out is empty or 0 here, unless it can be None; amounts of money are right or the
answer is refused.
"""

from __future__ import annotations

from ._base import Amounts, Dated, Int, Value

# ---- catalog ------------------------------------------------------------------------------------------------------


class Style(Value, frozen=True, kw_only=True):
    """A curated visual style; pass `style_id` to `sessions.create`."""

    style_id: str
    name: str = ""
    thumbnail_url: str | None = None
    preview_video_url: str | None = None
    tags: tuple[str, ...] = ()
    aspect_ratio: str | None = None


class BrandKit(Value, frozen=True, kw_only=True):
    """Colours and logo of a brand; pass `brand_kit_id` to `sessions.create`."""

    brand_kit_id: str
    name: str = ""
    colors: tuple[str, ...] = ()
    logo_url: str | None = None


class BrandGlossary(Value, frozen=True, kw_only=True):
    """Names and terms of a brand; pass `brand_glossary_id` to `sessions.create`."""

    brand_glossary_id: str
    name: str
    created_at: str
    updated_at: str


class Voice(Value, frozen=True, kw_only=True):
    """A narration voice; pass `voice_id` to `sessions.create`."""

    voice_id: str
    name: str = ""
    language: str = ""
    gender: str = ""
    type: str = ""
    support_pause: bool = False
    support_locale: bool = False
    preview_audio_url: str | None = None


class VoiceDetail(Dated, frozen=True, kw_only=True):
    """
    One voice, as `heygen.voices.get` reads it.

    Attributes:
        status: Of a cloned voice: `processing`, `complete` or `failed`; None for others.
        failure_message: Why it failed.
    """

    voice_id: str
    support_pause: bool
    name: str | None = None
    language: str | None = None
    gender: str | None = None
    support_interactive_avatar: bool = False
    preview_audio_url: str | None = None
    status: str | None = None
    failure_message: str | None = None


class TrainingError(Value, frozen=True, kw_only=True):
    """Why an avatar could not be trained."""

    code: str = ""
    message: str = ""


class AvatarGroup(Dated, frozen=True, kw_only=True):
    """A person or character with one or more looks; its id is not what `avatar_id` wants."""

    id: str
    name: str = ""
    created_at: Int = 0
    looks_count: Int = 0
    gender: str | None = None
    default_voice_id: str | None = None
    preview_image_url: str | None = None
    preview_video_url: str | None = None
    consent_status: str | None = None
    status: str | None = None
    error: TrainingError | None = None


class AvatarLook(Value, frozen=True, kw_only=True):
    """One look of an avatar; its `id` is the `avatar_id` to pass."""

    id: str
    name: str = ""
    avatar_type: str = ""
    group_id: str | None = None
    gender: str | None = None
    default_voice_id: str | None = None
    preferred_orientation: str | None = None
    image_width: Int | None = None
    image_height: Int | None = None
    preview_image_url: str | None = None
    preview_video_url: str | None = None
    supported_api_engines: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    status: str | None = None
    error: TrainingError | None = None


# ---- account ------------------------------------------------------------------------------------------------------


class AutoReload(Amounts, frozen=True, kw_only=True):
    """How a wallet tops itself up."""

    enabled: bool
    threshold_usd: float | None = None
    amount_usd: float | None = None


class Wallet(Amounts, frozen=True, kw_only=True):
    """Prepaid balance, in `currency`."""

    currency: str
    remaining_balance: float | None = None
    auto_reload: AutoReload | None = None


class CreditPool(Amounts, frozen=True, kw_only=True):
    """Credits left in one pool."""

    remaining: Int | None = None
    resets_at: str | None = None


class SubscriptionCredits(Amounts, frozen=True, kw_only=True):
    """The pools of a subscription."""

    premium_credits: CreditPool | None = None
    add_on_credits: CreditPool | None = None


class Subscription(Amounts, frozen=True, kw_only=True):
    """A plan and its credits."""

    plan: str
    credits: SubscriptionCredits


class UsageBased(Amounts, frozen=True, kw_only=True):
    """Credits and caps of usage-based billing."""

    included_credits: float | None = None
    remaining_credits: float | None = None
    spending_cap_usd: float | None = None
    spending_current_usd: float | None = None


class User(Value, frozen=True, kw_only=True):
    """The caller's account; one of `wallet`, `subscription`, `usage_based` is filled, as `billing_type` says."""

    username: str = ""
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    billing_type: str | None = None
    wallet: Wallet | None = None
    subscription: Subscription | None = None
    usage_based: UsageBased | None = None
