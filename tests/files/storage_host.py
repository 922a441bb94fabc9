"""A service with one finished video whose link and storage host do what a test says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from heygen_async import HeyGen, Video


class StorageHost:
    """
    Serves `GET /v3/videos/vid_1`, and hands every other request to `respond`.

    Attributes:
        link: What the service gives as the video's link, relative to this host unless it is absolute.
        targets: The raw targets asked for at the storage host, in order.
        links_given: How often the video was read.
    """

    def __init__(
        self,
        respond: Callable[[web.Request], Awaitable[web.StreamResponse]],
        link: str = "/files/a.mp4?sig=1",
    ) -> None:
        self._respond = respond
        self.link = link
        self.targets: list[str] = []
        self.links_given = 0
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.address = f"127.0.0.1:{self._runner.addresses[0][1]}"
        self.url = f"http://{self.address}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/v3/videos/vid_1":
            self.links_given += 1
            link = self.url + self.link if self.link.startswith("/") and self.link[1] != "/" else self.link
            return web.json_response({"data": {"id": "vid_1", "status": "completed", "video_url": link}})
        self.targets.append(request.raw_path)
        return await self._respond(request)


async def read_video(heygen: HeyGen) -> Video:
    """Return the host's video."""
    return await heygen.videos.get("vid_1")
