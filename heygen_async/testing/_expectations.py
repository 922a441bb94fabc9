"""What a test expects of the ledger, with an error that shows what was there instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from ..errors._arguments import check_count
from ._arguments import check_optional
from ._service.ledger import CreateRecord, MessageRecord, describe

Record = TypeVar("Record", CreateRecord, MessageRecord)

_MISSING = object()


def find_records(
    records: Sequence[Record], what: str, text: str | None, fields: Mapping[str, object], times: int
) -> list[Record]:
    """
    Return the records with this text and these fields.

    Args:
        records: All there are.
        what: What they are called in the error.
        text: What the prompt or message contains; None for any.
        fields: Fields of the request and their values.
        times: How many there must be.

    Raises:
        AssertionError: There are more or fewer; it lists all there are.
        InvalidArgument: `text` is no text, or `times` no whole number.
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    check_optional(str, "a string", text=text)
    check_count(0, times=times)
    found = [one for one in records if _fits(one, text, fields)]
    if len(found) != times:
        wanted = [*([] if text is None else [f"with {text!r}"]), *(f"{k}={v!r}" for k, v in fields.items())]
        lines = [f"expected {times} {what} {' '.join(wanted)}".rstrip() + f", found {len(found)} among:"]
        lines += [f"  {describe(one)}" for one in records] or ["  none at all"]
        raise AssertionError("\n".join(lines))
    return found


def _fits(record: CreateRecord | MessageRecord, text: str | None, fields: Mapping[str, object]) -> bool:
    sent = record.prompt if isinstance(record, CreateRecord) else record.text
    has_text = text is None or text in sent
    return has_text and all(record.fields.get(name, _MISSING) == value for name, value in fields.items())
