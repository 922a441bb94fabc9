"""What can be said of the service without a session of one's own."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from .contract import CONTRACT, shown_word
from .statement import (
    NOT_SEEN,
    Exchanges,
    Judgement,
    find,
    refusal_of,
    route_of,
    rows_of,
    statement,
)
from .texts import UNKNOWN, UNKNOWN_FIELD
from .walk import PAUSE

if TYPE_CHECKING:
    from .exchanges import RecordedExchange

_CLOCK_SECONDS: Final = 5.0


@statement("A bad key is refused with 401", "Errors: authentication_failed", "high")
def bad_key(exchanges: Exchanges) -> Judgement:
    return _judge_refusals(exchanges, "bad key", {401})


@statement("An unknown id is refused with 404", "Errors: not_found", "high")
def unknown_ids(exchanges: Exchanges) -> Judgement:
    return _judge_refusals(exchanges, "unknown id", {404})


@statement(
    "The id of an avatar group is no look: 404", "Endpoints: a group id asked as a look is 404", "medium"
)
def group_as_look(exchanges: Exchanges) -> Judgement:
    return _judge_refusals(exchanges, "group as look", {404})


@statement("A limit that is too large is refused with 400", "Pagination: out of range", "low")
def large_limits(exchanges: Exchanges) -> Judgement:
    return _judge_refusals(exchanges, "large limit", {400})


@statement(
    "An unknown field of a create is refused with 400", "Request bodies: unknown fields are rejected", "high"
)
def unknown_field(exchanges: Exchanges) -> Judgement:
    verdict, details = _judge_refusals(exchanges, "unknown field", {400, 422})
    one = next(iter(find(exchanges, "unknown field")), None)
    if one is not None and verdict == "confirmed":
        if one.status == 422:
            return "new", "422, as one report has it"
        if one.error.get("param") != UNKNOWN_FIELD:
            return "not seen", "the empty prompt beside it was refused first"
    return verdict, details


def _judge_refusals(exchanges: Exchanges, purpose: str, wanted: set[int]) -> Judgement:
    """Judge requests that must be refused."""
    answers = find(exchanges, purpose)
    wrong = [f"{route_of(one)} answers {refusal_of(one)}" for one in answers if one.status not in wanted]
    if wrong:
        return "refuted", "; ".join(wrong)
    return ("confirmed", ", ".join(sorted(set(map(refusal_of, answers))))) if answers else NOT_SEEN


@statement("Pages go on by token, and do not overlap", "Pagination: has_more", "high")
def pages(exchanges: Exchanges) -> Judgement:
    if not (pages := find(exchanges, "next page")):
        return NOT_SEEN
    [first], [second] = find(exchanges, "first page"), pages
    rows, more = rows_of(first), rows_of(second)
    if not second.is_ok or not more:
        return "refuted", f"the second page has {len(more)} rows, with status {second.status}"
    if any(row in rows for row in more):
        return "refuted", "the second page repeats rows of the first"
    return "confirmed", f"{len(rows)} and {len(more)} rows"


@statement("Lists have their default page sizes", "Endpoints: limit 1–100 (20)", "low")
def page_sizes(exchanges: Exchanges) -> Judgement:
    full: list[str] = []
    wrong: list[str] = []
    for one in find(exchanges, "list"):
        operation = CONTRACT.find(one.method, one.path)
        size = operation.default_limit if operation is not None else None
        if size is None or not one.is_ok:
            continue
        count = len(rows_of(one))
        if count > size or (one.members.get("has_more") is True and count != size):
            wrong.append(f"{one.path}: {count} rows, not {size}")
        elif one.members.get("has_more") is True:
            full.append(one.path)
    if wrong:
        return "refuted", "; ".join(wrong)
    return ("confirmed", ", ".join(full)) if full else ("not seen", "no list is long enough")


@statement("A status of an unknown id is not_found", "Endpoints: unknown id = status `not_found`", "medium")
def unknown_statuses(exchanges: Exchanges) -> Judgement:
    asked = [one for one in find(exchanges, "statuses") if one.is_ok and _is_about_unknown(one)]
    words = {str(rows_of(one)[-1].get("status")) if rows_of(one) else "no row" for one in asked}
    if not asked:
        return NOT_SEEN
    return (
        ("confirmed", "")
        if words == {"not_found"}
        else ("refuted", ", ".join(map(shown_word, sorted(words))))
    )


def _is_about_unknown(one: RecordedExchange) -> bool:
    return any(ids.endswith(UNKNOWN) for ids in one.query.values())


@statement("A key is honoured where that is declared", "Idempotency: Declared for", "high")
def declared_keys(exchanges: Exchanges) -> Judgement:
    first, again = find(exchanges, "key"), find(exchanges, "key again")
    if not (first and again and first[0].is_ok):
        return NOT_SEEN
    same = first[0].data.get("asset_id") == again[0].data.get("asset_id")
    return (
        ("confirmed", "the same slot twice")
        if again[0].is_ok and same
        else ("refuted", "two different answers")
    )


@statement("The service's clock agrees with this one", "Basics: Unix seconds", "medium")
def clock(exchanges: Exchanges) -> Judgement:
    answered = [one for one in exchanges if one.status and one.path.startswith("/v3/")]
    dated = [one for one in answered if "date" in one.headers]
    if not dated:
        return ("new", "answers carry no Date header") if answered else NOT_SEEN
    offsets = sorted(offset for one in dated if (offset := _clock_offset(one)) is not None)
    if not offsets:
        return "new", "no Date header can be read"
    offset = offsets[len(offsets) // 2]
    if abs(offset) > _CLOCK_SECONDS:
        return "new", f"by its Date header it is {abs(offset):.0f} s {'ahead' if offset > 0 else 'behind'}"
    return "confirmed", f"within {_CLOCK_SECONDS:.0f} s, by the Date header"


def _clock_offset(one: RecordedExchange) -> float | None:
    try:
        at = parsedate_to_datetime(one.headers["date"]).timestamp()
    except ValueError:
        return None
    return at + 0.5 - one.sent_at - one.elapsed / 2  # a date is cut to whole seconds


@statement(f"{1 / PAUSE:.0f} requests a second are not too many", "Limits: 429", "medium")
def rate(exchanges: Exchanges) -> Judgement:
    refused = [one for one in exchanges if one.status == 429]
    if not refused:
        return ("confirmed", f"{len(exchanges)} requests, no 429") if exchanges else NOT_SEEN
    paces = {f"Retry-After {one.headers['retry-after']}" for one in refused if "retry-after" in one.headers}
    codes = {shown_word(one.code) for one in refused if one.code}
    said = ", ".join(sorted(codes | paces)) or "without a pace"
    return "new", f"{len(refused)} of {len(exchanges)} were refused with 429: {said}"


@statement("Answers carry no X-RateLimit headers", "Limits: no X-RateLimit headers", "low")
def rate_headers(exchanges: Exchanges) -> Judgement:
    names = sorted({name for one in exchanges for name in one.headers if name.startswith("x-ratelimit")})
    if names:
        return "new", ", ".join(names)
    return ("confirmed", "") if any(one.status for one in exchanges) else NOT_SEEN


@statement("Answers carry X-Request-Id", "Basics: X-Request-Id", "low")
def request_ids(exchanges: Exchanges) -> Judgement:
    answered = [one for one in exchanges if one.status and one.path.startswith("/v3/")]
    without = [one for one in answered if "x-request-id" not in one.headers]
    if not answered:
        return NOT_SEEN
    return ("new", f"{len(without)} of {len(answered)} answers have none") if without else ("confirmed", "")


@statement("The event types are those known", "Webhooks: Event names", "medium")
def event_types(exchanges: Exchanges) -> Judgement:
    listed = [one for one in find(exchanges, "list") if one.path.endswith("/event-types") and one.is_ok]
    if not listed:
        return NOT_SEEN
    names = {str(row.get("event_type")) for row in rows_of(listed[0])}
    # Without a name for them the row of the endpoint says what is wrong; a short page proves no absence.
    if names == {"None"} or not names:
        return NOT_SEEN
    known = set(CONTRACT.events)
    gone = sorted(known - names) if listed[0].members.get("has_more") is not True else []
    added = [f"new event {shown_word(name)}" for name in sorted(names - known)]
    if gone:
        return "refuted", "; ".join([*(f"{name} is gone" for name in gone), *added])
    return ("new", "; ".join(added)) if added else ("confirmed", f"{len(names)} of them")


STATEMENTS: Final = (
    bad_key,
    unknown_ids,
    group_as_look,
    large_limits,
    unknown_field,
    pages,
    page_sizes,
    unknown_statuses,
    declared_keys,
    clock,
    rate,
    rate_headers,
    request_ids,
    event_types,
)
