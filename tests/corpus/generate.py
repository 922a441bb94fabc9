"""
Writes `answers/`: every field of every model absent, null, of a wrong type, absurdly large, and beside an unknown one,
inside objects and lists too.

Run it from the repository's root (`python -m corpus.generate`, with `tests` on the path) after a model has changed,
and read what changed before you commit it.
"""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import NODEFAULT, inspect

from heygen_async.models._base import Amounts
from strategies import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = pathlib.Path(__file__).with_name("answers")
LONG = "@long text"  # stands for 100,000 characters
HUGE = "@huge number"  # stands for a number of 400 digits
DECISIVE = {"video_id"}
LEFT_OUT = "left out"  # what becomes of a row or of an object without which the rest is worth reading
REFUSED = "refused"
SCALARS: dict[type[inspect.Type], object] = {
    inspect.IntType: 7,
    inspect.FloatType: 1.5,
    inspect.BoolType: True,
}


def sample(kind: inspect.Type) -> Any:
    """A good value of a type."""
    match kind:
        case inspect.StructType():
            return {item.encode_name: sample(item.type) for item in kind.fields}
        case inspect.UnionType():
            return sample(next(option for option in kind.types if not isinstance(option, inspect.NoneType)))
        case inspect.VarTupleType():
            return [sample(kind.item_type)]
        case inspect.EnumType():
            return next(iter(kind.cls)).value
        case inspect.DictType():
            return {"a": "b"}
        case _:
            return SCALARS.get(type(kind), "text_1")


def plain(kind: inspect.Type) -> inspect.Type:
    """A type without its None."""
    if isinstance(kind, inspect.UnionType):
        return next(option for option in kind.types if not isinstance(option, inspect.NoneType))
    return kind


def flaws(kind: inspect.Type) -> dict[str, Any]:
    """The values a field of a type is given; `absent` stands for none."""
    wanted = plain(kind)
    wrong: Any = {} if isinstance(wanted, inspect.VarTupleType) else []
    found: dict[str, Any] = {"absent": ..., "null": None, "wrong": wrong}
    if isinstance(wanted, inspect.IntType | inspect.FloatType):
        found["huge"] = HUGE
    if isinstance(wanted, inspect.StrType):
        found["huge"] = LONG
    return found


def default(item: inspect.Field) -> Any:
    """What a field is when the service leaves it out, as JSON has it."""
    value: Any = item.default
    if value is not NODEFAULT:
        return json.loads(msgspec.json.encode(value))
    return item.default_factory() if item.default_factory is not NODEFAULT else None


def answers() -> dict[str, dict[str, Any]]:
    """The answers by the names of their files."""
    found: dict[str, dict[str, Any]] = {}
    for name, (decoder, _) in sorted(ANSWERS.items()):
        if name in {"ANYTHING", "CREATED"}:
            continue
        envelope = inspect.type_info(decoder.type)
        assert isinstance(envelope, inspect.StructType)
        [data_type] = [item.type for item in envelope.fields if item.name == "data"]
        is_list = isinstance(data_type, inspect.VarTupleType)
        model = data_type.item_type if isinstance(data_type, inspect.VarTupleType) else data_type
        if not isinstance(model, inspect.StructType):
            continue
        good = sample(model)
        found[f"{name}-unknown"] = entry(name, good | {"unheard_of": [1]}, "same", is_list=is_list)
        for item in model.fields:
            for flaw, value in flaws(item.type).items():
                data = {key: other for key, other in good.items() if key != item.encode_name}
                if value is not ...:
                    data[item.encode_name] = value
                becomes = expected(model, item, flaw, is_list=is_list)
                found[f"{name}-{item.name}-{flaw}"] = entry(name, data, becomes, item.name, is_list=is_list)
            found |= inner_answers(name, good, item, is_list=is_list)
    return found


def inner_answers(
    name: str, good: dict[str, Any], item: inspect.Field, *, is_list: bool
) -> dict[str, dict[str, Any]]:
    """The answers with a flaw inside one of their fields."""
    found: dict[str, dict[str, Any]] = {}
    for flaw, value, inner in inner_flaws(plain(item.type)):
        becomes = carried(item, inner)
        if becomes == LEFT_OUT and not is_list:
            becomes = REFUSED
        data = good | {item.encode_name: value}
        found[f"{name}-{item.name}.{flaw}"] = entry(name, data, becomes, item.name, is_list=is_list)
    return found


def inner_flaws(kind: inspect.Type) -> Iterator[tuple[str, Any, Any]]:
    """Each flaw inside an object or a list: its name, the value that has it, and what must become of that."""
    match kind:
        case inspect.StructType():
            yield from flaws_of_object(kind)
        case inspect.VarTupleType():
            good = sample(kind.item_type)
            for flaw, value in flaws(kind.item_type).items():
                if value is not ...:
                    yield f"item-{flaw}", [good, value], [good, value] if value == LONG else [good]
            for flaw, value, becomes in inner_flaws(kind.item_type):
                kept = becomes if becomes == REFUSED else [good] if becomes == LEFT_OUT else [good, becomes]
                yield f"item.{flaw}", [good, value], kept
        case inspect.DictType():
            odd: dict[str, Any] = {"null": None, "odd": [], "huge": LONG}
            takes_all = not isinstance(kind.value_type, inspect.StrType)
            for flaw, value in odd.items():
                yield f"value-{flaw}", {"a": value}, {"a": value} if takes_all or value == LONG else LEFT_OUT
        case _:
            return


def flaws_of_object(kind: inspect.StructType) -> Iterator[tuple[str, Any, Any]]:
    """The same of an object: each of its fields has each flaw."""
    good, is_amount = sample(kind), issubclass(kind.cls, Amounts)
    yield "unknown", good | {"unheard_of": [1]}, good
    for item in kind.fields:
        others = {key: other for key, other in good.items() if key != item.encode_name}
        for flaw, value in flaws(item.type).items():
            becomes = expected(kind, item, flaw, is_list=True)
            if becomes not in (LEFT_OUT, REFUSED):
                becomes = good | {item.encode_name: becomes}
            data = others if value is ... else others | {item.encode_name: value}
            yield f"{item.name}-{flaw}", data, REFUSED if is_amount and becomes == LEFT_OUT else becomes
        for flaw, value, inner in inner_flaws(plain(item.type)):
            becomes = carried(item, inner)
            if becomes not in (LEFT_OUT, REFUSED):
                becomes = good | {item.encode_name: becomes}
            yield f"{item.name}.{flaw}", others | {item.encode_name: value}, becomes


def carried(item: inspect.Field, becomes: Any) -> Any:
    """What becomes of a field, by what becomes of its value: what is left out has its default, or costs the whole."""
    return default(item) if becomes == LEFT_OUT and not item.required else becomes


def expected(model: inspect.StructType, item: inspect.Field, flaw: str, *, is_list: bool) -> Any:
    """What must become of an answer: `refused`, `left out`, or the value of the field."""
    wanted = plain(item.type)
    if flaw == "huge" and isinstance(wanted, inspect.StrType):
        return LONG
    is_amount = issubclass(model.cls, Amounts) or (
        isinstance(wanted, inspect.StructType) and issubclass(wanted.cls, Amounts)
    )
    is_missing = flaw in ("absent", "null")
    if is_amount and not is_missing:
        return REFUSED
    if item.required or (item.name in DECISIVE and not is_missing):
        return LEFT_OUT if is_list else REFUSED
    return default(item)


def entry(
    decoder: str, data: object, becomes: Any, field: str | None = None, *, is_list: bool
) -> dict[str, Any]:
    """One file."""
    body = {"data": [data] if is_list else data}
    return {"decoder": decoder, "field": field, "body": body, "becomes": becomes}


def main() -> None:
    """Write all files anew."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.json"):
        old.unlink()
    for name, content in answers().items():
        (FOLDER / f"{name}.json").write_text(json.dumps(content) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
