"""Video sessions for people in browsers, with FastAPI: `uvicorn fastapi_app:app --app-dir examples`."""

import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from heygen_async import HeyGen, HeyGenError, RateLimited, Replayed, Session, WebhookError, webhooks

SECRETS = os.environ.get("HEYGEN_WEBHOOK_SECRET", "").split()
heygen = HeyGen()  # one for the whole process; however many pages follow a session, it is polled once
seen = webhooks.SeenEvents()


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
    """Close the connections when the app ends."""
    async with heygen:
        yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(HeyGenError)
async def refused(_request: Request, error: HeyGenError) -> Response:
    """Say what went wrong and what to do; neither contains a secret."""
    status = 429 if isinstance(error, RateLimited) else 502
    return JSONResponse({"error": str(error), "hint": error.hint}, status_code=status)


@app.post("/sessions", status_code=201)
async def create(prompt: str) -> dict[str, str]:
    """Start a session."""
    return {"id": (await heygen.sessions.create(prompt)).id}


@app.post("/sessions/{session_id}/messages", status_code=204)
async def send(session_id: str, message: str) -> None:
    """Answer the agent, or ask for a change; "go ahead" renders the video."""
    await heygen.sessions.attach(session_id).send(message)


@app.get("/sessions/{session_id}/events")
async def events(session_id: str) -> Response:
    """Follow a session; the page closes its `EventSource` at `completed` or `failed`."""
    return StreamingResponse(states(heygen.sessions.attach(session_id)), media_type="text/event-stream")


async def states(session: Session) -> AsyncGenerator[str]:
    """Yield an event for each change; when the browser leaves, this ends and so do the polls made for it."""
    async for state in session.watch(until=["completed", "failed"], progress=True):
        yield f"data: {json.dumps({'status': state.status, 'progress': state.progress})}\n\n"


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
