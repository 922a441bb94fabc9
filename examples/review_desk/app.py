"""The pages of the desk, and what their forms and streams do."""

from __future__ import annotations

import pathlib
import secrets
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from heygen_async import HeyGen, HeyGenError, RetryPolicy, Timeouts
from web_backend import answer_of, stop_on_signals

from . import stream, views, webhook
from .board import Board, Orientation
from .guards import MEGABYTE, LimitedBody, OwnPagesOnly, SecureHeaders
from .room import Room
from .settings import Settings
from .store import Store, forget
from .troubles import trouble_of

MOST_BODY: Final = 64 * MEGABYTE
MOST_FILES: Final = 20

_HERE: Final = pathlib.Path(__file__).parent
_PAGES: Final = Jinja2Templates(_HERE / "templates")
_ORIENTATIONS: Final[dict[str, Orientation]] = {"landscape": "landscape", "portrait": "portrait"}

# A person waits for the answer: say within half a minute that the service is busy or can't be reached.
TIMEOUTS: Final = Timeouts(outage=30.0)
RETRY: Final = RetryPolicy(max_elapsed=30.0, max_retry_after=10.0)


def from_environment() -> Starlette:
    """Return the desk of this environment: `uvicorn --factory review_desk.app:from_environment`."""
    return create_app(HeyGen(timeouts=TIMEOUTS, retry=RETRY), Settings.from_environment())


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
            records, save = [], forget
            if settings.database is not None:
                store = await stack.enter_async_context(Store.opened(settings.database))
                records, save = await store.all(), store.save
            await stack.enter_async_context(heygen)
            app.state.board = board = await stack.enter_async_context(Board.opened(heygen, records, save))
            stack.enter_context(stop_on_signals(board.stop))
            yield

    return Starlette(
        routes=[
            Route("/", index),
            Route("/events", list_events),
            Route("/sessions", create, methods=["POST"]),
            Route("/sessions/{session_id}", session_page),
            Route("/sessions/{session_id}/events", session_events),
            Route("/sessions/{session_id}/messages", send, methods=["POST"]),
            Route("/sessions/{session_id}/approve", approve, methods=["POST"]),
            Route("/sessions/{session_id}/stop", stop, methods=["POST"]),
            Route("/sessions/{session_id}/pictures/{resource_id}", picture),
            Route("/sessions/{session_id}/video/{video_id}", video),
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


def room_of(request: Request) -> Room:
    """
    Return the room a path names.

    Raises:
        HTTPException: This desk has no such session.
    """
    room = board_of(request).rooms.get(request.path_params["session_id"])
    if room is None:
        raise HTTPException(404, "This desk has no such session.")
    return room


# ---- pages and their streams --------------------------------------------------------------------------------------


async def index(request: Request) -> Response:
    """The list of sessions and the form for a new one."""
    # The form has a name of its own, so that sending it twice makes one session.
    form = secrets.token_urlsafe(16)
    return _shown(request, "index.html", {"form": form, "most_megabytes": MOST_BODY // MEGABYTE})


async def list_events(request: Request) -> Response:
    """The list of sessions as it changes."""
    return stream.of_list(board_of(request))


async def session_page(request: Request) -> Response:
    """One session."""
    return _shown(request, "session.html", {"row": views.row(room_of(request))})


async def session_events(request: Request) -> Response:
    """One session as it changes."""
    return stream.of_session(room_of(request))


def _shown(request: Request, name: str, values: dict[str, object], status: int = 200) -> Response:
    headers = {"cache-control": "no-store"}
    return _PAGES.TemplateResponse(request, name, values, status_code=status, headers=headers)


# ---- forms --------------------------------------------------------------------------------------------------------


async def create(request: Request) -> Response:
    """Upload the attachments and start a session."""
    heygen = board_of(request).heygen
    async with request.form(max_files=MOST_FILES) as form:
        files = [item for item in form.getlist("files") if isinstance(item, UploadFile) and item.filename]
        assets = [await heygen.assets.upload(file.file, filename=file.filename) for file in files]
        room = await board_of(request).create(
            _text(form, "form"),
            _text(form, "prompt"),
            orientation=_ORIENTATIONS.get(_text(form, "orientation")),
            files=assets,
        )
    return JSONResponse({"url": views.url_of(room.record.id)}, status_code=201)


async def send(request: Request) -> Response:
    """Say something to the agent."""
    async with request.form() as form:
        await room_of(request).say(_text(form, "message"))
    return Response(status_code=204)


async def approve(request: Request) -> Response:
    """Have the storyboard rendered."""
    await room_of(request).approve()
    return Response(status_code=204)


async def stop(request: Request) -> Response:
    """End the run."""
    await room_of(request).stop()
    return Response(status_code=204)


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""


# ---- pictures and videos ------------------------------------------------------------------------------------------


async def picture(request: Request) -> Response:
    """A storyboard picture: the service's links expire, this address does not."""
    resource = await room_of(request).session.resource(request.path_params["resource_id"])
    return _elsewhere(resource.url or resource.preview_url)


async def video(request: Request) -> Response:
    """The finished video, with a fresh link."""
    if request.path_params["video_id"] != room_of(request).session.video_id:
        raise HTTPException(404, "This session has no such video.")
    found = await board_of(request).heygen.videos.get(request.path_params["video_id"])
    return _elsewhere(found.video_url)


def _elsewhere(url: str | None) -> Response:
    if url is None:
        raise HTTPException(404, "There is no file yet.")
    return RedirectResponse(url, headers={"cache-control": "private, max-age=60"})


# ---- when it goes wrong -------------------------------------------------------------------------------------------


async def refused(_request: Request, error: Exception) -> Response:
    """Tell an error of the client in words for a person."""
    assert isinstance(error, HeyGenError)
    status, _, headers = answer_of(error)
    body = views.encode(trouble_of(error))
    return Response(body, status_code=status, headers=headers, media_type="application/json")


async def not_here(request: Request, error: Exception) -> Response:
    """Tell an error of the desk: as a page to a person, as values to a script."""
    assert isinstance(error, HTTPException)
    if "text/html" in request.headers.get("accept", ""):
        return _shown(request, "problem.html", {"error": error.detail}, status=error.status_code)
    return JSONResponse({"error": error.detail, "hint": ""}, status_code=error.status_code)
