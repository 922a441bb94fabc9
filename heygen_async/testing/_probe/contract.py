"""The contract as the probe carries it, and where an answer departs from it. A test holds it equal to openapi.yaml."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from typing import Final, Literal, cast

from msgspec import Struct, json

Departure = Literal["missing", "type", "field", "word"]

_TYPES: Final[dict[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
ERROR_CODES: Final = frozenset(
    {
        "invalid_parameter",
        "content_policy_violation",
        "avatar_consent_required",
        "resource_limit_reached",
        "unlimited_mode_disabled",
        "voice_unavailable",
        "script_too_short",
        "tts_text_invalid",
        "download_failed",
        "authentication_failed",
        "unauthorized",
        "insufficient_credit",
        "trial_limit_exceeded",
        "plan_upgrade_required",
        "subscription_required",
        "forbidden",
        "resource_access_denied",
        "ai_vendor_access_restricted",
        "voice_not_usable",
        "not_found",
        "resource_not_found",
        "video_not_found",
        "avatar_not_found",
        "voice_not_found",
        "asset_not_found",
        "template_not_found",
        "webhook_not_found",
        "avatar_group_not_found",
        "request_in_progress",
        "resource_not_ready",
        "brand_kit_not_ready",
        "conflict",
        "payload_too_large",
        "rate_limit_exceeded",
        "rate_limited",
        "quota_exceeded",
        "internal_error",
        "video_delete_failed",
        "voice_provider_error",
        "service_unavailable",
        "gateway_timeout",
        "asset_not_available",
        "ephemeral_upload_disabled",
        "resource_limit_exceeded",
    }
)
"""The codes of contract.md, in lower case: the service has been seen to use both."""


class Shape(Struct, frozen=True):
    """
    What a value may be.

    Attributes:
        types: Names of JSON types; any when empty.
        words: The known words of a text; open when empty.
        fields: The known fields of an object; None for an object that is open.
        required: Fields that must be there.
        items: What an array holds.
    """

    types: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    fields: dict[str, Shape] | None = None
    required: tuple[str, ...] = ()
    items: Shape | None = None


class Operation(Struct, frozen=True):
    """One endpoint: what it answers, and how long its pages are."""

    method: str
    path: str
    answer: Shape
    default_limit: int | None = None
    most: int | None = None

    @property
    def name(self) -> str:
        """Its name in the contract, such as `GET /v3/videos`."""
        return f"{self.method} {self.path}"

    def matches(self, method: str, path: str) -> bool:
        """Return whether a request calls it; `{name}` stands for any one segment."""
        ours, theirs = self.path.split("/"), path.split("/")
        return (
            method == self.method
            and len(ours) == len(theirs)
            and all(one == other or one.startswith("{") for one, other in zip(ours, theirs, strict=True))
        )


class Contract(Struct, frozen=True):
    """All of it."""

    error: Shape
    events: tuple[str, ...]
    operations: tuple[Operation, ...]

    def find(self, method: str, path: str) -> Operation | None:
        """Return the operation a request calls; a literal segment beats a parameter."""
        found = [one for one in self.operations if one.matches(method, path)]
        return min(found, key=lambda one: one.path.count("{"), default=None)


class Difference(Struct, frozen=True):
    """
    One way in which an answer is not what the contract says.

    Attributes:
        kind: A field that is `missing`, a value of another `type`, a new `field`, a new `word`.
        place: Where, such as `data[].status`.
        found: What is there instead; empty when nothing is.
    """

    kind: Departure
    place: str
    found: str = ""

    @property
    def is_new(self) -> bool:
        """Whether it adds to the contract rather than denies it."""
        return self.kind in {"field", "word"}

    @property
    def words(self) -> str:
        """It in words."""
        match self.kind:
            case "missing":
                return f"{self.place} is missing"
            case "type":
                return f"{self.place} is {self.found}"
            case "word":
                return f"new word {shown_word(self.found)} in {self.place}"
            case "field":
                return f"new field {self.place}"


CONTRACT: Final = json.decode((pathlib.Path(__file__).parent / "contract.json").read_bytes(), type=Contract)


def compare_answer(operation: Operation, answer: object) -> Iterator[Difference]:
    """Yield how an answer of 200 departs from the contract."""
    members = as_object(answer)
    if not members.get("data") and members.get("error"):
        yield from compare(CONTRACT.error, members["error"], "error")
        return
    if "data" not in members:
        yield Difference("missing", "data")
    if operation.default_limit is not None and "has_more" not in members:
        yield Difference("missing", "has_more")
    for difference in compare(operation.answer, answer, ""):
        # Any answer may have the member, as long as it is null.
        if difference != Difference("field", "error") or members["error"] is not None:
            yield difference


def compare(shape: Shape, value: object, place: str) -> Iterator[Difference]:
    """Yield how a value departs from a shape; `place` is where it stands."""
    kind = type_of(value)
    if shape.types and kind not in shape.types and not (kind == "integer" and "number" in shape.types):
        yield Difference("type", place or "the answer", f"{kind}, not {' or '.join(shape.types)}")
    elif isinstance(value, dict):
        yield from _compare_object(shape, cast("dict[str, object]", value), place)
    elif isinstance(value, list) and shape.items is not None:
        for item in cast("list[object]", value):
            yield from compare(shape.items, item, f"{place}[]")
    elif isinstance(value, str) and shape.words and value not in shape.words:
        yield Difference("word", place, value)


def _compare_object(shape: Shape, value: dict[str, object], place: str) -> Iterator[Difference]:
    if shape.fields is None:
        return
    prefix = f"{place}." if place else ""
    for name in shape.required:
        if name not in value:
            yield Difference("missing", prefix + name)
    for name, member in value.items():
        if name in shape.fields:
            yield from compare(shape.fields[name], member, prefix + name)
        else:
            yield Difference("field", prefix + shown_name(name))


def type_of(value: object) -> str:
    """Return the name of a value's JSON type."""
    return _TYPES.get(type(value), "null")


def as_object(value: object) -> dict[str, object]:
    """Return a JSON object, or an empty one in place of anything else."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def as_rows(value: object) -> list[dict[str, object]]:
    """Return the objects of a JSON array; none of anything else."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, object]", item) for item in items if isinstance(item, dict)]


def as_texts(value: object) -> list[str]:
    """Return the texts of a JSON array; none of anything else."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [item for item in items if isinstance(item, str)]


def shown_name(name: str) -> str:
    """Return the name of a field if it is one; a key may be an id or a name of the account's."""
    is_plain = len(name) <= 40 and name.replace("_", "").isalpha() and name.isascii()
    return name if is_plain else "(a name that is not shown)"


def shown_word(value: object) -> str:
    """Return a word of the service's if it looks like one; anything else might be the account's."""
    text = str(value)
    return text if re.fullmatch(r"[A-Za-z][A-Za-z_.-]{0,60}|", text) else "(not shown)"
