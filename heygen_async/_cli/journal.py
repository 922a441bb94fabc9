"""
What a batch records on disk, so that another run continues where it stopped, however it ended.

Two files in the output folder: `results.jsonl` has one line for each job that ended; `journal.jsonl` has what was
begun: the intent to create a session, before the request leaves, and the session's ref, as soon as it is known. A run
killed between the two left an intent alone: the session may exist, and the next run looks for it.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from .exit_codes import UsageError
from .jsonl import JsonlFile, read_lines, rewrite
from .output import brief

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .job_rows import ParsedRow

RESULTS: Final = "results.jsonl"
JOURNAL: Final = "journal.jsonl"
# Of the ends a result can tell; a job that ended in another way is gone on with by the next run.
FINAL: Final = frozenset({"completed", "failed"})
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Begun:
    """
    A job that an earlier run began and did not end.

    Attributes:
        fingerprint: Of the row it was made from.
        started_at: When the request to create its session was about to leave.
        ref: Its session; None when the earlier run did not learn of it.
    """

    fingerprint: str
    started_at: datetime | None
    ref: bytes | None = None


class Journal:
    """
    The two files of one output folder, open.

    Attributes:
        folder: The output folder.
        begun: The jobs that were begun and have not ended, by key.
        ended: The fingerprints of the jobs that have ended, by key.
        ends: How many of them ended in which way.
        sessions: Those of the jobs that have ended.
    """

    def __init__(self, folder: Path, *, resume: bool) -> None:
        """
        Open them, and read what earlier runs left.

        Args:
            folder: The output folder; made when it is not there.
            resume: Whether there may be something to go on with.

        Raises:
            UsageError: There is an earlier run and resume is not asked for; or it is not one of this program's.
        """
        self.folder = folder
        self.begun: dict[str, Begun] = {}
        self.ended: dict[str, str] = {}
        self.ends: Counter[str] = Counter()
        self.sessions: list[str] = []
        self._files = ExitStack()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._open(resume=resume)
        except OSError as error:
            self._files.close()
            raise UsageError(
                f"{folder} cannot be written: {error.strerror}.", hint="--out names a folder; choose another."
            ) from error
        except BaseException:
            self._files.close()
            raise

    def _open(self, *, resume: bool) -> None:
        journal, results = self.folder / JOURNAL, self.folder / RESULTS
        if not resume and (journal.exists() or results.exists()):
            raise UsageError(
                f"{self.folder} has an earlier run in it.",
                hint="Add --resume to go on with it, or choose another --out.",
            )
        self._journal = self._files.enter_context(JsonlFile(journal))
        rewrite(results, lambda record: record.get("status") in FINAL)
        self._results = self._files.enter_context(JsonlFile(results))
        self._run = self._read(journal, results)

    def _read(self, journal: Path, results: Path) -> str:
        lines = read_lines(journal)
        _, first = next(lines, (b"", dict[str, Any]()))
        if not first:
            run = uuid.uuid4().hex
            self._journal.append({"v": _VERSION, "run": run})
            return run
        try:
            if first["v"] != _VERSION:
                raise UsageError(f"{journal} is of a later release than this one.")
            for _, line in lines:
                self._recall(line)
            for _, line in read_lines(results):
                self.ended[line["key"]] = line["job"]
                self.ends[line["status"]] += 1
                self.sessions += filter(None, [line.get("session_id")])
                self.begun.pop(line["key"], None)
            return str(first["run"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self.foreign() from error

    def foreign(self) -> UsageError:
        """Return the error for files that this program did not write."""
        return UsageError(f"{RESULTS} or {JOURNAL} in {self.folder} is not as this program writes it.")

    def _recall(self, line: Mapping[str, Any]) -> None:
        key, ref = line["key"], line.get("ref")
        if ref is None:
            self.begun[key] = Begun(line["job"], datetime.fromisoformat(line["at"]).astimezone())
        else:
            self.begun[key] = Begun(line["job"], None, ref.encode())

    def idempotency_key(self, key: str) -> str:
        """Return the key of a job's create: the same in every run of this folder, another in another folder."""
        return f"{self._run}.{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}"

    def check(self, row: ParsedRow) -> None:
        """
        Check that a row's job is the one that earlier runs had under its key.

        Raises:
            UsageError: The folder has another job under this key.
        """
        known = self.ended.get(row.key)
        if known is None:
            begun = self.begun.get(row.key)
            known = begun.fingerprint if begun else row.fingerprint
        if known != row.fingerprint:
            raise UsageError(
                f"line {row.line}: job {brief(row.key)!r} was begun in {self.folder} with other words or options.",
                hint="Undo the change (also of --approve), give the changed job a new key, or choose another --out.",
            )

    def intend(self, key: str, fingerprint: str, started_at: datetime) -> None:
        """
        Record that the request to create a job's session is about to leave.

        Args:
            key: The job's.
            fingerprint: Its row's.
            started_at: Now, or when it was first about to leave.
        """
        self._journal.append({"key": key, "job": fingerprint, "at": started_at.isoformat()})

    def note(self, key: str, fingerprint: str, ref: bytes) -> None:
        """
        Record a job's session.

        Args:
            key: The job's.
            fingerprint: Its row's.
            ref: What another run goes on with.
        """
        self._journal.append({"key": key, "job": fingerprint, "ref": ref.decode()})

    def finish(self, result: Mapping[str, object]) -> None:
        """Record how a job ended."""
        self._results.append(result)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()
