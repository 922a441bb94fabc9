"""The rows of the report: from recorded exchanges to verdicts, without I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from . import session_statements, statements
from .contract import CONTRACT, ERROR_CODES, Operation, compare, compare_answer, shown_word
from .statement import Exchanges, Severity, Verdict, refusal_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .exchanges import RecordedExchange

# What a client cannot do without: with another form of these sessions are lost, or paid for twice.
_VITAL: Final = frozenset(
    {
        "POST /v3/video-agents",
        "GET /v3/video-agents",
        "GET /v3/video-agents/{session_id}",
        "POST /v3/video-agents/{session_id}",
        "GET /v3/videos/{video_id}",
        "GET /v3/videos/statuses",
    }
)
# What says nothing about an endpoint, but about the account, the key or the day.
_NOT_ABOUT_IT: Final = frozenset({0, 401, 402, 403, 429, 500, 502, 503, 504})
_REFUSED_ON_PURPOSE: Final = frozenset(
    {
        "unknown id",
        "bad key",
        "large limit",
        "unknown field",
        "group as look",
        "pending",
        "create again",
        "send again",
    }
)


class ProbeRow(Struct, frozen=True, kw_only=True):
    """
    One statement of the contract, and what was seen of it.

    Attributes:
        name: The statement.
        contract: Where contract.md makes it: the section, and words of the line.
        verdict: `confirmed`, `refuted`, `not seen`, or `new` for what the contract does not have.
        severity: What it means for a client when it does not hold.
        details: What was seen, in words.
    """

    name: str
    contract: str
    verdict: Verdict
    severity: Severity
    details: str = ""

    @property
    def words(self) -> str:
        """The statement, what was seen of it, and where the contract says it."""
        details = f": {self.details}" if self.details else ""
        severity = f", {self.severity}" if self.verdict in {"refuted", "new"} else ""
        return f"{self.name}{details} [{self.contract}{severity}]"


def judge(exchanges: Exchanges) -> list[ProbeRow]:
    """Return all rows: one for each endpoint, then one for each statement about behaviour."""
    rows = [_judge_operation(operation, exchanges) for operation in CONTRACT.operations]
    for one in (*statements.STATEMENTS, *session_statements.STATEMENTS):
        verdict, details = one.judge(exchanges)
        row = ProbeRow(
            name=one.name, contract=one.contract, verdict=verdict, severity=one.severity, details=details
        )
        rows.append(row)
    return rows


def _judge_operation(operation: Operation, exchanges: Exchanges) -> ProbeRow:
    refutations: dict[str, None] = {}
    news: dict[str, None] = {}
    answered = False
    for one in exchanges:
        if CONTRACT.find(one.method, one.path) != operation:
            continue
        answered |= one.status == 200
        for is_new, words in _departures(operation, one):
            (news if is_new else refutations)[words] = None
    verdict: Verdict = "confirmed" if answered else "not seen"
    if refutations or news:
        verdict = "refuted" if refutations else "new"
    return ProbeRow(
        name=operation.name,
        contract="Endpoints",
        verdict=verdict,
        severity="high" if operation.name in _VITAL else "medium",
        details="; ".join([*refutations, *news]),
    )


def _departures(operation: Operation, one: RecordedExchange) -> Iterator[tuple[bool, str]]:
    """Yield whether it is new, and the words, for each departure of one exchange."""
    if one.status == 200:
        differences = compare_answer(operation, one.answer)
    else:
        differences = compare(CONTRACT.error, one.error, "error") if one.error else iter(())
    for difference in differences:
        if (difference.kind, difference.place) != ("type", "error.code"):  # a number has been seen
            yield difference.is_new, difference.words
    if one.code and one.code not in ERROR_CODES:
        yield True, f"new code {shown_word(one.code)} with {one.status}"
    if _should_have_answered(operation, one):
        yield False, f"answers {refusal_of(one)}"


def _should_have_answered(operation: Operation, one: RecordedExchange) -> bool:
    if one.status in {200, *_NOT_ABOUT_IT} or one.purpose in _REFUSED_ON_PURPOSE:
        return False
    return operation.method == "GET" and one.purpose != "poll"  # a session may be 404 while it works
