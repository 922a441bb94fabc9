"""
What a statement of the contract is, and what its judges share.

A judge is a function of recorded exchanges. Without an exchange to judge by, its statement is not seen; that something
did not happen is no proof against a statement that it may happen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

from msgspec import Struct

from .contract import CONTRACT, as_rows, shown_word
from .exchanges import RecordedExchange

Verdict = Literal["confirmed", "refuted", "not seen", "new"]
Severity = Literal["high", "medium", "low"]
Judgement = tuple[Verdict, str]
Exchanges = Sequence[RecordedExchange]
Judge = Callable[[Exchanges], Judgement]

NOT_SEEN: Final[Judgement] = ("not seen", "")


class Statement(Struct, frozen=True):
    """
    A statement about behaviour.

    Attributes:
        name: The statement.
        contract: Where contract.md makes it: the section, and words of the line.
        severity: What it means for a client when it does not hold.
        judge: Returns the verdict, and what was seen in words.
    """

    name: str
    contract: str
    severity: Severity
    judge: Judge


def statement(name: str, cite: str, severity: Severity) -> Callable[[Judge], Statement]:
    """Make a function the judge of a statement."""
    return lambda judge: Statement(name, cite, severity, judge)


def find(exchanges: Exchanges, purpose: str) -> list[RecordedExchange]:
    """Return the exchanges of a purpose, without those that were tried again."""
    repeated = {one.number - 1 for one in exchanges if one.attempt > 1}
    return [
        one
        for one in exchanges
        if one.purpose == purpose
        and one.number not in repeated
        and one.status not in {0, 429}
        and one.status < 500
    ]


def rows_of(one: RecordedExchange) -> list[dict[str, object]]:
    """Return the rows of a page."""
    return as_rows(one.members.get("data"))


def route_of(one: RecordedExchange) -> str:
    """Return the name of the endpoint that was asked."""
    operation = CONTRACT.find(one.method, one.path)
    return operation.name if operation is not None else one.method


def refusal_of(one: RecordedExchange) -> str:
    """Return status and code of a refusal."""
    return f"{one.status} {shown_word(one.code)}".rstrip()
