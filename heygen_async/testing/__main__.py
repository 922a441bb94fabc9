"""`python -m heygen_async.testing`: the simulator on a port, for programs in any language."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress

import anyio

from ._faults.registry import FAULTS
from ._simulator import Simulator
from ._transports.server import SimulatorServer

_BUSY_PORT = """\
Port {port} cannot be bound: {reason}
Choose another with --port, or 0 for any free one."""

_WELCOME = """\
HeyGen's Video Agent, simulated, at {url}  (times {speed:g} speed, {jobs} jobs at once)

  export HEYGEN_API_BASE={url}
  export HEYGEN_API_KEY={key}

What was created, billed, polled and refused:  {url}/_simulator/ledger
Ctrl-C stops it."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    lines = [f"  {name:24}{fault.what}" for name, fault in FAULTS.items()]
    result = argparse.ArgumentParser(
        prog="python -m heygen_async.testing",
        description="Serve a simulated HeyGen Video Agent on loopback.",
        epilog="faults:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("--host", default="127.0.0.1", help="address to bind (127.0.0.1)")
    add("--port", type=int, default=8080, help="port to bind; 0 for any free one (8080)")
    add("--speed", type=_positive, default=1.0, help="how many times faster than life sessions go (1)")
    add("--api-key", default="test-key", help="the key that is accepted (test-key)")
    add("--max-jobs", type=int, default=10, help="sessions that may work at once (10)")
    add("--seed", type=int, default=0, help="decides ids and random faults (0)")
    add(
        "--faults",
        default="",
        metavar="LIST",
        help="name[:operation[:times]],... or mix:0.1; times * for always",
    )
    add(
        "--contract",
        choices=("openapi", "guide"),
        default="openapi",
        help="guide takes auto_proceed (openapi)",
    )
    add(
        "--idempotency",
        choices=("honoured", "ignored"),
        default="honoured",
        help="of Video Agent calls (honoured)",
    )
    return result


def build(options: argparse.Namespace) -> Simulator:
    """
    Return the simulator the options describe.

    Raises:
        ValueError: A fault is unknown.
    """
    simulator = Simulator(
        api_key=options.api_key,
        max_jobs=options.max_jobs,
        seed=options.seed,
        contract=options.contract,
        idempotency=options.idempotency,
        speed=options.speed,
    )
    simulator.faults.parse(options.faults)
    return simulator


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; return the exit status."""
    command = parser()
    options = command.parse_args(arguments)
    try:
        simulator = build(options)
    except ValueError as error:
        command.error(str(error))
    with suppress(KeyboardInterrupt):
        return asyncio.run(_serve(simulator, options))
    return 0


async def _serve(simulator: Simulator, options: argparse.Namespace) -> int:
    server = SimulatorServer(simulator, host=options.host, port=options.port)
    try:
        async with server:
            print(_welcome(server.url, options), flush=True)
            await anyio.sleep_forever()
    except OSError as error:
        print(_BUSY_PORT.format(port=options.port, reason=error.strerror), file=sys.stderr)
        return 1
    return 0


def _welcome(url: str, options: argparse.Namespace) -> str:
    return _WELCOME.format(url=url, speed=options.speed, jobs=options.max_jobs, key=options.api_key)


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        message = "must be more than 0"
        raise argparse.ArgumentTypeError(message)
    return value


if __name__ == "__main__":
    sys.exit(main())
