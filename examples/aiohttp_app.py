"""Video sessions for people in browsers, with aiohttp: `python examples/aiohttp_app.py`."""

import os
from collections.abc import AsyncGenerator

from aiohttp import web
from aiohttp.typedefs import Handler

from heygen_async import HeyGen, HeyGenError, Replayed, WebhookError, webhooks

SECRETS = os.environ.get("HEYGEN_WEBHOOK_SECRET", "").split()
HEYGEN = web.AppKey("HEYGEN", HeyGen)
seen = webhooks.SeenEvents()
routes = web.RouteTableDef()


async def client(app: web.Application) -> AsyncGenerator[None]:
    """Keep one client for the whole process; however many pages follow a session, it is polled once."""
    app[HEYGEN] = HeyGen()
    yield
    await app[HEYGEN].aclose()


@web.middleware
async def refused(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say what went wrong and what to do; neither contains a secret."""
    try:
        return await handler(request)
    except HeyGenError as error:
        return web.json_response({"error": str(error), "hint": error.hint}, status=502)


@routes.post("/sessions")
async def create(request: web.Request) -> web.Response:
    """Start a session."""
    session = await request.app[HEYGEN].sessions.create(request.query["prompt"])
    return web.json_response({"id": session.id}, status=201)


@routes.post("/sessions/{id}/messages")
async def send(request: web.Request) -> web.Response:
    """Answer the agent, or ask for a change; "go ahead" renders the video."""
    await request.app[HEYGEN].sessions.attach(request.match_info["id"]).send(request.query["message"])
    return web.Response(status=204)


@routes.get("/sessions/{id}/events")
async def events(request: web.Request) -> web.StreamResponse:
    """Follow a session; the page closes its `EventSource` at `completed` or `failed`."""
    session = request.app[HEYGEN].sessions.attach(request.match_info["id"])
    stream = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await stream.prepare(request)
    async for state in session.watch(until=["completed", "failed"], progress=True):
        await stream.write(f'data: {{"status": "{state.status}", "progress": {state.progress}}}\n\n'.encode())
    return stream


@routes.route("*", "/webhook")
async def webhook(request: web.Request) -> web.Response:
    """Look at once where the service says that something happened; answer its question whether we are here."""
    try:
        if request.method == "POST":
            event = webhooks.verify(request.headers, await request.read(), SECRETS, seen=seen)
            request.app[HEYGEN].notify(event)
    except Replayed:
        pass  # taken before: success, so that it does not come again
    except WebhookError:
        return web.Response(status=400)
    return web.Response()


app = web.Application(middlewares=[refused])
app.cleanup_ctx.append(client)
app.add_routes(routes)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", handler_cancellation=True)  # a browser that leaves ends its polls
