"""Video sessions for people in browsers, with FastAPI: `uvicorn fastapi_app:app --app-dir examples`."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Body, FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse

from heygen_async import HeyGen, HeyGenError, Replayed, WebhookError, webhooks
from heygen_async.backplane import RedisBackplane
from web_backend import EVENTS, answer_of, open_events, stop_on_signals, unless_left

SECRETS = os.environ.get("HEYGEN_WEBHOOK_SECRET", "").split()
REDIS = os.environ.get("REDIS_URL")  # for several workers: each session is polled once for all of them
# One for the whole process; however many pages follow a session, it is polled once.
heygen = HeyGen(backplane=RedisBackplane(REDIS) if REDIS else None)
seen = webhooks.SeenEvents()

Text = Annotated[str, Body(embed=True)]
Key = Annotated[str | None, Header(alias="Idempotency-Key")]


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
    """Close the connections when the app ends."""
    async with heygen:
        with stop_on_signals(heygen.stop_watching):
            yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(HeyGenError)
async def refused(_request: Request, error: HeyGenError) -> Response:
    """Say what went wrong and what to do; neither contains a secret."""
    status, body, headers = answer_of(error)
    return JSONResponse(body, status, headers)


@app.post("/sessions", status_code=201)
async def create(request: Request, prompt: Text, key: Key = None) -> dict[str, str]:
    """Start a session, once for each key: a browser that left and tries again with its key gets the same one."""
    making = heygen.sessions.create(prompt, idempotency_key=key, max_wait=0)
    session = await unless_left(request.receive, making)
    if session is None:
        raise HTTPException(499)
    return {"id": session.id}


@app.post("/sessions/{session_id}/messages", status_code=204)
async def send(session_id: str, message: Text, key: Key = None) -> None:
    """Answer the agent, or ask for a change; "go ahead" renders the video."""
    await heygen.sessions.attach(session_id).send(message, idempotency_key=key)


@app.get("/sessions/{session_id}/events")
async def events(session_id: str) -> Response:
    """Follow a session; the page closes its `EventSource` at `completed` or `failed`."""
    return StreamingResponse(await open_events(heygen.sessions.attach(session_id)), headers=EVENTS)


@app.get("/sessions/{session_id}/pictures/{resource_id}")
async def picture(session_id: str, resource_id: str) -> Response:
    """Show a storyboard's picture, whose link at the service expires."""
    return RedirectResponse((await heygen.sessions.attach(session_id).resource(resource_id)).url or "/")


@app.api_route("/webhook", methods=["GET", "OPTIONS", "POST"])
async def webhook(request: Request) -> Response:
    """Look at once where the service says that something happened; answer its question whether we are here."""
    try:
        if request.method == "POST":
            event = webhooks.verify(request.headers, await request.body(), SECRETS, seen=seen)
            heygen.notify(event)
    except Replayed:
        pass  # taken before: success, so that it does not come again
    except WebhookError:
        return Response(status_code=400)
    return Response()
