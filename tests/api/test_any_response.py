from __future__ import annotations

import contextlib
import json

from hypothesis import example, given
from hypothesis import strategies as st

from heygen_async._api import responses
from heygen_async.errors import APIError, BadResponse
from strategies import ANSWERS, changed, json_values
from strategies import headers as any_headers

STATUSES = st.sampled_from([200, 201, 204, 302, 400, 401, 404, 409, 429, 500, 503]) | st.integers(100, 599)


def survives(name: str, status: int, headers: dict[str, str], body: bytes) -> None:
    """Read an answer that may be anything and accept only a value of the right type or our own errors."""
    with contextlib.suppress(APIError, BadResponse):
        envelope = responses.read("the call", ANSWERS[name][0], status, headers, body)

        assert 200 <= status < 300
        assert name == "ANYTHING" or envelope.data is not None


@given(st.sampled_from(list(ANSWERS)), STATUSES, any_headers, st.binary(max_size=200))
def test_any_bytes_are_a_value_or_an_error(
    name: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    """No bytes with any status and headers bring anything but a value or a typed error, whatever was asked."""
    survives(name, status, headers, body)


@given(st.sampled_from(list(ANSWERS)), STATUSES, any_headers, json_values)
@example("ANYTHING", 200, {}, {"data": None})
def test_any_json_is_a_value_or_an_error(
    name: str, status: int, headers: dict[str, str], value: object
) -> None:
    """No JSON in any place of the envelope brings anything but a value or a typed error."""
    for body in (value, {"data": value}, {"error": value}, {"data": [value], "has_more": value}):
        survives(name, status, headers, json.dumps(body).encode())


@given(st.sampled_from(list(ANSWERS)), st.data())
def test_mutated_answer_is_a_value_or_an_error(name: str, data: st.DataObject) -> None:
    """A real answer with a part replaced or left out, whole or cut off anywhere, is a value or a typed error."""
    sent = json.dumps(changed(ANSWERS[name][1], data)).encode()

    survives(name, 200, {}, sent)
    survives(name, 200, {}, sent[: data.draw(st.integers(0, len(sent)))])
