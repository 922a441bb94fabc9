"""Video sessions for people in browsers, with Litestar: `uvicorn litestar_app:app --app-dir examples`."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from litestar import HttpMethod, Litestar, Request, Response, get, post, route
from litestar.datastructures import State
from litestar.exceptions import ClientException
from litestar.params import FromPath, HeaderParameter, JSONBody
from litestar.response import Redirect, Stream
from msgspec import Struct

from heygen_async import HeyGen, HeyGenError, Replayed, WebhookError, webhooks
from heygen_async.models import Reply
from web_backend import EVENTS, answer_of, open_events, stop_on_signals, unless_left

SECRETS = os.environ.get("HEYGEN_WEBHOOK_SECRET", "").split()
heygen = HeyGen()  # one for the whole process; however many pages follow a session, it is polled once
seen = webhooks.SeenEvents()

Asked = Request[None, None, State]
Key = Annotated[str | None, HeaderParameter(name="Idempotency-Key")]


class Form(Struct):
    """What a page sends to start a session."""

    prompt: str = ""  # which is refused


@asynccontextmanager
async def lifespan(_app: Litestar) -> AsyncGenerator[None]:
    """Close the connections when the app ends."""
    async with heygen:
        with stop_on_signals(heygen.stop_watching):
            yield


def refused(_request: Asked, error: HeyGenError) -> Response[dict[str, object]]:
    """Say what went wrong and what to do; neither contains a secret."""
    status, body, headers = answer_of(error)
    return Response(body, status_code=status, headers=headers)


@post("/sessions")
async def create(request: Asked, data: JSONBody[Form], key: Key = None) -> dict[str, str]:
    """Start a session, once for each key: a browser that left and tries again with its key gets the same one."""
    making = heygen.sessions.create(data.prompt, idempotency_key=key, max_wait=0)
    session = await unless_left(request.receive, making)
    if session is None:
        raise ClientException(status_code=499)
    return {"id": session.id}


@post("/sessions/{session_id:str}/messages", status_code=204)
async def send(session_id: FromPath[str], data: JSONBody[Reply], key: Key = None) -> None:
    """Answer the agent, or ask for a change; "go ahead" renders the video."""
    await heygen.sessions.attach(session_id).send(data.message, idempotency_key=key)


@get("/sessions/{session_id:str}/events")
async def events(session_id: FromPath[str]) -> Stream:
    """Follow a session; the page closes its `EventSource` at `completed` or `failed`."""
    return Stream(await open_events(heygen.sessions.attach(session_id)), headers=EVENTS)


@get("/sessions/{session_id:str}/pictures/{resource_id:str}")
async def picture(session_id: FromPath[str], resource_id: FromPath[str]) -> Redirect:
    """Show a storyboard's picture, whose link at the service expires."""
    return Redirect((await heygen.sessions.attach(session_id).resource(resource_id)).url or "/")


@route("/webhook", http_method=[HttpMethod.GET, HttpMethod.OPTIONS, HttpMethod.POST], status_code=200)
async def webhook(request: Asked) -> Response[None]:
    """Look at once where the service says that something happened; answer its question whether we are here."""
    try:
        if request.method == "POST":
            event = webhooks.verify(request.headers, await request.body(), SECRETS, seen=seen)
            heygen.notify(event)
    except Replayed:
        pass  # taken before: success, so that it does not come again
    except WebhookError:
        return Response(None, status_code=400)
    return Response(None)


app = Litestar(
    [create, send, events, picture, webhook],
    lifespan=[lifespan],
    exception_handlers={HeyGenError: refused},
    logging_config=None,  # as the process has it: Litestar's own begins a thread that never ends
)
