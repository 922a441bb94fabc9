"""
Writes `answers/`: every field of every model absent, null, of a wrong type, absurdly large, and beside an unknown one.

Run it from the repository's root (`python -m corpus.generate`, with `tests` on the path) after a model has changed,
and read what changed before you commit it.
"""

from __future__ import annotations

import json
import pathlib
from typing import Any

import msgspec
from msgspec import NODEFAULT, inspect

from heygen_async.models._base import Amounts
from strategies import ANSWERS

FOLDER = pathlib.Path(__file__).with_name("answers")
LONG = "@long text"  # stands for 100,000 characters
HUGE = "@huge number"  # stands for a number of 400 digits
DECISIVE = {"video_id"}
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
    return found


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
        return "refused"
    if item.required or (item.name in DECISIVE and not is_missing):
        return "left out" if is_list else "refused"
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
