"""
Showing one session: its transitions, what the agent says, how far it is.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from heygen_async import (
    DownloadError,
    HeyGenError,
    Outage,
    Resource,
    Session,
    SessionState,
    SessionStatus,
    Transfer,
    Video,
)

from .exit_codes import UsageError
from .output import brief, duration

if TYPE_CHECKING:
    from .output import Output

_ENDS: Final = (
    SessionStatus.REVIEWING,
    SessionStatus.WAITING_FOR_INPUT,
    SessionStatus.COMPLETED,
    SessionStatus.FAILED,
)


async def follow(session: Session, output: Output, *, timeout: float | None) -> SessionState:
    """
    Show a session until it pauses or ends, and return the state it is in then.

    Args:
        session: The session.
        output: Where it is shown.
        timeout: Seconds to wait at most; None for no limit.
    """
    last: SessionState | None = None
    with output.busy(f"session {session.id}") as status:

        def show_outage(outage: Outage) -> None:
            words = f"not reached for {duration(outage.seconds)}, trying on"
            if outage.is_over:
                words = "the service answers again"
            elif status is not None:
                status.update(words)
            output.emit("outage", words, session_id=session.id, is_over=outage.is_over)

        watch = session.watch(until=_ENDS, progress=True, timeout=timeout, on_outage=show_outage)
        async with watch as states:
            async for state in states:
                _show_change(output, session, last, state)
                if status is not None:
                    status.update(f"{state.status}, {state.progress} %")
                last = state
    assert last is not None  # noqa: S101 - a watch ends with a state or an error
    return last


def _show_change(output: Output, session: Session, before: SessionState | None, state: SessionState) -> None:
    if before is None or before.status != state.status:
        lasted = f" ({duration(state.elapsed)})" if state.previous else ""
        words = f"{state.previous}{lasted} -> {state.status}" if state.previous else str(state.status)
        output.emit(
            "status",
            words,
            session_id=session.id,
            status=state.status,
            previous=state.previous,
            progress=state.progress,
        )
    elif before.progress != state.progress:
        output.emit("progress", session_id=session.id, status=state.status, progress=state.progress)
    for message in state.new_messages:
        if message.role != "user":
            words = message.content
            output.emit("agent", words, session_id=session.id, type=message.type, content=words)


async def show_resources(session: Session, output: Output, known: set[str]) -> list[str]:
    """
    Show the links of what the agent's messages refer to, each once; return those that were shown.

    Args:
        session: The session.
        output: Where they are shown.
        known: Ids of those shown before; it grows.
    """
    links: list[str] = []
    try:
        resources = await session.resources()
    except HeyGenError as error:
        output.advise(f"The links cannot be read now: {error}")
        return links
    for resource in resources:
        if resource.resource_id not in known and (link := _link(resource)):
            known.add(resource.resource_id)
            links.append(link)
            output.emit(
                "resource",
                link,
                session_id=session.id,
                type=resource.resource_type,
                id=resource.resource_id,
                url=link,
            )
    return links


def _link(resource: Resource) -> str | None:
    links = (resource.url, resource.preview_url, resource.thumbnail_url)
    return next((link for link in links if link and link.startswith(("https://", "http://"))), None)


def check_target(out: Path) -> None:
    """
    Check that a video can be saved before it is paid for; blocks.

    Args:
        out: A folder, or the file's path when it ends in .mp4.

    Raises:
        UsageError: A file is in the way, or the folder cannot be written.
    """
    folder = out.parent if _is_file(out) else out
    if _is_file(out) and os.path.lexists(out):
        raise UsageError(f"{out} exists.", hint="Move that file away, or choose another --out.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be a folder for videos: {error.strerror}.", hint="Choose another --out."
        ) from error
    if not is_writable:
        raise UsageError(f"{folder} cannot be written.", hint="Choose another --out.")


def _is_file(out: Path) -> bool:
    return out.suffix.lower() == ".mp4"


async def save(video: Video, output: Output, out: Path) -> Path:
    """
    Download a video, and show how far that is.

    Args:
        video: The video.
        output: Where it is shown.
        out: A folder, or the file's path when it ends in .mp4.
    """
    is_file = _is_file(out)
    if not is_file:
        await anyio.Path(out).mkdir(parents=True, exist_ok=True)
    with output.busy("downloading") as status:

        def show(transfer: Transfer) -> None:
            if status is not None:
                status.update(f"downloading, {_amount(transfer)}")

        try:
            path = await video.download(out, on_progress=show)
        except DownloadError as error:
            if is_file or not isinstance(error.__cause__, FileExistsError):
                raise
            # Named after the video's id, and never there before it is whole.
            path = Path(error.__cause__.args[0])
            output.advise(f"{path} was downloaded before.")
    output.emit("video", str(path), video_id=video.id, path=str(path), title=brief(video.title or "", 200))
    return path


def _amount(transfer: Transfer) -> str:
    done = f"{transfer.done_bytes / 1e6:.1f}"
    return f"{done} MB" if transfer.total_bytes is None else f"{done} of {transfer.total_bytes / 1e6:.1f} MB"
