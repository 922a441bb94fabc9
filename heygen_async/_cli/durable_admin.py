"""
`heygen-async durable`: see, answer, retry, cancel and purge the jobs of a batch in a database, without working for it.
"""

from __future__ import annotations

import shlex
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import App, Parameter
from cyclopts.validators import Number

from heygen_async import Approve, Reply, Stop
from heygen_async.durable import DurableBatch

from .durable import spending_of
from .exit_codes import Exit, UsageError
from .options import Json, Switch, client
from .output import Output, brief, is_visible

if TYPE_CHECKING:
    from heygen_async.durable import BatchStatus, JobStatus

durable = App(name="durable", help="See to a batch in a database: its jobs, their questions, second tries.")

Database = Annotated[
    str,
    Parameter(help="sqlite:///FILE or postgresql://USER@HOST/DATABASE; PGPASSWORD gives a password."),
]
Name = Annotated[str, Parameter(help="The batch's name.")]
Key = Annotated[str, Parameter(help="The job's key.")]

_SHOWN: Final = 20  # failed jobs shown one by one
_SECONDS_A_DAY: Final = 86_400


@asynccontextmanager
async def _open(database: str, name: str) -> AsyncGenerator[DurableBatch]:
    async with client(None) as heygen, DurableBatch(database, name=name, heygen=heygen, work=False) as batch:
        yield batch


def _command(word: str, database: str, name: str) -> str:
    return f"heygen-async {word} --database {shlex.quote(database)} --name {shlex.quote(name)}"


@durable.command
async def status(*, database: Database, name: Name, json: Json = False) -> int:
    """
    Show how far the batch is, what its paused jobs ask, and why jobs failed.
    """
    output = Output(is_json=json)
    async with _open(database, name) as batch:
        now = await batch.status()
        reviews = await batch.pending_reviews()
    _show_counts(now, output)
    for job in now.jobs if json else ():
        fields = {"phase": job.phase, "attempts": job.attempts, "error": job.error}
        output.emit("job", key=job.key, session_id=job.session_id, **fields)
    if not now.total:
        output.advise(
            "Check --name and --database; `heygen-async batch JOBS --database ...` puts jobs in it."
        )
    failed = [job for job in now.jobs if job.phase == "failed"]
    _show_failed(failed, output)
    for review in reviews:
        asked = next((it.content for it in review.state.messages[::-1] if it.role == "model"), "")
        words = f"{brief(review.key)}  {review.session_id}  {brief(asked, 300)}"
        output.emit("asks", words, key=review.key, session_id=review.session_id, content=asked)
    if reviews:
        output.advise(f"`heygen-async watch {reviews[0].session_id}` shows the storyboard's links.")
        output.advise(
            f"To answer: {_command('durable answer KEY', database, name)} 'your answer', or --approve, or --stop"
        )
    if failed:
        output.advise(f"To begin those that failed once more: {_command('durable retry', database, name)}")
    return Exit.DONE


def _show_counts(now: BatchStatus, output: Output) -> None:
    counts = {phase: count for phase, count in now.counts.items() if count}
    words = ", ".join(f"{count:,} {phase}" for phase, count in counts.items()) or "no jobs"
    spending = spending_of(now)
    output.emit("status", words, total=now.total, unfinished=now.unfinished, counts=counts)
    if spending is not None:
        output.emit("spent", str(spending), **asdict(spending))


def _show_failed(failed: Sequence[JobStatus], output: Output) -> None:
    for job in failed[:_SHOWN]:
        output.emit(
            "failed",
            "" if output.is_json else f"{brief(job.key)}  {brief(job.error or '', 300)}",
            key=job.key,
        )
    if len(failed) > _SHOWN:
        output.advise(f"and {len(failed) - _SHOWN:,} more that failed: --json shows all.")


@durable.command
async def answer(
    key: Key,
    message: str | None = None,
    /,
    *,
    database: Database,
    name: Name,
    approve: Switch = False,
    stop: Switch = False,
    json: Json = False,
) -> int:
    """
    Answer the pause of a job; a process that works for the batch sends it.

    Parameters
    ----------
    message
        What to send to the agent.
    approve
        Approve the storyboard; a message goes along.
    stop
        End the session.
    """
    if (stop and (approve or message is not None)) or not (stop or approve or is_visible(message or "")):
        raise UsageError(
            f"The answer to {brief(key)!r} is missing, or there are two.",
            hint="Give a message in quotes, or --approve, or --stop.",
        )
    given = Stop() if stop else Approve(message=message) if approve else Reply(message=message or "")
    output = Output(is_json=json)
    async with _open(database, name) as batch:
        await batch.answer(key, given)
    output.emit("answered", brief(key), key=key, kind=type(given).__name__.lower())
    output.advise(f"It is sent while a process works for the batch: {_command('worker', database, name)}")
    return Exit.DONE


@durable.command
async def retry(*keys: Key, database: Database, name: Name, json: Json = False) -> int:
    """
    Begin jobs once more that failed or were cancelled; all of them when no key is given.

    Only a session that failed or was cancelled is paid for again.
    """
    output = Output(is_json=json)
    async with _open(database, name) as batch:
        begun = await batch.retry(keys or None)
    for key in begun:
        output.emit("retried", brief(key), key=key)
    output.emit("finished", f"{len(begun):,} begun once more", retried=len(begun))
    if begun:
        output.advise(f"They run while a process works for the batch: {_command('worker', database, name)}")
    return Exit.DONE


@durable.command
async def cancel(*keys: Key, database: Database, name: Name, json: Json = False) -> int:
    """
    End jobs, and stop their sessions.
    """
    if not keys:
        raise UsageError("No job is named.", hint="Give the keys of the jobs to cancel.")
    output = Output(is_json=json)
    async with _open(database, name) as batch:
        for key in keys:
            was_open = await batch.cancel(key)
            words = brief(key) if was_open else f"{brief(key)} had ended before"
            output.emit("cancelled" if was_open else "ended", words, key=key)
    return Exit.DONE


@durable.command
async def purge(
    *,
    older_than: Annotated[float, Parameter(validator=Number(gte=0))],
    database: Database,
    name: Name,
    json: Json = False,
) -> int:
    """
    Forget jobs that ended long ago; submitted again, they are made and paid for again.

    Parameters
    ----------
    older_than
        Days since they ended.
    """
    output = Output(is_json=json)
    async with _open(database, name) as batch:
        count = await batch.purge(older_than * _SECONDS_A_DAY)
    output.emit("purged", f"{count:,} jobs", count=count)
    return Exit.DONE
