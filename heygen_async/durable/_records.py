"""
What the database keeps, as JSON with a version: jobs, answers, pauses, outcomes, errors.

Pure: text in, values out. Fields may be added without a new version; what an older release cannot read at all gets one.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from dataclasses import MISSING, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, cast, get_type_hints

import msgspec
from msgspec import Struct, structs

from .. import errors
from .._api import sessions as session_api
from .._api.sessions import CreateRequest
from .._batch import job as job_module
from .._batch.job import Job
from .._batch.session_runner import STATES, SessionHistory, without_messages
from .._files.object_store import is_address, is_stored
from .._redact import clean
from ..errors import ConfigError, HeyGenError, InvalidArgument
from ..models import (
    Approve,
    Asset,
    AssetBase64,
    AssetId,
    AssetUrl,
    Reply,
    SessionState,
    Stop,
    VideoInfo,
)
from ._types import DatabaseUnavailable, JobCancelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._sessions.session import Answer
    from ..models import File

VERSION = 1

_BRIEF: Final = 80  # characters of a value that differs
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")
_PLAIN = (str, int, float, bool, type(None))
_OWN: Final = {kind.__name__: kind for kind in (JobCancelled, DatabaseUnavailable)}
R = TypeVar("R", bound="Record")


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something written down; `v` is always there."""

    v: int


class PathFile(Struct, frozen=True, kw_only=True, tag_field="type", tag="path"):
    """A file or stored object that is uploaded when its job's turn has come, by whichever machine has the turn."""

    path: str


class AnswerRecord(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The answer of a reviewer: `reply`, `approve` or `stop`."""

    kind: str
    message: str | None = None
    avatar_id: str | None = None
    voice_id: str | None = None
    brand_kit_id: str | None = None


# What the record of a job writes in another form than `Job` has it. All other fields are those of `Job`, which
# inherits them from `CreateRequest`: a new field of create costs no line here.
_WRITTEN_FORMS: Final[dict[str, object]] = {
    "files": tuple[AssetUrl | AssetId | AssetBase64 | PathFile, ...],
    "extra": dict[str, object] | None,
    "reviewer": AnswerRecord | None,
    "ref": str | None,
}


def _job_fields() -> list[tuple[str, object] | tuple[str, object, object]]:
    # Their `__module__` is the public one, which lacks names that only annotations use.
    names = {**vars(session_api), **vars(job_module), "BatchReviewer": object}
    hints = get_type_hints(Job, localns=names)
    plain = [item for item in fields(Job) if item.name != "key"]
    return [
        (item.name, _WRITTEN_FORMS.get(item.name, hints[item.name]))
        if item.default is MISSING
        else (item.name, _WRITTEN_FORMS.get(item.name, hints[item.name]), item.default)
        for item in plain
    ]


JobRecord: type[Record] = cast(
    "type[Record]",
    msgspec.defstruct(
        "JobRecord", _job_fields(), bases=(Record,), frozen=True, kw_only=True, omit_defaults=True
    ),
)


class ErrorRecord(Record, frozen=True, kw_only=True, omit_defaults=True):
    """An error: the name of its class, its text, and what of its attributes is plain."""

    kind: str
    message: str
    hint: str | None = None
    ref: str | None = None
    last_state: SessionState | None = None
    started_at: datetime | None = None
    candidates: tuple[str, ...] | None = None
    attributes: dict[str, object] = {}


class OutcomeRecord(Record, frozen=True, kw_only=True, omit_defaults=True):
    """How a job ended."""

    video: VideoInfo | None = None
    path: str | None = None
    error: ErrorRecord | None = None
    elapsed: float = 0.0
    failures: tuple[ErrorRecord, ...] = ()  # of the attempts before, oldest first

    @property
    def path_there(self) -> Path | str | None:
        """Where the video was saved: in an object store, or on the machine that saved it."""
        return None if self.path is None else place_of(self.path)


class PauseRecord(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What a session waits with."""

    state: SessionState


class StatesRecord(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What a job remembers of its session, up to the newest pause or end; fields as in `SessionHistory`."""

    states: tuple[SessionState, ...] = ()
    worked: float = 0.0
    refusals: int = 0


# -- names ---------------------------------------------------------------------------------------------------------


def check_name(name: object) -> None:
    """
    Refuse what cannot be part of a key sent to the service.

    Raises:
        InvalidArgument: It is not such a name.
    """
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise InvalidArgument(
            "name", "must be 1 to 60 characters of A-Z a-z 0-9 _ . - that begin with one of A-Z a-z 0-9"
        )


def work_id(name: str, key: str, attempt: int, turn: int, kind: str) -> str:
    """Return the engine's id of one piece of work: the same for ever, so that it is queued once."""
    return f"{work_prefix(name, key)}{attempt}:{turn}:{kind}"


def work_prefix(name: str, key: str) -> str:
    """Return what the ids of all work of a job begin with."""
    return f"heygen:{name}:{_digest(name, key)}:"


def create_key(name: str, key: str, attempt: int, job: Job) -> str:
    """Return the `Idempotency-Key` of a create: the caller's own the first time, else of name, key and attempt."""
    if attempt == 1 and job.idempotency_key is not None:
        return job.idempotency_key
    # All that is sent is in it, because the service would replay an old answer for another prompt or option as well.
    record = _job_record(job)
    sent = {item.name: getattr(record, item.name) for item in fields(CreateRequest)}
    options = msgspec.json.encode(sent, order="sorted").decode()
    return f"{name}:{_digest(name, key, prompt_id(job.prompt), options)}:{attempt}"


def say_key(name: str, key: str, attempt: int, turn: int) -> str:
    """Return the `Idempotency-Key` of an answer."""
    return f"{name}:{_digest(name, key)}:{attempt}:say{turn}"


def prompt_id(prompt: str) -> str:
    """Return a short stand-in of a prompt, the same for prompts that the service echoes alike."""
    return _digest(prompt.strip())


def _digest(*parts: str) -> str:
    text = "\0".join(parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


# -- writing and reading -------------------------------------------------------------------------------------------


def text(record: Record) -> str:
    """Return a record as JSON."""
    return msgspec.json.encode(record).decode()


def read(kind: type[R], written: str) -> R:
    """
    Return a record from JSON.

    Raises:
        ConfigError: A later release wrote it, or it is damaged.
    """
    try:
        record = msgspec.json.decode(written, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        problem = clean(str(error))
        raise ConfigError(
            f"The database holds a {kind.__name__} this release cannot read: {problem}",
            hint="Was it written by a later release? Then update this machine too.",
        ) from error
    if record.v > VERSION:
        raise ConfigError(
            f"The database holds a {kind.__name__} of version {record.v}; this release reads up to {VERSION}.",
            hint="Update this machine to the release that wrote it.",
        )
    return record


def write_job(job: Job) -> str:
    """
    Return a job as JSON.

    Raises:
        InvalidArgument: It has something that only lives in this process.
    """
    return text(_job_record(job))


def find_differences(before: str, after: str) -> tuple[str, ...]:
    """Return in words what differs between two jobs in JSON, for each field that does."""
    known, submitted = read(JobRecord, before), read(JobRecord, after)
    return tuple(
        f"{item.name} was {_brief(getattr(known, item.name))}, is {_brief(getattr(submitted, item.name))}"
        for item in structs.fields(JobRecord)
        if getattr(known, item.name) != getattr(submitted, item.name)
    )


def _brief(value: object) -> str:
    shown = clean(repr(value))
    return shown if len(shown) <= _BRIEF else shown[: _BRIEF - 1] + "…"


def _job_record(job: Job) -> Record:
    plain = {
        item.name: getattr(job, item.name)
        for item in fields(job)
        if item.name not in ("key", "files", "extra", "reviewer", "ref")
    }
    make = cast("Callable[..., Record]", JobRecord)
    return make(
        v=VERSION,
        **plain,
        files=tuple(_file(item) for item in job.files),
        extra=None if job.extra is None else dict(job.extra),
        reviewer=_static_reviewer(job.reviewer),
        ref=None if job.ref is None else job.ref.decode(),
    )


def read_job(written: str, key: str) -> Job:
    """Return a job from JSON."""
    plain = structs.asdict(read(JobRecord, written))
    del plain["v"]
    reviewer, ref = plain["reviewer"], plain["ref"]
    plain["files"] = tuple(
        place_of(item.path) if isinstance(item, PathFile) else item for item in plain["files"]
    )
    plain["reviewer"] = None if reviewer is None else read_answer(reviewer)
    plain["ref"] = None if ref is None else ref.encode()
    return Job(key=key, **plain)


def _file(item: File) -> AssetUrl | AssetId | AssetBase64 | PathFile:
    match item:
        case AssetUrl() | AssetId() | AssetBase64():
            return item
        case Asset():
            return AssetId(asset_id=item.id)
        case str() if is_stored(item):
            return PathFile(path=item)
        case str():
            return AssetUrl(url=item)
        case _:
            return PathFile(path=str(Path(item).absolute()))


def place_of(written: str) -> Path | str:
    """Return a path, or the address of an object as it is."""
    return written if is_address(written) else Path(written)


def _static_reviewer(reviewer: object) -> AnswerRecord | None:
    if reviewer is None:
        return None
    if isinstance(reviewer, Reply | Approve | Stop):
        return write_answer(reviewer)
    raise InvalidArgument(
        "reviewer", "of a single job must be Reply, Approve or Stop here: a function cannot be written down"
    )


def write_answer(answer: Answer) -> AnswerRecord:
    """Return an answer as a record."""
    return AnswerRecord(v=VERSION, kind=type(answer).__name__.lower(), **structs.asdict(answer))


def read_answer(record: AnswerRecord) -> Answer:
    """Return the answer of a record."""
    match record.kind:
        case "reply":
            return Reply(
                message=record.message or "",
                avatar_id=record.avatar_id,
                voice_id=record.voice_id,
                brand_kit_id=record.brand_kit_id,
            )
        case "approve":
            return Approve(message=record.message)
        case _:
            return Stop()


def write_history(history: SessionHistory) -> str:
    """Return a history as JSON."""
    return text(
        StatesRecord(
            v=VERSION, states=tuple(history.states), worked=history.worked, refusals=history.refusals
        )
    )


def read_history(written: str | None) -> SessionHistory:
    """Return a history from JSON; an empty one when nothing was written."""
    record = StatesRecord(v=VERSION) if written is None else read(StatesRecord, written)
    return SessionHistory(deque(record.states, maxlen=STATES), record.worked, record.refusals)


def read_failures(outcome: str | None) -> tuple[ErrorRecord, ...]:
    """Return why the attempts before failed, from what was last written of a job's outcome."""
    return () if outcome is None else read(OutcomeRecord, outcome).failures


def write_error(error: Exception) -> ErrorRecord:
    """Return an error as a record; what is not plain is left out."""
    known = dict(vars(error))
    ref, state = known.pop("ref", None), known.pop("last_state", None)
    began, candidates = known.pop("started_at", None), known.pop("candidates", None)
    return ErrorRecord(
        v=VERSION,
        kind=type(error).__name__,
        message=str(error) or type(error).__name__,
        hint=known.pop("hint", None),
        ref=ref.decode() if isinstance(ref, bytes) else None,
        last_state=without_messages(state) if isinstance(state, SessionState) else None,
        started_at=began if isinstance(began, datetime) else None,
        candidates=None if candidates is None else tuple(candidates),
        attributes={
            name: value
            for name, value in known.items()
            if isinstance(value, _PLAIN) and not name.startswith("_")
        },
    )


def read_error(record: ErrorRecord) -> HeyGenError:
    """Return the error of a record; one of a class this package does not have becomes a `HeyGenError`."""
    kind = getattr(errors, record.kind, None) or _OWN.get(record.kind)
    if not (isinstance(kind, type) and issubclass(kind, HeyGenError)):
        return HeyGenError(f"{record.kind}: {record.message}", hint=record.hint)
    error = kind.__new__(kind, record.message)
    HeyGenError.__init__(error, record.message, hint=record.hint)
    vars(error).update(record.attributes)
    special = {
        "ref": None if record.ref is None else record.ref.encode(),
        "last_state": record.last_state,
        "started_at": record.started_at,
        "candidates": record.candidates,
    }
    vars(error).update({name: value for name, value in special.items() if value is not None})
    return error
