"""`python -m review_desk`: the desk on a simulated Video Agent, or with `--live` on the real one."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import tempfile
from dataclasses import replace

import uvicorn
from starlette.applications import Starlette

from heygen_async import Cadence, ConfigError, HeyGen
from heygen_async.testing import Line, Scenario, Simulator, SimulatorServer, Step

from . import workers
from .app import create_app, from_environment
from .settings import Settings

STORYBOARD = """\
Here is a storyboard in three scenes.

1. Morning light, steam rises from a fresh cup.
2. Close-up: one button, one perfect shot.
3. Friends at the counter, the logo, your call to action.

Shall I go ahead, or would you like to change anything?"""


REVISED = "I have worked your change into the storyboard. Is it right now?"


class Server(uvicorn.Server):
    """A server that says where it is."""

    def __init__(self, app: Starlette, *, host: str, port: int) -> None:
        super().__init__(uvicorn.Config(app, host=host, port=port, log_level="warning", lifespan="on"))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say where."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            print(f"\n  The review desk is at http://{host}:{port}\n  Ctrl-C ends it.\n", flush=True)


def scenario() -> Scenario:
    """Return the life of a session that is worth looking at."""
    plain = Scenario.chat()
    review = Step(status="reviewing", progress=(40, 40), says=(Line(content=STORYBOARD, pictures=3),))
    revised = replace(review, says=(Line(content=REVISED, pictures=3),))
    return replace(plain, opening=(plain.opening[0], review), revision=(plain.revision[0], revised))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(prog="python -m review_desk", description=__doc__)
    result.add_argument("--host", default="127.0.0.1", help="address to bind (127.0.0.1)")
    result.add_argument("--port", type=int, default=8000, help="port to bind; 0 for any free one (8000)")
    result.add_argument("--live", action="store_true", help="real and paid, with your HEYGEN_API_KEY")
    result.add_argument("--workers", type=int, default=1, help="processes, which meet on a Redis (1)")
    result.add_argument("--speed", type=float, default=6.0, help="of the simulated agent, times life (6)")
    return result


async def main(options: argparse.Namespace) -> None:
    """Serve the desk until it is interrupted; a simulated agent keeps nothing, and so does its desk."""
    where = {"host": options.host, "port": options.port}
    if options.live and options.workers > 1:
        await workers.serve(os.environ, workers=options.workers, **where)
        return
    if options.live:
        await Server(from_environment(), **where).serve()
        return
    async with SimulatorServer(Simulator(scenario=scenario(), speed=options.speed)) as agent:
        print("  A simulated Video Agent: no key, no cost. Add --live for the real one.")
        if options.workers > 1:
            await serve_workers(agent.url, options)
            return
        heygen = HeyGen("test-key", base_url=agent.url, cadence=Cadence.constant(0.5))
        app = create_app(heygen, Settings(media="http://127.0.0.1:*", is_simulated=True))
        # The server raises the signal that ended it once more; a task of its own leaves us the time to close.
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Server(app, **where).serve())


async def serve_workers(agent: str, options: argparse.Namespace) -> None:
    """Serve the desk in several processes, which share a database for as long."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "HEYGEN_API_KEY": "test-key",
            "HEYGEN_API_BASE": agent,
            "DESK_DATABASE": f"{folder}/desk.sqlite3",
        }
        await workers.serve(environment, host=options.host, port=options.port, workers=options.workers)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(main(parser().parse_args()))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except ConfigError as error:
        raise SystemExit(f"{error}\n{error.hint}") from None
