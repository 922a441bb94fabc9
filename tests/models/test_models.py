from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygen_async.models import (
    AssetBase64,
    Message,
    SessionData,
    SessionState,
    SessionStatus,
    SessionSummary,
    VideoInfo,
    VideoState,
    VideoStatus,
)

PAUSED = {SessionStatus.WAITING_FOR_INPUT, SessionStatus.REVIEWING}
ENDED = {SessionStatus.COMPLETED, SessionStatus.FAILED}


@given(st.text())
def test_unknown_word_keeps_its_text(word: str) -> None:
    """A status this release does not know is still that word, and means neither a pause nor an end."""
    status = SessionStatus(f"x-{word}")

    assert f"x-{word}" == status == status.value == str(status)
    assert (False, False, False) == (status.is_known, status.is_paused, status.is_terminal)


@given(st.text())
def test_unknown_word_survives_its_copies(word: str) -> None:
    """An unknown status can be pickled, copied and compared like a known one."""
    status = SessionStatus(f"x-{word}")

    for other in (pickle.loads(pickle.dumps(status)), copy.copy(status), copy.deepcopy(status)):
        assert status == other
        assert hash(status) == hash(other)
        assert isinstance(other, SessionStatus)


@pytest.mark.parametrize("kind", [SessionStatus, VideoStatus])
def test_unknown_words_are_not_remembered(kind: type[SessionStatus | VideoStatus]) -> None:
    """Words from outside do not fill the memory of a long-running process."""
    before = list(kind)
    first, second = kind("made-up-word"), kind("made-up-word")

    assert first is not second
    assert before == list(kind)
    assert "made-up-word" not in kind._value2member_map_


@pytest.mark.parametrize("status", list(SessionStatus))
def test_known_words_are_members(status: SessionStatus) -> None:
    """Each documented status pauses or ends a session exactly as documented."""
    assert status is SessionStatus(status.value)
    assert status.is_known
    assert (status in PAUSED, status in ENDED) == (status.is_paused, status.is_terminal)


@pytest.mark.parametrize("status", [*VideoStatus, VideoStatus("rendering")])
def test_video_ends_as_documented(status: VideoStatus) -> None:
    """A video ends as completed, failed or not found; everything else is work."""
    assert (str(status) in {"completed", "failed", "not_found"}) == status.is_terminal


def test_status_is_no_number() -> None:
    """Only a word can be a status."""
    with pytest.raises(ValueError, match="5 is not a valid"):
        SessionStatus(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (0, None),
        (1, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (1_767_225_600, datetime(2026, 1, 1, tzinfo=UTC)),
        (253_402_300_800, None),
        (2**64 - 1, None),
        (-(2**63), None),
    ],
    ids=["none", "epoch", "before", "now", "year-10000", "unsigned", "signed"],
)
def test_times_are_aware_or_absent(at: int, expected: datetime | None) -> None:
    """A wire number reads as an aware datetime, or as none where no calendar reaches."""
    assert expected == SessionSummary(session_id="s", created_at=at).created
    assert expected == SessionData(session_id="s", status=SessionStatus.THINKING, created_at=at).created
    assert expected == Message(role="user", content="", created_at=at).created
    assert expected == VideoInfo(id="v", status=VideoStatus.PENDING, completed_at=at).completed


def test_absent_times_are_none() -> None:
    """No number, no datetime."""
    assert VideoInfo(id="v", status=VideoStatus.PENDING).created is None


@pytest.mark.parametrize(
    ("status", "url", "expected"),
    [
        ("completed", "https://x.test", True),
        ("completed", None, False),
        ("completed", "", False),
        ("processing", "https://x.test", False),
    ],
    ids=["both", "no-address", "blank-address", "not-done"],
)
def test_video_is_downloadable_with_an_address(status: str, url: str | None, expected: bool) -> None:
    """A video can be downloaded when it is completed and has an address: one may come before the other."""
    assert expected == VideoInfo(id="v", status=VideoStatus(status), video_url=url).is_downloadable


@pytest.mark.parametrize(
    "value",
    [
        SessionData(session_id="s", status=SessionStatus.THINKING, created_at=1),
        SessionState(session_id="s", status=SessionStatus.THINKING, created_at=1),
        Message(role="user", content=""),
        VideoInfo(id="v", status=VideoStatus.PENDING),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_do_not_change(value: msgspec.Struct) -> None:
    """What was read stays as it was read."""
    with pytest.raises(AttributeError):
        setattr(value, value.__struct_fields__[0], "other")


@pytest.mark.parametrize("kind", [SessionData, Message, VideoInfo, VideoState, SessionSummary])
def test_fields_of_tomorrow_are_ignored(kind: type[msgspec.Struct]) -> None:
    """A field this release does not know changes nothing."""
    known = {
        "session_id": "s", "status": "thinking", "created_at": 1, "role": "user", "content": "",
        "id": "v", "error": None,
    }  # fmt: skip
    known = {name: value for name, value in known.items() if name in kind.__struct_fields__}

    assert msgspec.convert(known, kind) == msgspec.convert(known | {"from_tomorrow": [1]}, kind)


def test_state_says_what_its_status_means() -> None:
    """A state answers for its status."""
    state = SessionState(session_id="s", status=SessionStatus.REVIEWING, created_at=1)

    assert (True, False) == (state.is_paused, state.is_terminal)


def test_inline_file_is_not_printed() -> None:
    """The repr of a file sent inline tells its size, not its bytes."""
    assert "data=<4 characters>" in repr(AssetBase64(media_type="image/png", data="QUJD"))
