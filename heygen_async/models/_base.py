"""
What all values share: open enums and moments.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Self

from msgspec import Meta, Struct, convert
from msgspec.structs import asdict, fields

from .._redact import clean

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

# An id may have any character: it is escaped where a path is built. A pattern here would double the time of a read.
Id = Annotated[str, Meta(min_length=1)]

# An integer of the wire: one beyond 64 bits is none, and would break arithmetic with floats.
Int = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]

# What a notebook shows of a value, as far as it has that.
_IN_NOTEBOOKS = (
    *("status", "progress", "title", "name", "resource_type", "mime_type", "duration"),
    *("failure_reason", "failure_message", "session_id", "video_id", "resource_id", "id"),
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(seconds: float | None) -> datetime | None:
    """Return Unix seconds as an aware datetime; None for none, for 0, and for what no calendar holds."""
    if not seconds:
        return None
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None


class Value(Struct, frozen=True):
    """
    What the service says, or is told; web frameworks that are built on pydantic take it as a model.

    What shows it, a log or a notebook, shows addresses without their signatures.
    """

    def __repr__(self) -> str:
        shown = (f"{name}={_shown(name, getattr(self, name))}" for name in self.__struct_fields__)
        return f"{type(self).__name__}({', '.join(shown)})"

    def _repr_html_(self) -> str | None:
        # Called by notebooks, which keep it: nothing is read for it, and the page of a video is the only link.
        from html import escape

        known = {name: getattr(self, name, None) for name in _IN_NOTEBOOKS}
        cells = {name: escape(clean(str(value))) for name, value in known.items() if value is not None}
        page = (getattr(self, "video_page_url", None) or "").partition("?")[0].partition("#")[0]
        if page.startswith("https://") and "@" not in page:
            cells["page"] = f'<a href="{escape(page)}" rel="noreferrer">{escape(clean(page))}</a>'
        rows = "".join(f"<tr><th>{name}</th><td>{cell}</td></tr>" for name, cell in cells.items())
        return f"<table>{rows}</table>" if rows else None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        # Called by pydantic alone, for instance for the response model of a web framework.
        from pydantic_core import core_schema as core

        columns = {
            each.name: core.typed_dict_field(handler.generate_schema(each.type), required=each.required)
            for each in fields(cls)
        }
        shape = core.typed_dict_schema(columns, cls_name=cls.__name__)
        names = {each.name: each.encode_name for each in fields(cls)}

        def read(value: dict[str, object] | Value) -> Value:
            if isinstance(value, dict):
                value = {names.get(name, name): each for name, each in value.items()}
            return value if isinstance(value, cls) else convert(value, cls)

        return core.no_info_plain_validator_function(
            read,
            json_schema_input_schema=shape,
            serialization=core.plain_serializer_function_ser_schema(asdict, return_schema=shape),
        )


def _shown(name: str, value: object) -> str:
    text = repr(value)
    has_address = isinstance(value, str | dict) and (name.endswith("url") or "://" in text)
    return clean(text) if has_address else text


class Dated(Value, frozen=True, kw_only=True):
    """
    What was made at some time.

    Attributes:
        created_at: Unix seconds, as the service gave them.
    """

    created_at: Int | None = None

    @property
    def created(self) -> datetime | None:
        """When it was made; None when the service did not say."""
        return moment(self.created_at)


class Amounts(Value, frozen=True):
    """What decides about money: all its fields are right, or none is there."""


class OpenStrEnum(StrEnum):
    """An enum the service may extend: an unknown word becomes a member-like value that keeps its text."""

    __hash__ = str.__hash__  # equal as text, and an enum's own is many times slower

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        # Never registered: the words come from outside, and remembering them all would be a leak.
        word = str.__new__(cls, value)
        word._name_ = value
        word._value_ = value
        return word

    @property
    def is_known(self) -> bool:
        """Whether this SDK knows the word."""
        return self._value_ in type(self)._value2member_map_
