"""
The commands about one session.
"""

from __future__ import annotations

import asyncio
import webbrowser
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import anyio
from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.text import Text

from heygen_async import (
    HeyGen,
    NotFound,
    Session,
    SessionPaused,
    SessionState,
    SessionStatus,
    Stop,
    TransportError,
)

from .exit_codes import Exit, UsageError, resume_command
from .follow import check_target, follow, save, show_resources
from .interrupt import run_in_thread
from .job_files import STDIN, read_text
from .job_rows import find_files
from .options import AN_HOUR, Files, Json, Orientation, Out, Poll, Switch, Timeout, client
from .output import Output, brief
from .prompt import Keyboard, LeftUnansweredError, ask, send_answer

if TYPE_CHECKING:
    from heygen_async.models import SessionSummary

_READS_AT_ONCE: Final = 8

TextFile = Annotated[Path | None, Parameter(show_default=False)]
SessionId = Annotated[str, Parameter(help="The session, such as sess_629f6fbed82c07cd.")]


def add_to(app: App) -> None:
    """Add the commands to the app."""
    for command in (run, watch, send, approve, stop, download):
        app.command(command)
    app.command(open_links, name="open")
    app.command(sessions)


async def run(
    prompt: str | None = None,
    /,
    *,
    prompt_file: TextFile = None,
    file: Files = (),
    review: Switch = False,
    out: Out = Path(),
    orientation: Orientation | None = None,
    avatar_id: str | None = None,
    voice_id: str | None = None,
    style_id: str | None = None,
    brand_kit_id: str | None = None,
    brand_glossary_id: str | None = None,
    timeout: Timeout = AN_HOUR,
    poll: Poll = None,
    json: Json = False,
) -> int:
    """
    Make one video from a prompt and download it.

    Parameters
    ----------
    prompt
        What to make, 1 to 10,000 characters; - reads it from standard input.
    prompt_file
        A text file with the prompt.
    review
        Show the agent's messages and storyboard, and ask for an answer.
    orientation
        The shape of the video.
    avatar_id
        A look's id.
    voice_id
        The narration voice.
    style_id
        A visual style.
    brand_kit_id
        A brand kit.
    brand_glossary_id
        A brand glossary.
    """
    if review and prompt == STDIN:
        raise UsageError(
            "--review asks at the terminal, so the prompt cannot come from standard input.",
            hint="Save it in a file and give --prompt-file.",
        )
    text = await run_in_thread(partial(read_text, "prompt", prompt, prompt_file))
    files = await run_in_thread(partial(find_files, file))
    await run_in_thread(partial(check_target, out))
    output = Output(is_json=json)
    async with client(poll, on_retry=output.show_retry) as heygen:
        with orphans_shown(heygen, output), output.busy("creating a session"):
            session = await heygen.sessions.create(
                text,
                mode="chat" if review else "generate",
                files=files,
                orientation=orientation,
                avatar_id=avatar_id,
                voice_id=voice_id,
                style_id=style_id,
                brand_kit_id=brand_kit_id,
                brand_glossary_id=brand_glossary_id,
            )
        output.emit("session", session.id, session_id=session.id)
        with output.if_left(resume_command(session.id)):
            if not review:
                await follow(session, output, timeout=timeout)
            elif not await converse(session, output, timeout=timeout):
                return Exit.FAILED
            return await deliver(session, output, out, timeout=timeout)


@contextmanager
def orphans_shown(heygen: HeyGen, output: Output) -> Generator[None]:
    """Show the session that exists although its create was interrupted."""
    try:
        yield
    except asyncio.CancelledError:
        for session in heygen.sessions.orphans:
            output.emit("session", session.id, session_id=session.id)
            output.advise(resume_command(session.id))
        raise


async def converse(session: Session, output: Output, *, timeout: float | None) -> bool:
    """
    Let a person answer each pause; return whether a video is to be expected.

    Args:
        session: The session.
        output: Where it is shown.
        timeout: Seconds to wait for the agent each time.
    """
    keyboard = Keyboard()
    known: set[str] = set()
    while True:
        state = await follow(session, output, timeout=timeout)
        await show_resources(session, output, known)
        if not state.is_paused:
            return True
        try:
            answer = await ask(state, output, keyboard)
        except LeftUnansweredError:
            output.error("There is no more input to answer with.", hint=answer_command(session.id, state))
            return False
        await send_answer(session, answer, output)
        if isinstance(answer, Stop):
            return False


async def deliver(session: Session, output: Output, out: Path, *, timeout: float | None) -> int:
    """
    Download a session's video, once it is there; show how to answer when the agent asks something instead.

    Args:
        session: The session.
        output: Where it is shown.
        out: Where it goes.
        timeout: Seconds to wait for it.
    """
    try:
        with output.busy("the video is being made ready"):
            video = await session.video(timeout=timeout)
    except SessionPaused as error:
        await show_resources(session, output, set())
        hint = answer_command(session.id, error.last_state)
        output.error(str(error), hint=hint, kind="SessionPaused", session_id=session.id)
        return Exit.FAILED
    await save(video, output, out)
    return Exit.DONE


def answer_command(session_id: str, state: SessionState | None) -> str:
    """Return the command that goes on with a session that waits."""
    if state is not None and state.status == SessionStatus.REVIEWING:
        return f"`heygen-async approve {session_id}`, or `heygen-async send {session_id} 'what to change'`"
    return f"heygen-async send {session_id} 'your answer'"


async def watch(
    session_id: SessionId,
    /,
    *,
    timeout: Timeout = AN_HOUR,
    poll: Poll = None,
    json: Json = False,
) -> int:
    """
    Show a session until it pauses or ends.
    """
    output = Output(is_json=json)
    async with client(poll, on_retry=output.show_retry) as heygen:
        session = heygen.sessions.attach(session_id)
        with output.if_left(resume_command(session_id)):
            state = await follow(session, output, timeout=timeout)
            if state.is_paused:
                await show_resources(session, output, set())
            if state.status == SessionStatus.FAILED:
                await session.video(timeout=timeout)  # raises the reason, which may be credit that ran out
        next_step = (
            answer_command(session_id, state) if state.is_paused else f"heygen-async download {session_id}"
        )
        output.advise(next_step)
        return Exit.DONE


async def send(
    session_id: SessionId,
    message: str | None = None,
    /,
    *,
    message_file: TextFile = None,
    file: Files = (),
    json: Json = False,
) -> int:
    """
    Send a message to the agent: an answer, or a revision.

    Parameters
    ----------
    message
        1 to 10,000 characters; - reads it from standard input.
    message_file
        A text file with the message.
    """
    text = await run_in_thread(partial(read_text, "message", message, message_file))
    files = await run_in_thread(partial(find_files, file))
    output = Output(is_json=json)
    async with client(None, on_retry=output.show_retry) as heygen:
        sent = await heygen.sessions.attach(session_id).send(text, files=files)
    output.emit("sent", session_id, session_id=session_id, run_id=sent.run_id)
    output.advise(f"heygen-async watch {session_id}")
    return Exit.DONE


async def approve(session_id: SessionId, message: str | None = None, /, *, json: Json = False) -> int:
    """
    Approve the storyboard, so that the agent renders it.

    Parameters
    ----------
    message
        Your own words; plain ones when not given.
    """
    output = Output(is_json=json)
    async with client(None, on_retry=output.show_retry) as heygen:
        session = heygen.sessions.attach(session_id)
        state = await session.refresh()
        if state.status == SessionStatus.COMPLETED:
            # It would take any message for a revision, and render that.
            hint = (
                f"`heygen-async download {session_id}`; `heygen-async send {session_id}` asks for a revision."
            )
            output.error(f"Session {session_id} is completed: nothing is left to approve.", hint=hint)
            return Exit.FAILED
        sent = await session.approve(message)
    output.emit("approved", session_id, session_id=session_id, run_id=sent.run_id)
    output.advise(f"`heygen-async download {session_id}` waits for the video.")
    return Exit.DONE


async def stop(session_id: SessionId, /, *, json: Json = False) -> int:
    """
    Ask the agent to end at its next checkpoint; what it has made so far is kept.
    """
    output = Output(is_json=json)
    async with client(None, on_retry=output.show_retry) as heygen:
        await heygen.sessions.attach(session_id).stop()
    output.emit("stopping", session_id, session_id=session_id)
    return Exit.DONE


async def download(
    session_id: SessionId,
    /,
    *,
    out: Out = Path(),
    timeout: Timeout = AN_HOUR,
    poll: Poll = None,
    json: Json = False,
) -> int:
    """
    Download a session's newest video, and wait for it if need be.
    """
    output = Output(is_json=json)
    async with client(poll, on_retry=output.show_retry) as heygen:
        session = heygen.sessions.attach(session_id)
        with output.if_left(resume_command(session_id)):
            await follow(session, output, timeout=timeout)
            return await deliver(session, output, out, timeout=timeout)


async def open_links(session_id: SessionId, /, *, json: Json = False) -> int:
    """
    Open what the agent shows, such as a storyboard, in the browser.
    """
    output = Output(is_json=json)
    async with client(None, on_retry=output.show_retry) as heygen:
        session = heygen.sessions.attach(session_id)
        state = await session.refresh()
        links = await show_resources(session, output, set())
    if not links:
        hint = f"`heygen-async watch {session_id}` shows what it says."
        output.error(f"Session {session_id} shows nothing yet: it is {state.status}.", hint=hint)
        return Exit.FAILED
    for link in links:
        if not await run_in_thread(partial(webbrowser.open, link)):
            output.advise("No browser can be opened here: open the links above yourself.")
            return Exit.FAILED
    return Exit.DONE


async def sessions(
    *, limit: Annotated[int, Parameter(validator=Number(gte=1))] = 20, json: Json = False
) -> int:
    """
    List the account's sessions, newest first, with their statuses and the local time of their creation.

    Parameters
    ----------
    limit
        How many; the status of each is one request more.
    """
    output = Output(is_json=json)
    async with client(None, on_retry=output.show_retry) as heygen:
        found: list[SessionSummary] = []
        async for summary in heygen.sessions.list(page_size=min(limit, 100)):
            found.append(summary)
            if len(found) == limit:
                break
        statuses = await _read_statuses(heygen, found)
    for summary in found:
        status = statuses.get(summary.session_id)
        created = f"{summary.created.astimezone():%Y-%m-%d %H:%M:%S}" if summary.created else "?"
        title = brief(summary.title or "", 70)
        fields = {"session_id": summary.session_id, "created_at": summary.created_at, "status": status}
        output.emit("session", **fields, title=summary.title)
        output.show(Text(f"{brief(summary.session_id)}  {created}  {status or '?':<17}  {title}".rstrip()))
    return Exit.DONE


async def _read_statuses(heygen: HeyGen, found: Sequence[SessionSummary]) -> dict[str, str]:
    """Return the statuses by id; one that cannot be read is not there."""
    statuses: dict[str, str] = {}
    limiter = anyio.CapacityLimiter(_READS_AT_ONCE)

    async def read(session_id: str) -> None:
        async with limiter:
            with suppress(NotFound, TransportError):
                statuses[session_id] = (await heygen.sessions.attach(session_id).refresh()).status

    async with anyio.create_task_group() as group:
        for summary in found:
            group.start_soon(read, summary.session_id)
    return statuses
