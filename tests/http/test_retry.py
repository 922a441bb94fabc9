from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygen_async import RetryPolicy
from heygen_async._api.calls import Kind
from heygen_async._http.retry import (
    Delivery,
    Throttle,
    Tries,
    delivery,
    is_refused_for_all,
    may_be_done,
    pause,
    waits,
)
from heygen_async._polling.planner import poll_pause
from heygen_async.errors import (
    APIError,
    BadResponse,
    ClientStateError,
    Conflict,
    ConnectFailed,
    ConnectionLost,
    Forbidden,
    HeyGenError,
    InsufficientCredit,
    InvalidRequest,
    NotFound,
    RateLimited,
    RequestTimeout,
    ServerError,
    TransportError,
    Unauthorized,
)

COSTLY = [Kind.CREATE, Kind.SEND]
CHEAP = [Kind.READ, Kind.REPEATABLE]
DICE = st.floats(0, 1, exclude_max=True)


def said(kind: type[APIError], status: int, code: str | None = None, after: float | None = None) -> APIError:
    """A refusal of the service."""
    return kind("No.", status=status, code=code, retry_after=after)


def page(kind: type[APIError], status: int) -> APIError:
    """The page of a proxy in between."""
    return kind("<html>", status=status, from_service=False)


NEVER_SENT: dict[str, HeyGenError] = {"connect": ConnectFailed("No route.")}
PACED: dict[str, HeyGenError] = {
    "429": said(RateLimited, 429, "rate_limit_exceeded", 3.0),
    "429-without-pace": said(RateLimited, 429),
    "429-in-a-success": said(RateLimited, 200, "rate_limited"),
    "409-in-progress": said(Conflict, 409, "request_in_progress"),
    "409-not-ready": said(Conflict, 409, "resource_not_ready"),
    "409-brand-kit": said(Conflict, 409, "brand_kit_not_ready"),
}
MAYBE_DONE: dict[str, HeyGenError] = {
    "timeout": RequestTimeout("Silence."),
    "lost": ConnectionLost("Reset."),
    "500": said(ServerError, 500, "internal_error"),
    "500-with-pace": said(ServerError, 500, after=3.0),
    "502": said(ServerError, 502),
    "503-with-pace": said(ServerError, 503, after=3.0),
    "503-without-pace": said(ServerError, 503),
    "408": said(APIError, 408, "request_timeout"),
    "421": said(APIError, 421),
    "425": said(APIError, 425),
    "499": said(APIError, 499),
    "499-of-a-proxy": page(APIError, 499),
    "504": said(ServerError, 504, "gateway_timeout"),
    "500-in-a-success": said(ServerError, 200, "internal_error"),
    "nonsense": BadResponse("Not JSON.", status=200),
    "nonsense-without-status": BadResponse("Not HTTP."),
}
UNCLEAR: dict[str, HeyGenError] = {
    "redirect": BadResponse("Elsewhere.", status=302),
    "not-modified": BadResponse("Nowhere.", status=304),
    "409-without-code": said(Conflict, 409),
    "400-of-a-proxy": page(InvalidRequest, 400),
    "403-of-a-proxy": page(Forbidden, 403),
    "404-of-a-proxy": page(NotFound, 404),
    "418-of-a-proxy": page(APIError, 418),
}
FINAL: dict[str, HeyGenError] = {
    "400": said(InvalidRequest, 400, "invalid_parameter"),
    "400-download": said(InvalidRequest, 400, "download_failed"),
    "401": said(Unauthorized, 401),
    "402": said(InsufficientCredit, 402),
    "403": said(Forbidden, 403),
    "404": said(NotFound, 404),
    "409-conflict": said(Conflict, 409, "conflict"),
    "401-of-a-proxy": page(Unauthorized, 401),
    "407-of-a-proxy": page(APIError, 407),
    "413-of-a-proxy": page(InvalidRequest, 413),
    "418": said(APIError, 418),
    "422": said(InvalidRequest, 422),
    "429-quota": said(RateLimited, 429, "quota_exceeded", 3.0),
    "closed": ClientStateError("Closed."),
}
ALL = [
    *((Delivery.NOT_DONE, error) for error in NEVER_SENT.values()),
    *((Delivery.NOT_DONE, error) for error in PACED.values()),
    *((Delivery.MAYBE_DONE, error) for error in MAYBE_DONE.values()),
    *((Delivery.UNCLEAR, error) for error in UNCLEAR.values()),
    *((Delivery.FINAL, error) for error in FINAL.values()),
]
NAMES = [*NEVER_SENT, *PACED, *MAYBE_DONE, *UNCLEAR, *FINAL]


def wait_after(
    error: HeyGenError, kind: Kind, *, tried: int = 1, elapsed: float = 1.0, **policy: Any
) -> float | None:
    """The wait after a failure, so many exchanges after the start."""
    limits = RetryPolicy(**policy)
    tries = Tries(limits, lambda: 0.5)
    tries.count = tried
    return tries.wait_after(kind, error, elapsed=elapsed)


# ---- the table of design 3.2 --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("expected", "error"), ALL, ids=NAMES)
def test_failure_tells_what_became_of_the_request(expected: Delivery, error: HeyGenError) -> None:
    """Each failure says whether the request never left, was refused for now or for good, or may be done."""
    assert expected is delivery(error)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("error", [*NEVER_SENT.values(), *PACED.values()], ids=[*NEVER_SENT, *PACED])
def test_what_was_not_done_is_sent_again(error: HeyGenError, kind: Kind) -> None:
    """What never left or was refused for now is sent again, whatever it costs."""
    assert wait_after(error, kind) is not None


@pytest.mark.parametrize("kind", CHEAP)
@pytest.mark.parametrize("error", MAYBE_DONE.values(), ids=MAYBE_DONE)
def test_harmless_repetition_is_sent_again(error: HeyGenError, kind: Kind) -> None:
    """What may be done is sent again where twice is the same as once."""
    assert wait_after(error, kind) is not None


@pytest.mark.parametrize("kind", COSTLY)
@pytest.mark.parametrize("error", [*MAYBE_DONE.values(), *UNCLEAR.values()], ids=[*MAYBE_DONE, *UNCLEAR])
def test_costly_write_is_recovered_first(error: HeyGenError, kind: Kind) -> None:
    """A create or send that may be done is never sent again blindly."""
    assert may_be_done(error)
    assert wait_after(error, kind) is None


@pytest.mark.parametrize("kind", CHEAP)
@pytest.mark.parametrize("error", UNCLEAR.values(), ids=UNCLEAR)
def test_answer_of_something_else_ends_a_read(error: HeyGenError, kind: Kind) -> None:
    """What answers in place of the service would answer so again: nothing is repeated where nothing is at stake."""
    assert wait_after(error, kind) is None


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("error", FINAL.values(), ids=FINAL)
def test_final_refusal_is_raised(error: HeyGenError, kind: Kind) -> None:
    """A refusal for good is raised at once."""
    assert wait_after(error, kind) is None


@pytest.mark.parametrize(("_", "error"), ALL, ids=NAMES)
def test_refused_credential_concerns_all(_: Delivery, error: HeyGenError) -> None:
    """401, and the service's own 402 and 403, would meet every further request too; nothing else would."""
    own = isinstance(error, InsufficientCredit | Forbidden) and error.from_service
    assert (own or isinstance(error, Unauthorized)) == is_refused_for_all(error)


# ---- how long to wait ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "longest", "expected"),
    [
        (0.5, 30.0, [0.5, 1, 2, 4, 8, 16, 30, 30]),
        (1.0, 4.0, [1, 2, 4, 4, 4, 4, 4, 4]),
        (10.0, 3.0, [3] * 8),
    ],
    ids=["default", "short", "capped-at-once"],
)
def test_waits_double_up_to_the_longest(base: float, longest: float, expected: list[float]) -> None:
    """Our own waits double, and none is longer than the longest."""
    assert expected == list(islice(waits(base, longest), 8))


def test_waits_go_on_for_ever() -> None:
    """The thousandth wait is as long as the longest."""
    assert 30 == next(islice(waits(0.5, 30), 1000, None))


@given(st.floats(1, 1e6), DICE)
def test_pace_is_only_jittered_upwards(asked: float, jitter: float) -> None:
    """The service's pace is kept, or a little longer; never shorter."""
    assert asked <= pause(said(RateLimited, 429, after=asked), 99.0, jitter=jitter) <= asked * 1.1


@pytest.mark.parametrize("asked", [0.0, 0.001, 0.999])
@pytest.mark.parametrize("kind", Kind)
def test_pace_of_nothing_is_no_licence(kind: Kind, asked: float) -> None:
    """A Retry-After below a second is answered with a second, then two, then four: never with none."""
    policy = RetryPolicy(base=0.01, longest=0.02)
    tries = Tries(policy, lambda: 0.0)
    error = said(RateLimited, 429, after=asked)
    found = [tries.wait_after(kind, error, elapsed=0) for tries.count in (1, 2, 3, 4)]

    assert [1.0, 2.0, 4.0, 8.0] == found


def test_refusals_in_a_row_lengthen_the_pause_of_all() -> None:
    """Refusals of one pause count once; each that follows a pause doubles the next; a quiet minute starts over."""
    throttle, error = Throttle(), said(RateLimited, 429, after=0.0)

    def refuse(now: float) -> float:
        throttle.refuse(error, now=now, longest=120.0, jitter=0.0)
        return throttle.resume - now

    assert [1.0, 1.0, 2.0] == [refuse(0.0), refuse(0.0), refuse(1.0)]
    assert [4.0, 8.0, 16.0, 30.0, 30.0] == [refuse(now) for now in (3.0, 7.0, 15.0, 31.0, 61.0)]
    assert 1.0 == refuse(200.0)


@given(st.floats(0, 1e6), DICE)
def test_own_wait_is_jittered(own: float, jitter: float) -> None:
    """Without a pace the wait is ours, between half of it and all of it, so that clients spread."""
    for error in (said(RateLimited, 429), ConnectFailed("No route.")):
        assert own / 2 <= pause(error, own, jitter=jitter) <= own


@given(st.integers(1, 10_000), DICE)
def test_failed_polls_slow_down(failures: int, jitter: float) -> None:
    """Polls that fail in a row come slower, by a bounded wait, and never busily."""
    wait = poll_pause(failures, jitter=jitter)

    assert 1 <= wait <= 30
    assert wait <= poll_pause(failures + 1, jitter=jitter)


# ---- limits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tried", [1, 2, 3, 4])
def test_attempts_are_limited(tried: int) -> None:
    """With three attempts the third failure is raised; with one the first."""
    wait = wait_after(ConnectFailed("No route."), Kind.READ, tried=tried, max_attempts=3)
    assert (tried < 3) == (wait is not None)
    assert wait_after(ConnectFailed("No route."), Kind.READ, tried=tried, max_attempts=1) is None


@pytest.mark.parametrize(
    ("elapsed", "expected"), [(0.0, True), (56.9, True), (57.1, False), (1e9, False)], ids=str
)
def test_elapsed_time_is_limited(elapsed: float, expected: bool) -> None:
    """No exchange starts later than the elapsed limit: the wait before it counts."""
    error = said(RateLimited, 429, after=3 / 1.05)  # three seconds with half the jitter

    assert expected == (wait_after(error, Kind.READ, elapsed=elapsed, max_elapsed=60) is not None)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("pace", [120.1, 86_400.0, 1e300])
def test_pace_above_the_cap_is_raised_at_once(kind: Kind, pace: float) -> None:
    """A pace longer than the policy bears is not waited for; the error carries it."""
    error = said(RateLimited, 429, after=pace)

    assert wait_after(error, kind, max_elapsed=1e9) is None
    assert pace == error.retry_after


def test_pace_at_the_cap_is_kept() -> None:
    """A pace of just what the policy bears is waited for, jitter and all."""
    assert 120.0 * 1.05 == wait_after(said(RateLimited, 429, after=120.0), Kind.CREATE)


def test_waits_of_one_call_double() -> None:
    """One call's failures are answered with longer and longer waits; the next call starts over."""
    policy = RetryPolicy()
    for _ in range(2):
        tries = Tries(policy, lambda: 1.0)
        error = ConnectionLost("Reset.")
        found = [tries.wait_after(Kind.READ, error, elapsed=0) for tries.count in (1, 2, 3)]

        assert [0.5, 1.0, 2.0] == found


@given(
    st.sampled_from([error for _, error in ALL]),
    st.sampled_from(list(Kind)),
    st.integers(1, 50),
    st.floats(0, 1e4),
)
def test_next_exchange_is_within_the_limits(
    error: HeyGenError, kind: Kind, tried: int, elapsed: float
) -> None:
    """Whatever fails whenever: what is sent again is within attempts and time, and was not final."""
    outcome = wait_after(error, kind, tried=tried, elapsed=elapsed)
    if outcome is not None:
        assert tried < RetryPolicy().max_attempts
        assert 0 <= outcome <= RetryPolicy().max_elapsed - elapsed
        assert delivery(error) is not Delivery.FINAL


def test_base_errors_are_final() -> None:
    """A failure of no known kind is not repeated."""
    assert delivery(TransportError("Something.")) is Delivery.FINAL
