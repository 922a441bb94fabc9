"""
The record of a probe without anything of the account's, and the life of its session.

What is kept is a list of what is known to be harmless: words of the service's, times, lengths, and the probe's own
texts. All else is replaced, the same by the same, so that an id in an answer and in the path after it still agree.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Sequence
from typing import Final, Literal, cast

from msgspec import DecodeError, Struct, json, structs

from .contract import CONTRACT, Shape, as_rows, as_texts, shown_name
from .exchanges import RecordedExchange
from .texts import OWN_TEXTS, UNKNOWN, UNKNOWN_FIELD

_FORMAT: Final = 1
# Fields whose values are words of the service's.
_WORDS: Final = frozenset(
    {
        "status",
        "type",
        "role",
        "code",
        "param",
        "event_type",
        "billing_type",
        "currency",
        "mime_type",
        "resource_type",
        "source_type",
        "aspect_ratio",
        "created_at",
        "updated_at",
        "resets_at",
        "mode",
        "filename",
        "content_type",
    }
)
_WORD: Final = re.compile(
    r"[A-Za-z][A-Za-z_./-]{0,60}|\d+:\d+|video/mp4|\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|[+-][\d:]+)?"
)
_OWN: Final = OWN_TEXTS | {UNKNOWN, UNKNOWN_FIELD, "", "chat", "probe.png"}
_MONEY: Final = re.compile("balance|credit|spending|cap|remaining|threshold|amount")


class Cassette(Struct, frozen=True, kw_only=True):
    """
    A probe's exchanges.

    Attributes:
        format: Of this file.
        heygen_async: The version that recorded it.
        exchanges: What was recorded.
    """

    format: int = _FORMAT
    heygen_async: str
    exchanges: tuple[RecordedExchange, ...]

    def save(self, path: pathlib.Path) -> None:
        """Write it to a file, which may be shown to anybody."""
        path.write_bytes(json.format(json.encode(self), indent=1) + b"\n")


def load_cassette(path: pathlib.Path) -> Cassette:
    """
    Return what is in a file.

    Raises:
        ValueError: It is no cassette.
    """
    try:
        cassette = json.decode(path.read_bytes(), type=Cassette)
    except DecodeError as error:
        message = f"{path} is no cassette of a probe: {error}"
        raise ValueError(message) from error
    if cassette.format != _FORMAT:
        message = f"{path} has another format than this release reads."
        raise ValueError(message)
    return cassette


def without_secrets(exchanges: Sequence[RecordedExchange]) -> tuple[RecordedExchange, ...]:
    """Return the exchanges with everything of the account's replaced, the same by the same."""
    replacements = Replacements()
    return tuple(replacements.apply(one) for one in exchanges)


class Replacements:
    """Stands something made up in the place of each value, always the same for the same."""

    def __init__(self) -> None:
        self._made_up: dict[object, str] = {}
        self._numbers: dict[int, int] = {}
        self._counts: dict[str, int] = {}

    def apply(self, one: RecordedExchange) -> RecordedExchange:
        """Return an exchange with its values replaced."""
        operation = CONTRACT.find(one.method, one.path)
        headers = {
            name: self.text("request", value) if name == "x-request-id" else value
            for name, value in one.headers.items()
        }
        return structs.replace(
            one,
            path=self._path(operation.path if operation else "", one.path),
            query={name: self._parameter(name, value) for name, value in one.query.items()}
            if operation
            else {},
            body=self._value(Shape(), "", one.body),
            key=None if one.key is None else self.text("key", one.key),
            headers=headers,
            answer=self._value(_answer_shape(one), "", one.answer),
        )

    def text(self, kind: str, value: str) -> str:
        """Return what stands for a text."""
        if value in _OWN:
            return value
        if value.startswith(("http://", "https://")):
            kind = "link"
        if value not in self._made_up:
            name = shown_name(kind).removesuffix("_id") if shown_name(kind) == kind else "text"
            self._counts[name] = number = self._counts.get(name, 0) + 1
            made_up = f"{name}_{number}"
            self._made_up[value] = f"https://files.example.test/{made_up}" if kind == "link" else made_up
        return self._made_up[value]

    def _path(self, template: str, path: str) -> str:
        if not template:
            return self.text("link", path)
        pairs = zip(template.split("/"), path.split("/"), strict=True)
        return "/".join(
            self.text(ours[1:-1], theirs) if ours.startswith("{") else theirs for ours, theirs in pairs
        )

    def _parameter(self, name: str, value: str) -> str:
        if name == "limit":
            return value
        kind = name.removesuffix("s")
        return ",".join(self.text(kind, part) for part in value.split(","))

    def _value(self, shape: Shape, name: str, value: object) -> object:
        """Replace what is in a JSON value; `name` is the field it stands in."""
        if isinstance(value, dict):
            return self._object(shape, name, cast("dict[str, object]", value))
        if isinstance(value, list):
            return [self._value(shape.items or Shape(), name, item) for item in cast("list[object]", value)]
        if isinstance(value, str):
            is_word = (name in _WORDS or value in shape.words) and _WORD.fullmatch(value)
            return value if is_word else self.text(name, value)
        if isinstance(value, bool) or value is None:
            return value
        return self._number(name, value)

    def _object(self, shape: Shape, name: str, members: dict[str, object]) -> dict[str, object]:
        # The keys of an open object may be anybody's names, its values anything.
        if shape.fields is None and name and name not in {"error", "data"}:
            return {}
        fields = shape.fields or {}
        return {
            shown_name(key): self._value(fields.get(key, Shape()), key, member)
            for key, member in members.items()
        }

    def _number(self, name: str, value: object) -> object:
        if _MONEY.search(name):
            return 0
        if isinstance(value, int) and (name == "id" or name.endswith("_id")):
            return self._numbers.setdefault(value, len(self._numbers) + 1)
        return value


def _answer_shape(one: RecordedExchange) -> Shape:
    operation = CONTRACT.find(one.method, one.path)
    if one.error or operation is None:
        return Shape(fields={"error": CONTRACT.error})
    return operation.answer


# -- the life of its session --


class Stretch(Struct, kw_only=True):
    """
    A stretch of the session's life, as it was read.

    Attributes:
        status: The status.
        since: Seconds after the create.
        progress: First and last.
        says: What the agent said, and with how many pictures; `error` for a message of that type.
    """

    status: str
    since: float
    progress: tuple[int, int]
    says: list[tuple[str, int, bool]]


class Life(Struct, kw_only=True):
    """
    What became of the session of a cassette.

    Attributes:
        runs: By what began them: `create`, `answer`, `approve`.
        begins: When each of them began, in seconds after the create.
        video_at: When it learned its `video_id`.
        video_lag: Seconds the video went on after the session had completed.
        failure_code: The code of its video, if that failed.
        failure_message: The reason, likewise.
    """

    runs: dict[str, list[Stretch]]
    begins: dict[str, float]
    video_at: Literal["create", "generating", "never"] = "never"
    video_lag: float = 0.0
    failure_code: str | None = None
    failure_message: str | None = None


def read_life(exchanges: Sequence[RecordedExchange]) -> Life:
    """
    Return the life of the one session that was created.

    Raises:
        ValueError: None was: the probe was not allowed to pay.
    """
    created = next((one for one in exchanges if one.purpose == "create" and one.is_ok), None)
    if created is None:
        message = "There is no session in this cassette: it has to be recorded with --pay."
        raise ValueError(message)
    life = Life(runs={"create": []}, begins={"create": 0.0})
    run, known = life.runs["create"], 0
    for one in exchanges:
        at = one.sent_at - created.sent_at
        if one.purpose in {"answer", "approve"} and one.is_ok:
            run = life.runs.setdefault(one.purpose, [])
            life.begins.setdefault(one.purpose, at)
        elif one.purpose == "poll" and one.is_ok:
            known = _enter(run, one, known, at)
    _enter_video(life, created, [one for one in exchanges if one.is_ok and one.number > created.number])
    return life


def _enter_video(life: Life, created: RecordedExchange, exchanges: Sequence[RecordedExchange]) -> None:
    """Enter when there was a video, and what became of it."""
    polls = [one for one in exchanges if one.purpose == "poll"]
    if created.data.get("video_id"):
        life.video_at = "create"
    elif any(one.data.get("video_id") for one in polls):
        life.video_at = "generating"
    reads = [one for one in exchanges if one.purpose == "video"]
    if len(reads) > 1 and polls:
        life.video_lag = reads[-1].sent_at - polls[-1].sent_at
    if reads:
        life.failure_code = cast("str | None", reads[-1].data.get("failure_code"))
        life.failure_message = cast("str | None", reads[-1].data.get("failure_message"))


def _enter(run: list[Stretch], one: RecordedExchange, known: int, at: float) -> int:
    """Enter a read into a run; return how many of the agent's messages are known then."""
    status, progress = one.shown_status, one.data.get("progress")
    progress = progress if isinstance(progress, int) else 0
    if not run or run[-1].status != status:
        run.append(Stretch(status=status, since=at, progress=(progress, progress), says=[]))
    stretch = run[-1]
    stretch.progress = (stretch.progress[0], progress)
    said = [message for message in as_rows(one.data.get("messages")) if message.get("role") == "model"]
    for message in reversed(said[: len(said) - known]):
        pictures = len(as_texts(message.get("resource_ids")))
        stretch.says.append((str(message.get("content")), pictures, message.get("type") == "error"))
    return max(known, len(said))
