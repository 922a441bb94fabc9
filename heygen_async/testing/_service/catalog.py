"""The read-only lists of the account: styles, brand kits, avatars, voices, and the account itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .._http import HttpResponse, JsonObject, as_list, data_response, invalid, not_found
from .._storage.media import PREFIX
from .state import OperationCall, ServiceState, page

_CREATED_AT = 1767225600
_TAGS = ("cinematic", "retro-tech", "iconic-artist", "pop-culture", "handmade", "print")
UNREADY = 6  # a look that makes videos fail without a word
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


def _glossaries() -> dict[str, JsonObject]:
    return {
        key: {
            "brand_glossary_id": key,
            "name": name,
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-02T00:00:00Z",
        }
        for key, name in (("gloss_1", "Product names"), ("gloss_2", "Roastery terms"))
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
            "preview_image_url": None if n == UNREADY else f"https://files.example.test/look_{n}.png",
            "preview_video_url": None,
            "supported_api_engines": ["avatar_iv"],
            "tags": [],
            "status": "processing" if n == UNREADY else "completed",
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
BRAND_GLOSSARIES = _glossaries()
GROUPS = _groups()
LOOKS = _looks()
VOICES = _voices()


def styles(state: ServiceState, call: OperationCall) -> HttpResponse:
    """List styles."""
    tag = call.request.query.get("tag")
    base = state.storage.url

    def show(row: JsonObject) -> JsonObject | None:
        if tag is not None and tag not in (as_list(row["tags"]) or []):
            return None
        return {**row, "thumbnail_url": f"{base}{PREFIX}{row['style_id']}.png"}

    return page(call, _newest_last(STYLES), show)


def brand_kits(_state: ServiceState, call: OperationCall) -> HttpResponse:
    """List brand kits."""
    return page(call, _newest_last(BRAND_KITS), lambda row: row)


def brand_glossaries(_state: ServiceState, call: OperationCall) -> HttpResponse:
    """List brand glossaries."""
    return page(call, _newest_last(BRAND_GLOSSARIES), lambda row: row)


def group(_state: ServiceState, call: OperationCall) -> HttpResponse:
    """Read one avatar group."""
    return data_response(_find(GROUPS, call.params["group_id"], "Avatar group", "avatar_group_not_found"))


def look(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Read one look; the id of a group is none."""
    row = _find(LOOKS, call.params["look_id"], "Avatar look", "avatar_not_found")
    return data_response(_show_look(state, row))


def _show_look(state: ServiceState, row: JsonObject) -> JsonObject:
    if row["preview_image_url"] is None:
        return row
    return {**row, "preview_image_url": f"{state.storage.url}{PREFIX}{row['id']}.png"}


def voice(_state: ServiceState, call: OperationCall) -> HttpResponse:
    """Read one voice."""
    row = _find(VOICES, call.params["voice_id"], "Voice", "voice_not_found")
    kept = ("voice_id", "name", "language", "gender", "support_pause", "preview_audio_url")
    return data_response(
        {
            **{name: row[name] for name in kept},
            "support_interactive_avatar": False,
            "status": None,
            "failure_message": None,
            "created_at": None,
        }
    )


def _find(rows: Mapping[str, JsonObject], key: str, what: str, code: str) -> JsonObject:
    row = rows.get(key)
    if row is None:
        raise not_found(what, code)
    return row


def avatars(_state: ServiceState, call: OperationCall) -> HttpResponse:
    """List avatar groups; the last one belongs to the caller."""
    ownership = _choice(call, "ownership", ("public", "private"))
    return page(call, _newest_last(GROUPS), _only(lambda row: _owned(str(row["id"]), ownership)), most=50)


def looks(state: ServiceState, call: OperationCall) -> HttpResponse:
    """List looks."""
    ownership = _choice(call, "ownership", ("public", "private"))
    kind = _choice(call, "avatar_type", ("studio_avatar", "digital_twin", "photo_avatar"))
    group = call.request.query.get("group_id")

    def fits(row: JsonObject) -> bool:
        of_group = group is None or row["group_id"] == group
        return of_group and kind in {None, row["avatar_type"]} and _owned(str(row["group_id"]), ownership)

    return page(call, _newest_last(LOOKS), lambda row: _show_look(state, row) if fits(row) else None, most=50)


def voices(_state: ServiceState, call: OperationCall) -> HttpResponse:
    """List voices of one library."""
    library = _choice(call, "type", ("public", "private")) or "public"
    language, gender = call.request.query.get("language"), call.request.query.get("gender")

    def fits(row: JsonObject) -> bool:
        return (
            row["type"] == library and language in {None, row["language"]} and gender in {None, row["gender"]}
        )

    return page(call, _newest_last(VOICES), _only(fits))


def account(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Describe the caller."""
    billing = state.moods.billing
    return data_response(
        {
            "username": "someone",
            "email": "someone@example.test",
            "first_name": "Some",
            "last_name": "One",
            "billing_type": billing,
            "wallet": None,
            "subscription": None,
            "usage_based": None,
            billing: _credit(billing, round(state.balance(call.now), 6)),
        }
    )


def _credit(billing: str, balance: float) -> JsonObject:
    if billing == "subscription":
        pool: JsonObject = {"remaining": int(balance), "resets_at": None}
        return {"plan": "pro", "credits": {"premium_credits": pool, "add_on_credits": None}}
    if billing == "usage_based":
        return {
            "included_credits": None,
            "remaining_credits": balance,
            "spending_cap_usd": None,
            "spending_current_usd": None,
        }
    return {"currency": "usd", "remaining_balance": balance, "auto_reload": None}


def _only(fits: Callable[[JsonObject], bool]) -> Callable[[JsonObject], JsonObject | None]:
    return lambda row: row if fits(row) else None


def _owned(group_id: str, ownership: str | None) -> bool:
    return ownership is None or (ownership == "private") == (group_id == "grp_3")


def _choice(call: OperationCall, name: str, words: tuple[str, ...]) -> str | None:
    value = call.request.query.get(name)
    if value is not None and value not in words:
        raise invalid(name, f"'{name}' must be one of: {', '.join(words)}.")
    return value


def _newest_last(rows: Mapping[str, JsonObject]) -> list[JsonObject]:
    """Return rows for `page`, which starts at the end."""
    return list(rows.values())[::-1]
