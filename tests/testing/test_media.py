"""Files of the service: links, ranges, and who may have them."""

from __future__ import annotations

import pytest

from heygen_async.testing import Scenario, Simulator
from testing.desk import Desk


def link(desk: Desk) -> str:
    """The link of a finished video."""
    state = desk.live(Scenario.generate())
    return str(desk.call("GET", f"/v3/videos/{state['video_id']}").data["video_url"])


def test_video_is_a_real_mp4(desk: Desk) -> None:
    """The link leads to an MP4 with picture and sound."""
    answer = desk.exchange("GET", link(desk)).response

    assert "video/mp4" == answer.headers["content-type"]
    assert b"ftyp" == answer.body[4:8]
    assert b"avc1" in answer.body
    assert b"mp4a" in answer.body


def test_link_expires_and_a_fresh_one_is_given() -> None:
    """An expired link answers 403; the video then names a fresh one."""
    desk = Desk(Simulator(link_ttl=60))
    old = link(desk)
    desk.wait(61)
    fresh = desk.call("GET", "/v3/videos").data

    assert 403 == desk.exchange("GET", old).response.status
    assert 200 == desk.exchange("GET", fresh[0]["video_url"]).response.status


@pytest.mark.parametrize("change", [("signature=", "signature=0"), ("expires=", "expires=9"), ("?", "?a=1#")])
def test_forged_links_are_refused(desk: Desk, change: tuple[str, str]) -> None:
    """A link that was changed is worth nothing."""
    assert 403 == desk.exchange("GET", link(desk).replace(*change)).response.status


@pytest.mark.parametrize(
    ("wanted", "first", "last"), [("bytes=0-9", 0, 9), ("bytes=100-", 100, -1), ("bytes=-10", -10, -1)]
)
def test_ranges(desk: Desk, wanted: str, first: int, last: int) -> None:
    """A byte range is served alone, with its place in the whole."""
    url = link(desk)
    whole = desk.exchange("GET", url).response.body
    part = desk.exchange("GET", url, range=wanted).response
    start, end = first % len(whole), last % len(whole)

    assert (206, whole[start : end + 1]) == (part.status, part.body)
    assert f"bytes {start}-{end}/{len(whole)}" == part.headers["content-range"]


def test_range_of_another_file_serves_the_whole(desk: Desk) -> None:
    """If-Range with another ETag brings the whole file; with the right one, the range."""
    url = link(desk)
    etag = desk.exchange("HEAD", url).response.headers["etag"]

    assert 200 == desk.exchange("GET", url, range="bytes=5-", if_range='"other"').response.status
    assert 206 == desk.exchange("GET", url, range="bytes=5-", if_range=etag).response.status


def test_impossible_range(desk: Desk) -> None:
    """A range past the end answers 416 with the length."""
    answer = desk.exchange("GET", link(desk), range="bytes=999999-").response

    assert 416 == answer.status
    assert answer.headers["content-range"].startswith("bytes */")


def test_head_tells_the_length(desk: Desk) -> None:
    """HEAD answers like GET, without the bytes."""
    url = link(desk)
    head, get = desk.exchange("HEAD", url).response, desk.exchange("GET", url).response

    assert (b"", str(len(get.body))) == (head.body, head.headers["content-length"])


def test_key_sent_to_media_is_a_leak(desk: Desk) -> None:
    """Media need no key, and the ledger remembers who sent one."""
    url = link(desk)
    desk.exchange("GET", url)
    assert [] == desk.simulator.ledger.key_leaks

    desk.exchange("GET", url, x_api_key="test-key")
    assert 1 == len(desk.simulator.ledger.key_leaks)
