"""Examples by the hundred thousand over all that reads what others wrote; `nox -s fuzz_decoders` runs them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heygen_async import HeyGenError
from heygen_async._api import responses
from heygen_async._cli.exit_codes import UsageError
from heygen_async._cli.job_files import JobFile
from heygen_async._cli.job_rows import RowReader
from heygen_async._files import byte_ranges
from heygen_async._http.links import resolve_link
from heygen_async._polling import refs
from heygen_async._redact import clean, host
from heygen_async.webhooks import parse_unverified, sign, verify
from strategies import ANSWERS, changed, json_values
from strategies import headers as any_headers

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(3600)]

_EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "200000"))
_LONGEST: Final = 0.05  # seconds of the processor for one example
_REF: Final[dict[str, object]] = {
    "v": 1,
    "session_id": "s",
    "mode": "chat",
    "video_id": "v",
    "state": {"session_id": "s", "status": "reviewing", "created_at": 1, "previous": "thinking"},
    "seen": ["a", "b"],
    "gone": ["a"],
    "unread": ["c"],
    "newest_at": 5,
    "settle": 30.0,
    "said": "m",
    "before": ["a"],
    "since_said": 1,
}
_ROW: Final[dict[str, object]] = {
    "prompt": "A tour",
    "key": "k",
    "orientation": "landscape",
    "files": ["a.png"],
}
_EVENT: Final[dict[str, object]] = {
    "event_id": "e",
    "event_type": "video_agent.success",
    "event_data": {"session_id": "s", "video_id": "v", "url": "https://f.test/v.mp4"},
    "created_at": "2026-01-01T00:00:00Z",
}
_EXTREMES: Final[list[object]] = ["x" * 5_000, "/" * 5_000, 10**300, [[[]]] * 50]
_VALUES: Final = json_values | st.sampled_from(_EXTREMES)
_ODD_TEXTS: Final = st.text(max_size=40) | st.text(
    "ab/\\:@?#%&=[].,;\"'\n\r\t\x00\x1b 0é\u202e\ud800", max_size=60
)
_LINKS: Final = _ODD_TEXTS | st.builds(
    "{}://{}".format, st.sampled_from(["https", "http", "ftp", "x"]), _ODD_TEXTS
)


def share(part: float) -> settings:
    """Return the settings of a test that gets this part of the examples."""
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=max(1, int(_EXAMPLES * part)), deadline=None, suppress_health_check=checks)


def written(value: object, data: st.DataObject) -> bytes:
    """The value as JSON, with some bytes lost or put in."""
    body = json.dumps(value).encode()
    place = data.draw(st.integers(0, len(body)))
    lost = data.draw(st.sampled_from([0, 0, 0, 1, 20, len(body)]))
    return (
        body[:place]
        + data.draw(st.sampled_from([b"", b"", b"\xff", b"\\ud800", b"\x00"]))
        + body[place + lost :]
    )


def survives(read: Callable[[], object]) -> None:
    """Have something read: it gives a value or an error for its caller, and in no time."""
    spent: list[float] = []
    while len(spent) < 3 and (
        not spent or min(spent) > _LONGEST
    ):  # the collector of garbage may come in between
        began = time.process_time()
        with contextlib.suppress(HeyGenError, UsageError):
            read()
        spent.append(time.process_time() - began)

    assert min(spent) <= _LONGEST


@share(0.35)
@given(st.sampled_from(sorted(ANSWERS)), st.sampled_from([200, 201, 400, 429, 503]), any_headers, st.data())
def test_answers(name: str, status: int, headers: dict[str, str], data: st.DataObject) -> None:
    """Any answer with any headers is a value or a typed error."""
    decoder, good = ANSWERS[name]
    body = written(changed(good, data, _VALUES), data)
    survives(lambda: responses.read("the call", decoder, status, headers, body, ("a secret",)))


@share(0.15)
@given(st.data())
def test_refs(data: st.DataObject) -> None:
    """Any bytes are a ref or are refused."""
    ref = written(changed(_REF, data, _VALUES), data)
    survives(lambda: refs.read(ref))


@share(0.15)
@given(st.data(), st.dictionaries(st.text(max_size=20), st.text(max_size=80), max_size=3))
def test_deliveries(data: st.DataObject, headers: dict[str, str]) -> None:
    """Any delivery is an event or is refused, signed or not."""
    body = written(changed(_EVENT, data, _VALUES), data)
    survives(lambda: parse_unverified(body))
    survives(lambda: verify(headers, body, "s"))
    signed = sign(body, "s") | headers
    survives(lambda: verify(signed, body, "s"))


@share(0.15)
@given(st.data(), st.sampled_from(["csv", "jsonl"]), _ODD_TEXTS)
def test_job_files(data: st.DataObject, form: str, cell: str) -> None:
    """Any file is rows or is refused with its faults."""
    line = written(changed(_ROW, data, _VALUES), data)
    table = f"prompt,key,files\n{cell},k,\nA tour,{cell},{cell}\n".encode("utf-8", "surrogatepass")
    body = line + b"\n" + line if form == "jsonl" else table + line
    file = JobFile("jobs", io.BytesIO(body), form, RowReader(Path(), "chat"))  # type: ignore[arg-type]
    survives(lambda: list(file.check()))


@share(0.2)
@given(
    _LINKS, _LINKS, st.dictionaries(st.sampled_from(["content-range", "etag", "content-length"]), _ODD_TEXTS)
)
def test_links_and_texts(link: str, base: str, headers: dict[str, str]) -> None:
    """Any link, range header or foreign text is read, or refused by a typed error."""
    survives(lambda: resolve_link(link, base))
    survives(lambda: (clean(link * 50), host(link)))
    survives(lambda: byte_ranges.read(link.encode("utf-8", "surrogatepass")))
    survives(lambda: byte_ranges.read_answer(byte_ranges.PartInfo(of="x"), 0, 206, headers))
