"""Faults that answer in place of the service."""

from __future__ import annotations

from email.utils import formatdate

from .._http import EMPTY, Exchange, HttpResponse, ResponseDelivery, error_response, json_response
from .._service.operations import FILES, WRITES
from .registry import API, Params, before, number

ABSURD_SECONDS = 86_400


@before("connect_refused")
def refuse_connection(_params: Params, _now: float) -> Exchange:
    """Never connected; on a socket a reset, unprocessed."""
    return Exchange(EMPTY, ResponseDelivery.REFUSED)


@before("reset_before")
def reset_connection(_params: Params, _now: float) -> Exchange:
    """Accepted, then reset; not processed."""
    return Exchange(EMPTY, ResponseDelivery.RESET)


@before("silence_before")
def ignore_request(_params: Params, _now: float) -> Exchange:
    """Accepted, then nothing at all; not processed."""
    return Exchange(EMPTY, ResponseDelivery.NOTHING)


@before("gateway_html", may_be_processed=True)
def answer_502_html(_params: Params, _now: float) -> Exchange:
    """502 with an HTML page; `processed` (False)."""
    return _html(502, "Bad Gateway")


@before("proxy_403_html", survivable=False, may_be_processed=True)
def answer_403_html(_params: Params, _now: float) -> Exchange:
    """403 with an HTML page of a proxy; `processed` (False)."""
    return _html(403, "Forbidden")


@before("error_500", may_be_processed=True)
def answer_500(_params: Params, _now: float) -> Exchange:
    """500 in the error envelope; `processed` (False)."""
    return _error(500, "internal_error", "Something went wrong.")


@before("error_500_plain", may_be_processed=True)
def answer_500_plain(_params: Params, _now: float) -> Exchange:
    """500 without envelope; `processed` (False)."""
    return _text(500, "Internal Server Error")


@before("error_503", may_be_processed=True)
def answer_503(params: Params, _now: float) -> Exchange:
    """503 with Retry-After of `retry_after` seconds (2); `processed` (False)."""
    wait = f"{number(params, 'retry_after', 2):g}"
    return _error(503, "service_unavailable", "The service is busy.", retry_after=wait)


@before("error_408", may_be_processed=True)
def answer_408(_params: Params, _now: float) -> Exchange:
    """408 of a gateway; `processed` (False)."""
    return _text(408, "Request Timeout")


@before("error_425", may_be_processed=True)
def answer_425(_params: Params, _now: float) -> Exchange:
    """425 of a gateway; `processed` (False)."""
    return _text(425, "Too Early")


@before("error_499", may_be_processed=True)
def answer_499(_params: Params, _now: float) -> Exchange:
    """499 of a gateway; `processed` (False)."""
    return _text(499, "Client Closed Request")


@before("conflict_without_code", survivable=False, may_be_processed=True)
def answer_409_plain(_params: Params, _now: float) -> Exchange:
    """409 without a code; `processed` (False)."""
    return _text(409, "Conflict")


@before("error_200", may_be_processed=True)
def answer_200_with_error(params: Params, _now: float) -> Exchange:
    """200 whose body is an error; `variant`: full, code_only, empty, numeric; `processed` (False)."""
    message = "Something went wrong."
    variants: dict[str, object] = {
        "full": {"code": "internal_error", "message": message, "param": None, "doc_url": None},
        "code_only": {"code": "internal_error"},
        "empty": {},
        "numeric": {"code": 40012, "message": message},
    }
    return Exchange(json_response({"error": variants[str(params.get("variant", "full"))]}))


@before("rate_limit")
def answer_429(params: Params, now: float) -> Exchange:
    """429; `retry_after` seconds (2), date, absurd, missing."""
    wanted = params.get("retry_after", 2)
    forms = {"date": formatdate(now + 2, usegmt=True), "absurd": str(ABSURD_SECONDS), "missing": ""}
    value = forms.get(str(wanted), str(wanted))
    headers = {"retry_after": value} if value else {}
    return _error(429, "rate_limit_exceeded", "Too many requests.", **headers)


@before("unauthorized_once", on=API, survivable=False)
def answer_401(_params: Params, _now: float) -> Exchange:
    """401, as for an expired token."""
    return _error(401, "authentication_failed", "The credential has expired.")


@before("payment_required", on=API, survivable=False)
def answer_402(_params: Params, _now: float) -> Exchange:
    """402 insufficient_credit."""
    return _error(402, "insufficient_credit", "Not enough credit.")


@before("credit_refused", on=API, survivable=False)
def answer_credit_refusal(params: Params, _now: float) -> Exchange:
    """INSUFFICIENT_CREDIT in capitals under another `status` (400)."""
    status = int(number(params, "status", 400))
    return _error(status, "INSUFFICIENT_CREDIT", "Not enough credit.")


@before("forbidden", survivable=False)
def answer_403(_params: Params, _now: float) -> Exchange:
    """403 forbidden."""
    return _error(403, "forbidden", "Not permitted.")


@before("in_progress", on=WRITES)
def answer_409(_params: Params, _now: float) -> Exchange:
    """409 request_in_progress with Retry-After; not processed."""
    message = "The first request with this key is still running."
    return _error(409, "request_in_progress", message, retry_after="1")


@before("redirect_other_origin", survivable=False, may_be_processed=True)
def redirect(params: Params, _now: float) -> Exchange:
    """302 to `location` on another origin; `processed` (False)."""
    location = str(params.get("location", "https://elsewhere.example.test/v3/"))
    return Exchange(HttpResponse(302, {"location": location}, b""))


@before("statuses_missing", on=frozenset({"statuses"}))
def refuse_bulk_status(params: Params, _now: float) -> Exchange:
    """The bulk call answers `status` 404, 403 or 405."""
    status = int(number(params, "status", 404))
    return _error(status, {403: "forbidden", 405: "method_not_allowed"}.get(status, "not_found"), "Not here.")


@before("expired_link", on=FILES, survivable=False)
def refuse_link(_params: Params, _now: float) -> Exchange:
    """403, as for an expired link."""
    return _error(403, "forbidden", "This link has expired.")


def _error(status: int, code: str, message: str, **headers: str) -> Exchange:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Exchange(error_response(status, code, message, headers=named))


def _html(status: int, phrase: str) -> Exchange:
    title = f"{status} {phrase}"
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Exchange(HttpResponse(status, {"content-type": "text/html"}, page.encode()))


def _text(status: int, phrase: str) -> Exchange:
    return Exchange(HttpResponse(status, {"content-type": "text/plain"}, phrase.encode()))
