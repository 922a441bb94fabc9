"""What a request body must look like: one rule per field, and no field without a rule."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from .._http import JsonObject, Refusal, as_list, as_object, invalid

Rule = Callable[[str, object], None]
Rules = Mapping[str, Rule]

MAX_TEXT = 10_000
MAX_FILES = 20
MAX_FILE_BYTES = 32 * 1024 * 1024


def parse_object(body: bytes | None) -> JsonObject:
    """
    Return the JSON object of a body.

    Raises:
        Refusal: The body is no JSON, or no object.
    """
    try:
        value: object = json.loads(body or b"", parse_constant=_no_constant)
    except (ValueError, RecursionError):
        message = "The body is not valid JSON."
        raise invalid("body", message) from None
    found = as_object(value)
    if found is None:
        message = "The body must be a JSON object."
        raise invalid("body", message)
    return found


def check(body: JsonObject, rules: Rules, *, required: tuple[str, ...], prefix: str = "") -> None:
    """
    Check every field of an object.

    Raises:
        Refusal: A field is missing, unknown, or wrong; `param` names it.
    """
    for name in required:
        if name not in body:
            raise invalid(prefix + name, f"'{prefix}{name}' is required.")
    for name, value in body.items():
        rule = rules.get(name)
        if rule is None:
            raise invalid(prefix + name, f"Unknown field '{prefix}{name}'.")
        rule(prefix + name, value)


def text(least: int = 0, most: int | None = None) -> Rule:
    """Return the rule of a string of so many characters."""

    def rule(name: str, value: object) -> None:
        if not isinstance(value, str):
            raise invalid(name, f"'{name}' must be a string.")
        if len(value) < least or (most is not None and len(value) > most):
            raise invalid(name, f"'{name}' must have {least} to {most} characters, not {len(value)}.")

    return rule


def one_of(*words: str) -> Rule:
    """Return the rule of a closed set of words."""

    def rule(name: str, value: object) -> None:
        if not isinstance(value, str) or value not in words:
            raise invalid(name, f"'{name}' must be one of: {', '.join(words)}.")

    return rule


def nullable(inner: Rule) -> Rule:
    """Return the rule of a field that may be null."""

    def rule(name: str, value: object) -> None:
        if value is not None:
            inner(name, value)

    return rule


def flag(name: str, value: object) -> None:
    """Refuse anything but true and false."""
    if not isinstance(value, bool):
        raise invalid(name, f"'{name}' must be true or false.")


def size(name: str, value: object) -> None:
    """Refuse anything but a positive whole number."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise invalid(name, f"'{name}' must be a positive whole number.")


def public_url(name: str, value: object) -> None:
    """Refuse anything but an absolute https URL."""
    if not isinstance(value, str) or not _is_url(value, ("https",)):
        raise invalid(name, f"'{name}' must be a public https URL.")


def callback_url(name: str, value: object) -> None:
    """Refuse anything but https; plain http is taken on loopback, for tests of receivers."""
    if isinstance(value, str) and _is_url(value, ("http",)) and _is_loopback(urlsplit(value).hostname or ""):
        return
    public_url(name, value)


def strings(words: frozenset[str]) -> Rule:
    """Return the rule of a list of known words."""

    def rule(name: str, value: object) -> None:
        items = as_list(value)
        if items is None:
            raise invalid(name, f"'{name}' must be a list.")
        for index, item in enumerate(items):
            if not isinstance(item, str) or item not in words:
                raise invalid(f"{name}.{index}", f"'{name}.{index}' is not a known value.")

    return rule


def files(name: str, value: object) -> None:
    """Refuse anything but a list of at most 20 well-formed attachments."""
    items = as_list(value)
    if items is None:
        raise invalid(name, f"'{name}' must be a list.")
    if len(items) > MAX_FILES:
        raise invalid(name, f"'{name}' takes at most {MAX_FILES} files, not {len(items)}.")
    for index, item in enumerate(items):
        _file(f"{name}.{index}", item)


def _file(name: str, item: object) -> None:
    entry = as_object(item)
    if entry is None:
        raise invalid(name, f"'{name}' must be an object.")
    kind = entry.get("type")
    rules = FILE_KINDS.get(kind) if isinstance(kind, str) else None
    if rules is None:
        raise invalid(f"{name}.type", f"'{name}.type' must be one of: {', '.join(FILE_KINDS)}.")
    check(entry, rules, required=tuple(rules), prefix=f"{name}.")


def _base64(name: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise invalid(name, f"'{name}' must be base64 text.")
    try:
        content = base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        raise invalid(name, f"'{name}' is not valid base64.") from None
    if len(content) > MAX_FILE_BYTES:
        raise Refusal(413, "payload_too_large", "The file is larger than 32 MB.", param=name)


def _is_url(value: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in schemes and bool(parts.hostname) and not any(c.isspace() for c in value)
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _no_constant(name: str) -> object:
    message = f"{name} is not JSON."
    raise ValueError(message)


FILE_KINDS: Mapping[str, Rules] = {
    "url": {"type": text(), "url": public_url},
    "asset_id": {"type": text(), "asset_id": text(1, 255)},
    "base64": {"type": text(), "media_type": text(1, 255), "data": _base64},
}

_OVERRIDES: Rules = {
    "avatar_id": nullable(text()),
    "voice_id": nullable(text()),
    "brand_kit_id": nullable(text()),
    "files": nullable(files),
}

CREATE: Rules = {
    "prompt": text(1, MAX_TEXT),
    "mode": one_of("generate", "chat"),
    **_OVERRIDES,
    "style_id": nullable(text()),
    "brand_glossary_id": nullable(text()),
    "orientation": nullable(one_of("landscape", "portrait")),
    "callback_url": nullable(callback_url),
    "callback_id": nullable(text()),
    "incognito_mode": flag,
}

SEND: Rules = {"message": text(1, MAX_TEXT), **_OVERRIDES}

GUIDE_ONLY: Rules = {"auto_proceed": flag}
