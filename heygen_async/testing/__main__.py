"""`python -m heygen_async.testing`: the simulator on a port, for programs in any language."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import anyio

from ._faults.registry import FAULTS
from ._moods import Moods
from ._scenario import Scenario
from ._service.idempotency import check_idempotency
from ._simulator import Simulator
from ._transports.server import SimulatorServer

if TYPE_CHECKING:
    from ._service.state import Idempotency

SCENARIOS: Mapping[str, Callable[[], Scenario]] = {
    "chat": Scenario.chat,
    "conversational": Scenario.conversational,
    "credit_runs_out": Scenario.credit_runs_out,
    "failing": Scenario.failing,
    "generate": Scenario.generate,
    "question": Scenario.question,
    "silent_failure": Scenario.silent_failure,
    "stuck": Scenario.stuck,
}

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
        type=_idempotency,
        default="ignored",
        metavar="WHICH",
        help="keys of Video Agent calls: honoured, ignored, or the calls that honour them: create,send (ignored)",
    )
    add("--scenario", choices=sorted(SCENARIOS), help="the life of every session (by its mode)")
    add(
        "--cassette",
        metavar="FILE",
        help="the life of the session in the cassette of a probe, for every session",
    )
    _add_moods(result.add_argument_group("moods", "what the real service does beyond its contract"))
    return result


def _add_moods(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--video-at", choices=("create", "generating", "never"), help="when sessions learn their video_id")
    add("--billing", choices=("wallet", "subscription", "usage_based"), default="wallet", help="(wallet)")
    add("--wallet", type=float, default=12.5, metavar="CREDIT", help="credit at the beginning (12.5)")
    add("--price", type=float, default=0.0, help="credit that a second of video takes (0)")
    add("--burst", type=int, metavar="N", help="creates accepted within a second (any number)")
    add("--congestion", type=float, default=0.0, metavar="SECONDS", help="thinking added by each session (0)")
    add("--failure-rate", type=float, default=0.0, metavar="RATE", help="share that fails without a word (0)")
    add("--fails-above", type=int, metavar="CHARACTERS", help="longer prompts fail without a word (never)")
    add("--asset-seconds", type=float, default=2.0, metavar="SECONDS", help="processing of large uploads (2)")
    add("--assets-fail", action="store_true", help="large uploads fail after processing")
    add("--deleted-videos", choices=("missing", "status"), default="missing", help="(missing)")
    add("--message-optional", action="store_true", help="a send with files goes without message")
    add("--no-date", action="store_true", help="answers carry no Date header")
    add("--clock-offset", type=float, default=0.0, metavar="SECONDS", help="the service's clock is ahead (0)")


def build(options: argparse.Namespace) -> Simulator:
    """
    Return the simulator the options describe.

    Raises:
        ValueError: A fault is unknown, or a file is no cassette.
        OSError: The cassette cannot be read.
    """
    simulator = Simulator(
        api_key=options.api_key,
        max_jobs=options.max_jobs,
        seed=options.seed,
        contract=options.contract,
        idempotency=options.idempotency,
        speed=options.speed,
        scenario=_scenario(options),
        clock_skew=options.clock_offset,
        moods=_moods(options),
    )
    simulator.faults.parse(options.faults)
    return simulator


def _scenario(options: argparse.Namespace) -> Scenario | None:
    if options.cassette:
        return Scenario.from_cassette(options.cassette)
    return SCENARIOS[options.scenario]() if options.scenario else None


def _moods(options: argparse.Namespace) -> Moods:
    return Moods(
        billing=options.billing,
        balance=options.wallet,
        price=options.price,
        burst=options.burst,
        congestion=options.congestion,
        failure_rate=options.failure_rate,
        fails_above=options.fails_above,
        video_at=options.video_at,
        asset_seconds=options.asset_seconds,
        assets_fail=options.assets_fail,
        deleted_videos=options.deleted_videos,
        message_optional=options.message_optional,
        sends_date=not options.no_date,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; return the exit status."""
    command = parser()
    options = command.parse_args(arguments)
    try:
        simulator = build(options)
    except (ValueError, OSError) as error:
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


def _idempotency(text: str) -> Idempotency:
    which = text if text in {"honoured", "ignored"} else frozenset(text.split(","))
    try:
        return check_idempotency(cast("Idempotency", which))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        message = "must be more than 0"
        raise argparse.ArgumentTypeError(message)
    return value


if __name__ == "__main__":
    sys.exit(main())
