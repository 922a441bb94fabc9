"""The read-only lists of the account: styles, brand kits, avatars, voices, and the account itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .._http import JsonObject, Response, as_list, data_response, invalid
from .._storage.media import PREFIX
from .state import Call, ServiceState, page

_CREATED_AT = 1767225600
_TAGS = ("cinematic", "retro-tech", "iconic-artist", "pop-culture", "handmade", "print")
_LANGUAGES = ("English", "German", "Japanese")


def _styles() -> dict[str, JsonObject]:
    rows = [
        (f"style_{n}", f"Style {n}", [_TAGS[n % len(_TAGS)]], ("16:9", "9:16", "1:1")[n % 3])
        for n in range(1, 25)
    ]
    return {
        key: {
            "style_id": key,
            "name": name,
            "thumbnail_url": None,
            "preview_video_url": None,
            "tags": tags,
            "aspect_ratio": ratio,
        }
        for key, name, tags, ratio in rows
    }


def _kits() -> dict[str, JsonObject]:
    colors = ["#1d3557", "#e63946"]
    return {
        key: {"brand_kit_id": key, "name": name, "colors": colors, "logo_url": None}
        for key, name in (("bk_1", "Acme"), ("bk_2", "Roastery"))
    }


def _groups() -> dict[str, JsonObject]:
    return {
        key: {
            "id": key,
            "name": name,
            "created_at": _CREATED_AT,
            "looks_count": 2,
            "gender": gender,
            "default_voice_id": "voice_1",
            "preview_image_url": None,
            "preview_video_url": None,
            "consent_status": None,
            "status": "completed",
            "error": None,
        }
        for key, name, gender in (
            ("grp_1", "Ann", "female"),
            ("grp_2", "Ben", "male"),
            ("grp_3", "Mine", "female"),
        )
    }


def _looks() -> dict[str, JsonObject]:
    types = ("studio_avatar", "photo_avatar")
    return {
        f"look_{n}": {
            "id": f"look_{n}",
            "name": f"Look {n}",
            "avatar_type": types[n % 2],
            "group_id": f"grp_{(n + 1) // 2}",
            "gender": None,
            "default_voice_id": "voice_1",
            "preferred_orientation": "landscape",
            "image_width": 1920,
            "image_height": 1080,
            "preview_image_url": None,
            "preview_video_url": None,
            "supported_api_engines": ["avatar_iv"],
            "tags": [],
            "status": "completed",
            "error": None,
        }
        for n in range(1, 7)
    }


def _voices() -> dict[str, JsonObject]:
    return {
        f"voice_{n}": {
            "voice_id": f"voice_{n}",
            "name": f"Voice {n}",
            "language": _LANGUAGES[n % 3],
            "gender": "female" if n % 2 else "male",
            "type": "private" if n > 28 else "public",
            "support_pause": True,
            "support_locale": False,
            "preview_audio_url": None,
        }
        for n in range(1, 31)
    }


STYLES = _styles()
BRAND_KITS = _kits()
GROUPS = _groups()
LOOKS = _looks()
VOICES = _voices()


def styles(world: ServiceState, call: Call) -> Response:
    """List styles."""
    tag = call.request.query.get("tag")
    base = world.storage.url

    def show(row: JsonObject) -> JsonObject | None:
        if tag is not None and tag not in (as_list(row["tags"]) or []):
            return None
        return {**row, "thumbnail_url": f"{base}{PREFIX}{row['style_id']}.png"}

    return page(call, _reversed(STYLES), show)


def brand_kits(_world: ServiceState, call: Call) -> Response:
    """List brand kits."""
    return page(call, _reversed(BRAND_KITS), lambda row: row)


def avatars(_world: ServiceState, call: Call) -> Response:
    """List avatar groups; the last one belongs to the caller."""
    ownership = _choice(call, "ownership", ("public", "private"))
    return page(call, _reversed(GROUPS), _only(lambda row: _owned(str(row["id"]), ownership)), most=50)


def looks(_world: ServiceState, call: Call) -> Response:
    """List looks."""
    ownership = _choice(call, "ownership", ("public", "private"))
    kind = _choice(call, "avatar_type", ("studio_avatar", "digital_twin", "photo_avatar"))
    group = call.request.query.get("group_id")

    def fits(row: JsonObject) -> bool:
        of_group = group is None or row["group_id"] == group
        return of_group and kind in {None, row["avatar_type"]} and _owned(str(row["group_id"]), ownership)

    return page(call, _reversed(LOOKS), _only(fits), most=50)


def voices(_world: ServiceState, call: Call) -> Response:
    """List voices of one library."""
    library = _choice(call, "type", ("public", "private")) or "public"
    language, gender = call.request.query.get("language"), call.request.query.get("gender")

    def fits(row: JsonObject) -> bool:
        return (
            row["type"] == library and language in {None, row["language"]} and gender in {None, row["gender"]}
        )

    return page(call, _reversed(VOICES), _only(fits))


def account(_world: ServiceState, _call: Call) -> Response:
    """Describe the caller."""
    wallet = {"currency": "usd", "remaining_balance": 12.5, "auto_reload": None}
    return data_response(
        {
            "username": "someone",
            "email": "someone@example.test",
            "first_name": "Some",
            "last_name": "One",
            "billing_type": "wallet",
            "wallet": wallet,
            "subscription": None,
            "usage_based": None,
        }
    )


def _only(fits: Callable[[JsonObject], bool]) -> Callable[[JsonObject], JsonObject | None]:
    return lambda row: row if fits(row) else None


def _owned(group_id: str, ownership: str | None) -> bool:
    return ownership is None or (ownership == "private") == (group_id == "grp_3")


def _choice(call: Call, name: str, words: tuple[str, ...]) -> str | None:
    value = call.request.query.get(name)
    if value is not None and value not in words:
        raise invalid(name, f"'{name}' must be one of: {', '.join(words)}.")
    return value


def _reversed(rows: Mapping[str, JsonObject]) -> list[JsonObject]:
    """Return rows for `page`, which starts at the end."""
    return list(rows.values())[::-1]
