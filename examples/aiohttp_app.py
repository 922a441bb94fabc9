"""Video sessions for people in browsers, with aiohttp: `python examples/aiohttp_app.py`."""

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from heygen_async import HeyGen, HeyGenError, InvalidArgument, Replayed, WebhookError, webhooks
from web_backend import EVENTS, answer_of, open_events

SECRETS = os.environ.get("HEYGEN_WEBHOOK_SECRET", "").split()
HEYGEN = web.AppKey("HEYGEN", HeyGen)
seen = webhooks.SeenEvents()
routes = web.RouteTableDef()


async def client(app: web.Application) -> AsyncGenerator[None]:
    """Keep one client for the whole process; however many pages follow a session, it is polled once."""
    app[HEYGEN] = HeyGen()
    yield
    await app[HEYGEN].aclose()


async def stop(app: web.Application) -> None:
    """End the streams before the server waits for them."""
    await app[HEYGEN].stop_watching()


@web.middleware
async def refused(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say what went wrong and what to do; neither contains a secret."""
    try:
        return await handler(request)
    except HeyGenError as error:
        status, body, headers = answer_of(error)
        return web.json_response(body, status=status, headers=headers)


async def text(request: web.Request, name: str) -> str:
    """Return a text of the JSON body."""
    try:
        return msgspec.json.decode(await request.read(), type=dict[str, str])[name]
    except (msgspec.MsgspecError, KeyError):
        raise InvalidArgument(name, "must be a text in a JSON object") from None


@routes.post("/sessions")
async def create(request: web.Request) -> web.Response:
    """Start a session, once for each key: a browser that left and tries again with its key gets the same one."""
    prompt, key = await text(request, "prompt"), request.headers.get("Idempotency-Key")
    session = await request.app[HEYGEN].sessions.create(prompt, idempotency_key=key, max_wait=0)
    return web.json_response({"id": session.id}, status=201)


@routes.post("/sessions/{id}/messages")
async def send(request: web.Request) -> web.Response:
    """Answer the agent, or ask for a change; "go ahead" renders the video."""
    message, key = await text(request, "message"), request.headers.get("Idempotency-Key")
    await request.app[HEYGEN].sessions.attach(request.match_info["id"]).send(message, idempotency_key=key)
    return web.Response(status=204)


@routes.get("/sessions/{id}/events")
async def events(request: web.Request) -> web.StreamResponse:
    """Follow a session; the page closes its `EventSource` at `completed` or `failed`."""
    states = await open_events(request.app[HEYGEN].sessions.attach(request.match_info["id"]))
    stream = web.StreamResponse(headers=EVENTS)
    await stream.prepare(request)
    async with aclosing(states):
        async for event in states:
            await stream.write(event)
    return stream


@routes.get("/sessions/{id}/pictures/{resource}")
async def picture(request: web.Request) -> web.Response:
    """Show a storyboard's picture, whose link at the service expires."""
    session = request.app[HEYGEN].sessions.attach(request.match_info["id"])
    raise web.HTTPFound((await session.resource(request.match_info["resource"])).url or "/")


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
app.on_shutdown.append(stop)
app.add_routes(routes)

if __name__ == "__main__":
    # A browser that leaves ends what it asked for.
    web.run_app(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), handler_cancellation=True)
