"""Faults that spoil an answer on its way back: the request was processed."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable
from dataclasses import replace

from .._http import Exchange, HttpResponse, JsonObject, ResponseDelivery, as_list, as_object
from .._service.timeline import MESSAGES_SHOWN
from .registry import API, Params, after, number

OVERSIZED_BYTES = 20_000_000
_FILE = frozenset({"media"})
_READ = frozenset({"get"})
_STATUS = frozenset({"create", "get", "video", "statuses"})
_PAID = frozenset({"create", "send"})


@after("reset_after_processing")
def reset_connection(answer: HttpResponse, _params: Params, _random: random.Random) -> Exchange:
    """Processed, then reset before any answer."""
    return Exchange(answer, ResponseDelivery.RESET)


@after("silence")
def withhold_body(answer: HttpResponse, _params: Params, _random: random.Random) -> Exchange:
    """Processed, headers sent, then nothing."""
    return Exchange(answer, ResponseDelivery.HEADERS_ONLY)


@after("cut_length")
def cut_by_length(answer: HttpResponse, _params: Params, _random: random.Random) -> Exchange:
    """Processed; half of the announced Content-Length, then the end."""
    return Exchange(answer, ResponseDelivery.CUT_LENGTH)


@after("cut_chunked")
def cut_chunks(answer: HttpResponse, _params: Params, _random: random.Random) -> Exchange:
    """Processed; a chunked body that ends without its last chunk."""
    return Exchange(answer, ResponseDelivery.CUT_CHUNKED)


@after("trickle")
def trickle(answer: HttpResponse, _params: Params, _random: random.Random) -> Exchange:
    """Processed; the body comes at one byte a second."""
    return Exchange(answer, ResponseDelivery.TRICKLE)


@after("slow")
def delay_answer(answer: HttpResponse, params: Params, _random: random.Random) -> Exchange:
    """Processed; the answer starts `seconds` later (5)."""
    return Exchange(answer, delay=number(params, "seconds", 5.0))


@after("oversized", on=API)
def enlarge_body(answer: HttpResponse, _params: Params, _random: random.Random) -> HttpResponse:
    """Processed; a JSON body of 20 MB."""
    return _with_body(answer, _large_body())


@after("bad_gzip", on=API)
def announce_gzip(answer: HttpResponse, _params: Params, _random: random.Random) -> HttpResponse:
    """Processed; announced as gzip, but it is not."""
    headers = {**answer.headers, "content-encoding": "gzip"}
    return replace(answer, headers=headers, body=b"\x1f\x8b\x08\x00broken" + answer.body)


@after("json_null", on=API)
def answer_null(answer: HttpResponse, _params: Params, _random: random.Random) -> HttpResponse:
    """Processed; the body is `null`."""
    return _with_body(answer, b"null")


@after("json_array", on=API)
def answer_array(answer: HttpResponse, _params: Params, _random: random.Random) -> HttpResponse:
    """Processed; the body is `[]`."""
    return _with_body(answer, b"[]")


@after("json_scalar", on=API)
def answer_scalar(answer: HttpResponse, _params: Params, _random: random.Random) -> HttpResponse:
    """Processed; the body is `7`."""
    return _with_body(answer, b"7")


@after("missing_data", on=API)
def drop_data(answer: HttpResponse, _params: Params, _random: random.Random) -> HttpResponse:
    """Processed; an object without `data`."""
    return _with_body(answer, b'{"meta":{}}')


@after("half_json", on=API)
def cut_json(answer: HttpResponse, _params: Params, _random: random.Random) -> HttpResponse:
    """Processed; a whole body that is half a JSON text."""
    return _with_body(answer, answer.body[: len(answer.body) // 2])


@after("login_page", on=API)
def answer_login_page(answer: HttpResponse, _params: Params, _random: random.Random) -> HttpResponse:
    """Processed; a 200 with the login page of a proxy."""
    headers = {**answer.headers, "content-type": "text/html"}
    return replace(answer, status=200, headers=headers, body=b"<html><title>Please sign in</title></html>")


@after("empty_id", on=_PAID)
def empty_id(answer: HttpResponse, _params: Params, _random: random.Random) -> HttpResponse | None:
    """Processed; the `session_id` in the answer is empty."""
    return _with_data(answer, lambda data: {**data, "session_id": ""})


@after("id_alone", on=frozenset({"create"}))
def keep_id_alone(answer: HttpResponse, _params: Params, _random: random.Random) -> HttpResponse | None:
    """Processed; the answer has the `session_id` and nothing else."""
    return _with_data(answer, lambda data: {"session_id": data["session_id"]})


@after("wrong_types", on=API)
def change_types(answer: HttpResponse, params: Params, _random: random.Random) -> HttpResponse:
    """Processed; every value inside `data` has another type."""
    envelope: JsonObject = json.loads(answer.body)
    field = params.get("field")
    envelope["data"] = _change_types(envelope.get("data"), None if field is None else str(field))
    return _with_json(answer, envelope)


@after("unknown_status", on=_STATUS)
def change_status(answer: HttpResponse, params: Params, _random: random.Random) -> HttpResponse | None:
    """Processed; the status is `word` (processing)."""
    envelope: JsonObject = json.loads(answer.body)
    data = envelope.get("data")
    rows = map(as_object, as_list(data) or [data])
    found = [row for row in rows if row is not None and "status" in row]
    for row in found:
        row["status"] = params.get("word", "processing")
    return _with_json(answer, envelope) if found else None


@after("status_backwards", on=_READ)
def show_thinking(answer: HttpResponse, _params: Params, _random: random.Random) -> HttpResponse | None:
    """One read shows `thinking` again."""

    def change(data: JsonObject) -> JsonObject | None:
        if data.get("status") in {"thinking", "completed", "failed"}:
            return None
        return {**data, "status": "thinking", "progress": 0}

    return _with_data(answer, change)


@after("progress_back", on=_READ)
def show_less_progress(answer: HttpResponse, params: Params, _random: random.Random) -> HttpResponse | None:
    """One read shows `by` (30) less progress."""

    def change(data: JsonObject) -> JsonObject | None:
        progress = data.get("progress")
        if not isinstance(progress, int) or progress == 0:
            return None
        return {**data, "progress": max(0, progress - int(number(params, "by", 30)))}

    return _with_data(answer, change)


@after("duplicate_messages", on=_READ)
def repeat_messages(answer: HttpResponse, _params: Params, _random: random.Random) -> HttpResponse | None:
    """One read shows every message twice."""
    return _with_messages(answer, lambda messages: [one for one in messages for _ in range(2)])


@after("reordered_messages", on=_READ)
def shuffle_messages(answer: HttpResponse, _params: Params, rng: random.Random) -> HttpResponse | None:
    """One read shows the messages in random order."""
    return _with_messages(answer, lambda messages: rng.sample(messages, len(messages)))


@after("cut_after", on=_FILE)
def cut_file(answer: HttpResponse, params: Params, _random: random.Random) -> Exchange:
    """`bytes` (1000) of the file come, then the end."""
    return Exchange(answer, ResponseDelivery.CUT_LENGTH, amount=int(number(params, "bytes", 1000)))


@after("dead_link", on=_FILE)
def cut_file_and_link(answer: HttpResponse, params: Params, _random: random.Random) -> Exchange:
    """`bytes` (1000) of the file come, then the end; the link is dead."""
    return Exchange(answer, ResponseDelivery.CUT_LENGTH, amount=int(number(params, "bytes", 1000)))


@after("stall_after", on=_FILE)
def stall_file(answer: HttpResponse, params: Params, _random: random.Random) -> Exchange:
    """`bytes` (1000) of the file come, then nothing."""
    return Exchange(answer, ResponseDelivery.STALL, amount=int(number(params, "bytes", 1000)))


@after("slow_file", on=_FILE)
def slow_file(answer: HttpResponse, params: Params, _random: random.Random) -> Exchange:
    """The file comes at `rate` bytes a second (1000)."""
    return Exchange(answer, ResponseDelivery.TRICKLE, amount=int(number(params, "rate", 1000)))


@functools.cache
def _large_body() -> bytes:
    return b'{"data":"' + b"x" * OVERSIZED_BYTES + b'"}'


def _with_body(answer: HttpResponse, body: bytes) -> HttpResponse:
    return replace(answer, headers={**answer.headers, "content-type": "application/json"}, body=body)


def _with_json(answer: HttpResponse, envelope: JsonObject) -> HttpResponse:
    return _with_body(answer, json.dumps(envelope, separators=(",", ":")).encode())


def _with_data(
    answer: HttpResponse, change: Callable[[JsonObject], JsonObject | None]
) -> HttpResponse | None:
    """Return a success with its `data` changed, or None if there is nothing to change."""
    if answer.status != 200:
        return None
    envelope: JsonObject = json.loads(answer.body)
    data = as_object(envelope.get("data"))
    changed = None if data is None else change(data)
    return None if changed is None else _with_json(answer, {**envelope, "data": changed})


def _with_messages(
    answer: HttpResponse, change: Callable[[list[object]], list[object]]
) -> HttpResponse | None:
    def change_data(data: JsonObject) -> JsonObject | None:
        messages = as_list(data.get("messages"))
        return None if messages is None else {**data, "messages": change(messages)[:MESSAGES_SHOWN]}

    return _with_data(answer, change_data)


def _change_types(value: object, field: str | None) -> object:
    entries = as_object(value)
    if entries is not None:
        return {name: _other_type(item) if field in {None, name} else item for name, item in entries.items()}
    return _other_type(value)


def _other_type(value: object) -> object:
    if isinstance(value, int | float) or value is None:
        return "seven"
    return 7
