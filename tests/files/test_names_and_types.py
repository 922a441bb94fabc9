"""Names made from titles, types found in bytes, and parts of files: pure decisions."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from pathlib import Path, PureWindowsPath

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from files.film import MP4, PNG
from heygen_async import UploadError
from heygen_async._files.byte_ranges import PartInfo, next_start, range_headers, read, read_answer
from heygen_async._files.media_types import media_type
from heygen_async._files.names import file_name, suffix_of
from heygen_async.errors import BadResponse

TITLES = st.none() | st.text(max_size=400)
IDS = st.text(min_size=1, max_size=200)


@given(TITLES, IDS)
@example("../../etc/passwd", "vid_1")
@example("con", "vid_1")
@example("con.", "vid_1")
@example("NUL.txt", "vid_1")
@example("", "aux")
@example("..", "..")
@example("~root", "-rf")
@example("a\u202egpj.exe", "vid_1")
@example("é" * 300, "vid_1")
@example("\ud800", "\udfff")
def test_names_are_safe(title: str | None, identity: str) -> None:
    """Whatever a title holds, the name is one plain segment that every file system takes."""
    name = file_name(title, identity, ".mp4")

    assert Path(name).name == name == PureWindowsPath(name).name
    assert len(name.encode()) <= 200
    assert not {unicodedata.category(character) for character in name} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert not set(name) & set('<>:"/\\|?*\0')
    assert name[0] not in ".-~ "
    assert name.endswith(".mp4")
    assert not is_device(name)


def is_device(name: str) -> bool:
    """Whether Windows would take the name for a device."""
    stem = name.partition(".")[0].strip().upper()
    return stem in {"CON", "PRN", "AUX", "NUL"} or (
        stem[:3] in {"COM", "LPT"} and stem[3:].isdigit() and len(stem) == 4
    )


@given(st.text("abcXYZäöü 字_", max_size=50), st.from_regex(r"[a-z]{3}_[0-9a-f]{16}", fullmatch=True))
def test_names_keep_what_is_harmless(title: str, identity: str) -> None:
    """A plain title and the id are in the name, so that a person and a program find the file."""
    name = file_name(title, identity, ".mp4")

    assert identity in name
    assert set(unicodedata.normalize("NFC", title).split()) <= set(name.removesuffix(".mp4").split())


@pytest.mark.parametrize(
    ("url", "suffix"),
    [
        ("https://s/a/b.webm?sig=x", ".webm"),
        ("https://s/a/B.MP4", ".mp4"),
        ("https://s/a.b/c", ".bin"),
        ("https://s/a.toolong", ".bin"),
        ("https://[s", ".bin"),
        (None, ".bin"),
    ],
)
def test_ending_is_that_of_the_link(url: str | None, suffix: str) -> None:
    """A file ends as the one behind the link does."""
    assert suffix == suffix_of(url, ".bin")


HEADS = {
    "image/png": PNG + b"\x00\x00\x00\rIHDR",
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "video/mp4": MP4,
    "video/webm": b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm",
    "audio/mpeg": b"ID3\x04\x00\x00\x00\x00\x00\x00",
    "audio/wav": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "application/pdf": b"%PDF-1.7\n",
}


@pytest.mark.parametrize("kind", HEADS)
def test_types_are_found_in_the_bytes(kind: str) -> None:
    """The seven types the service takes are known by their bytes, whatever the name."""
    assert kind == media_type(HEADS[kind])


@pytest.mark.parametrize(
    "head",
    [
        b"plain text",
        b"GIF89a",
        b"PK\x03\x04",
        b"\x1aE\xdf\xa3\x93B\x82\x88matroska",
        b"\x00\x00\x00\x14ftypqt  ",
        b"\x00\x00\x00\x18ftypheic",
        b"RIFF\x24\x00\x00\x00AVI LIST",
        b"\xff\xfe\x41\x00",  # text in UTF-16 begins like sound
        b"\x00",
    ],
    ids=["text", "gif", "zip", "mkv", "mov", "heic", "avi", "utf-16", "zero"],
)
def test_other_types_are_refused(head: bytes) -> None:
    """What the service does not take is refused with the list of what it takes."""
    with pytest.raises(UploadError, match="png, jpeg, mp4, webm, mp3, wav, pdf"):
        media_type(head)


def test_sound_without_a_tag_is_known() -> None:
    """An MP3 that begins with its first frame is one."""
    assert "audio/mpeg" == media_type(b"\xff\xfb\x90\x64\x00\x00")


@pytest.mark.parametrize("head", [b"<!DOCTYPE html>", b"\xef\xbb\xbf\n <html lang=en>", b"<head>%PDF-"])
def test_pages_are_refused_whatever_they_are_called(head: bytes) -> None:
    """A login page that was saved as a video is found out."""
    with pytest.raises(UploadError, match="HTML"):
        media_type(head, "application/pdf")


def test_what_the_caller_says_counts_where_the_bytes_are_silent() -> None:
    """Types of a later day can be sent by saying so; a wrong word about a known one is refused."""
    assert "application/x-subrip" == media_type(b"1\n00:00", "application/x-subrip")
    assert "image/png" == media_type(PNG, "application/octet-stream")
    with pytest.raises(UploadError, match="image/png, not image/jpeg"):
        media_type(PNG, "image/jpeg")


@given(st.binary(max_size=64))
def test_any_bytes_are_a_type_or_refused(head: bytes) -> None:
    """No bytes make the look at them fail."""
    with suppress(UploadError):
        assert media_type(head) in HEADS


NOTE = PartInfo(of="video v", validator='"a"', total=100)


def test_note_survives_writing() -> None:
    """What one process notes another reads; rubbish is read as nothing."""
    assert NOTE == read(msgspec.json.encode(NOTE))
    assert read(b"[]") is None
    assert read(b"\xff") is None


@pytest.mark.parametrize(("size", "start"), [(0, 0), (40, 40), (100, 99), (500, 99)])
def test_place_to_go_on_from(size: int, start: int) -> None:
    """A half file goes on at its end, a whole one is asked for its last byte."""
    assert start == next_start(NOTE, size)


def test_without_a_validator_everything_is_asked_for() -> None:
    """What cannot be distinguished from another version is not resumed."""
    bare = PartInfo(of="video v", total=100)

    assert 0 == next_start(bare, 40)
    assert {} == range_headers(bare, 40)
    assert {"range": "bytes=40-", "if-range": '"a"'} == range_headers(NOTE, 40)


@pytest.mark.parametrize(
    "content_range",
    ["bytes 41-99/100", "bytes 1-99/100", "bytes 40-99/101", "bytes */100", "lines 40-99/100", ""],
)
def test_other_part_is_refused(content_range: str) -> None:
    """A part that was not asked for is never joined."""
    with pytest.raises(BadResponse):
        read_answer(NOTE, 40, 206, {"content-range": content_range})


def test_packed_file_has_no_places() -> None:
    """A file packed on the way has neither a size nor places to go on from."""
    found = read_answer(NOTE, 0, 200, {"content-encoding": "gzip", "content-length": "5", "etag": '"b"'})

    assert PartInfo(of="video v") == found[0]


def test_young_date_is_no_validator() -> None:
    """Within the second of a change a date does not tell two versions apart."""
    headers = {"last-modified": "Thu, 01 Jan 2026 00:00:00 GMT", "date": "Thu, 01 Jan 2026 00:00:00 GMT"}
    later = {**headers, "date": "Thu, 01 Jan 2026 00:00:01 GMT"}

    assert read_answer(NOTE, 0, 200, headers)[0].validator is None
    assert headers["last-modified"] == read_answer(NOTE, 0, 200, later)[0].validator
