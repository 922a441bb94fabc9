"""The command `batch` but for its client, which does not look for ten seconds for a session that was never made."""

from __future__ import annotations

import asyncio
import pathlib
import sys

from heygen_async import Cadence, HeyGen, RetryPolicy
from heygen_async._cli.batch import CommandOptions, make
from heygen_async._cli.interrupt import run_interruptible
from heygen_async._cli.output import Output


async def main() -> int:
    """Make the videos of `jobs.csv`, or go on with them."""
    options = CommandOptions(jobs="jobs.csv", out=pathlib.Path("videos"), resume=True)
    retry = RetryPolicy(base=0.05, settle_time=0.5)
    async with HeyGen(cadence=Cadence.constant(0.2), retry=retry) as heygen:
        return await make(heygen, options, Output(is_json=True))


if __name__ == "__main__":
    sys.exit(asyncio.run(run_interruptible(main())))
