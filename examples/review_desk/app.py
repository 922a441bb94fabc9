"""The pages of the desk, and what their forms and streams do."""

from __future__ import annotations

import os
import pathlib
import secrets
import shutil
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import anyio
from msgspec import Struct
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from heygen_async import HeyGen, HeyGenError, RetryPolicy, Timeouts, Video
from heygen_async.backplane import RedisBackplane
from web_backend import answer_of, stop_on_signals

from . import stream, views, webhook
from .board import Board, NewVideo, Orientation
from .guards import MEGABYTE, LimitedBody, OwnPagesOnly, SecureHeaders
from .room import Room
from .settings import Settings
from .store import Store
from .troubles import trouble_of

MOST_BODY: Final = 64 * MEGABYTE
MOST_FILES: Final = 20
MOST_NAME: Final = 200

_HERE: Final = pathlib.Path(__file__).parent
_PAGES: Final = Jinja2Templates(_HERE / "templates")
_ORIENTATIONS: Final[dict[str, Orientation]] = {"landscape": "landscape", "portrait": "portrait"}

# A person waits for the answer: say within half a minute that the service is busy or can't be reached.
TIMEOUTS: Final = Timeouts(outage=30.0)
RETRY: Final = RetryPolicy(max_elapsed=30.0, max_retry_after=10.0)


def from_environment() -> Starlette:
    """Return the desk of this environment: `uvicorn --factory review_desk.app:from_environment`."""
    redis = os.environ.get("REDIS_URL")  # for several processes: each session is polled once for all of them
    backplane = RedisBackplane(redis) if redis else None
    return create_app(
        HeyGen(timeouts=TIMEOUTS, retry=RETRY, backplane=backplane), Settings.from_environment()
    )


def create_app(heygen: HeyGen, settings: Settings) -> Starlette:
    """
    Return the desk.

    Args:
        heygen: The one client of the process; closed with the app.
        settings: The desk's own.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            store = None
            if settings.database is not None:
                store = await stack.enter_async_context(Store.opened(settings.database))
            await stack.enter_async_context(heygen)
            app.state.board = board = await stack.enter_async_context(Board.opened(heygen, store))
            app.state.settings = settings
            stack.enter_context(stop_on_signals(board.stop))
            yield

    return Starlette(
        routes=[
            Route("/", index),
            Route("/events", list_events),
            Route("/catalog", catalog),
            Route("/balance", balance),
            Route("/sessions", create, methods=["POST"]),
            Route("/sessions/{session_id}", session_page),
            Route("/sessions/{session_id}/events", session_events),
            Route("/sessions/{session_id}/messages", send, methods=["POST"]),
            Route("/sessions/{session_id}/approve", approve, methods=["POST"]),
            Route("/sessions/{session_id}/stop", stop, methods=["POST"]),
            Route("/sessions/{session_id}/archive", archive, methods=["POST"]),
            Route("/sessions/{session_id}/delete", delete, methods=["POST"]),
            Route("/sessions/{session_id}/pictures/{resource_id}", picture),
            Route("/sessions/{session_id}/video/{video_id}", video),
            Route("/sessions/{session_id}/video/{video_id}/thumbnail", thumbnail),
            Route("/sessions/{session_id}/video/{video_id}/download", download),
            Route(
                webhook.PATH,
                webhook.endpoint(heygen, settings.webhook_secrets),
                methods=["GET", "OPTIONS", "POST"],
            ),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
        ],
        middleware=[
            Middleware(SecureHeaders, media=settings.media),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(settings.hosts), www_redirect=False),
            Middleware(OwnPagesOnly, exempt=webhook.PATH),
            Middleware(LimitedBody, most=MOST_BODY),
        ],
        exception_handlers={HeyGenError: refused, HTTPException: not_here},
        lifespan=lifespan,
    )


def board_of(request: Request) -> Board:
    """Return the board of the running app."""
    board: Board = request.app.state.board
    return board


async def room_of(request: Request) -> Room:
    """
    Return the room a path names, also one that another process of the desk has just made.

    Raises:
        HTTPException: This desk has no such session.
    """
    board, session_id = board_of(request), request.path_params["session_id"]
    if session_id not in board.rooms:
        await board.refresh()
    if session_id not in board.rooms:
        raise HTTPException(404, "This desk has no such session.")
    return board.rooms[session_id]


# ---- pages and their streams --------------------------------------------------------------------------------------


async def index(request: Request) -> Response:
    """The list of sessions and the form for a new one."""
    # The form has a name of its own, so that sending it twice makes one session.
    form = secrets.token_urlsafe(16)
    values = {"form": form, "most_megabytes": MOST_BODY // MEGABYTE, "shown": views.SHOWN}
    return _shown(request, "index.html", values)


async def list_events(request: Request) -> Response:
    """The list of sessions as it changes."""
    query = request.query_params
    return stream.of_list(board_of(request), query.get("words", ""), query.get("shown", ""))


async def session_page(request: Request) -> Response:
    """One session."""
    room = await room_of(request)
    return _shown(request, "session.html", {"row": views.row(room), "record": room.record})


async def session_events(request: Request) -> Response:
    """One session as it changes."""
    return stream.of_session(await room_of(request))


def _shown(request: Request, name: str, values: Mapping[str, object], status: int = 200) -> Response:
    headers = {"cache-control": "no-store"}
    settings: Settings = request.app.state.settings
    values = {**values, "is_simulated": settings.is_simulated, "asks_for_name": settings.user_header is None}
    return _PAGES.TemplateResponse(request, name, values, status_code=status, headers=headers)


async def catalog(request: Request) -> Response:
    """What a video can be made with."""
    return _values(await board_of(request).account.catalog.get())


async def balance(request: Request) -> Response:
    """What is left to spend."""
    return _values(await board_of(request).account.balance.get())


def _values(value: Struct, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(views.encode(value), status_code=status, headers=headers, media_type="application/json")


# ---- forms --------------------------------------------------------------------------------------------------------


async def create(request: Request) -> Response:
    """Upload the attachments and start a session."""
    heygen = board_of(request).heygen
    async with request.form(max_files=MOST_FILES) as form:
        files = [item for item in form.getlist("files") if isinstance(item, UploadFile) and item.filename]
        assets = [await heygen.assets.upload(file.file, filename=file.filename) for file in files]
        video = NewVideo(
            form=_text(form, "form"),
            prompt=_text(form, "prompt"),
            name=_text(form, "name").strip()[:MOST_NAME],
            avatar_id=_text(form, "avatar_id") or None,
            voice_id=_text(form, "voice_id") or None,
            style_id=_text(form, "style_id") or None,
            orientation=_ORIENTATIONS.get(_text(form, "orientation")),
            files=assets,
        )
    room = await board_of(request).create(video)
    return JSONResponse({"url": views.url_of(room.record.id)}, status_code=201)


async def send(request: Request) -> Response:
    """Say something to the agent."""
    room = await room_of(request)
    async with request.form() as form:
        await room.say(_text(form, "message"))
    return Response(status_code=204)


async def approve(request: Request) -> Response:
    """Have the storyboard rendered."""
    room = await room_of(request)
    async with request.form() as form:
        await room.approve(_who(request, form))
    return Response(status_code=204)


async def stop(request: Request) -> Response:
    """End the run."""
    await (await room_of(request)).stop()
    return Response(status_code=204)


async def archive(request: Request) -> Response:
    """Put a session out of the list, or back into it."""
    room = await room_of(request)
    await room.keep(place="list" if room.record.place == "archive" else "archive")
    return Response(status_code=204)


async def delete(request: Request) -> Response:
    """Delete a session and its video for good."""
    room = await room_of(request)
    if await room.is_at_work():
        raise HTTPException(409, "The agent is still working. Stop it first.")
    await board_of(request).delete(room)
    return JSONResponse({"url": "/"})


def _who(request: Request, form: FormData) -> str:
    settings: Settings = request.app.state.settings
    given = (
        _text(form, "by") if settings.user_header is None else request.headers.get(settings.user_header, "")
    )
    return given.strip()[:MOST_NAME] or "somebody"


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""


# ---- pictures and videos ------------------------------------------------------------------------------------------


async def picture(request: Request) -> Response:
    """A storyboard picture: the service's links expire, this address does not."""
    found = await (await room_of(request)).session.resource(request.path_params["resource_id"])
    small = found.thumbnail_url if "small" in request.query_params else None
    return _elsewhere(small or found.url or found.preview_url)


async def video(request: Request) -> Response:
    """The finished video, with a fresh link."""
    return _elsewhere((await _video(request)).video_url)


async def thumbnail(request: Request) -> Response:
    """A small picture of the finished video."""
    return _elsewhere((await _video(request)).thumbnail_url)


async def download(request: Request) -> Response:
    """The finished video as a file with its title: fetched whole and checked before it is passed on."""
    found, title = await _video(request), views.row(await room_of(request)).title
    folder = await anyio.to_thread.run_sync(tempfile.mkdtemp)
    try:
        path = await found.download(folder)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(shutil.rmtree, folder)
        raise
    return FileResponse(path, filename=f"{title[:80]}.mp4", background=BackgroundTask(shutil.rmtree, folder))


async def _video(request: Request) -> Video:
    if request.path_params["video_id"] != (await room_of(request)).session.video_id:
        raise HTTPException(404, "This session has no such video.")
    return await board_of(request).heygen.videos.get(request.path_params["video_id"])


def _elsewhere(url: str | None) -> Response:
    if url is None:
        raise HTTPException(404, "There is no file yet.")
    return RedirectResponse(url, headers={"cache-control": "private, max-age=60"})


# ---- when it goes wrong -------------------------------------------------------------------------------------------


async def refused(_request: Request, error: Exception) -> Response:
    """Tell an error of the client in words for a person."""
    assert isinstance(error, HeyGenError)
    status, _, headers = answer_of(error)
    return _values(trouble_of(error), status, headers)


async def not_here(request: Request, error: Exception) -> Response:
    """Tell an error of the desk: as a page to a person, as values to a script."""
    assert isinstance(error, HTTPException)
    if "text/html" in request.headers.get("accept", ""):
        return _shown(request, "problem.html", {"error": error.detail}, status=error.status_code)
    return JSONResponse({"error": error.detail, "hint": ""}, status_code=error.status_code)
