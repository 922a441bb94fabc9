"""
Make a video of each line of a text file, as a campaign that survives whatever ends this program.

Run it again and it goes on. On three machines: give all of them the same PostgreSQL database, the first one the file as
well, and start the program on each; they share the work and the cap of `max_in_flight`, and when one dies the others
take over what it had begun. A video is saved on the machine that saw it finished.

    python examples/campaign.py --live --database postgresql://me@db/films --file prompts.txt    # the first
    python examples/campaign.py --live --database postgresql://me@db/films                       # the others
"""

import argparse
import asyncio
from pathlib import Path

from heygen_async import Approve, HeyGen, HeyGenError
from heygen_async.durable import DurableBatch
from heygen_async.testing import Simulator, SimulatorServer


async def make(heygen: HeyGen, database: str, prompts: list[str], folder: Path) -> int:
    """Submit what is not known yet, work until all is done, and return how many failed."""
    failed = 0
    async with DurableBatch(
        database, name="films", max_in_flight=10, reviewer=Approve(), download_to=folder, heygen=heygen
    ) as batch:
        report = await batch.submit(prompts)
        print(f"{report.new} new, {report.known} known")
        async for outcome in batch.outcomes():
            print(f"{outcome.key:>5}  {outcome.path or outcome.error or 'done'}  ({outcome.elapsed:.0f} s)")
            failed += not outcome.ok
    return failed


async def main(database: str, prompts: list[str], folder: Path, *, live: bool) -> int:
    """Use the real service, or a simulated one that lives sixty times as fast."""
    if live:
        async with HeyGen() as heygen:
            return await make(heygen, database, prompts, folder)
    async with (
        SimulatorServer(Simulator(speed=60)) as service,
        HeyGen("test-key", base_url=service.url) as heygen,
    ):
        return await make(heygen, database, prompts, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make a video of each line of a text file, as a campaign.")
    parser.add_argument("--file", type=Path, help="a prompt on each line; their order is their names")
    parser.add_argument("--database", default="sqlite:///films.db", help="where the campaign lives")
    parser.add_argument("--folder", type=Path, default=Path("films"), help="where the videos go")
    parser.add_argument("--live", action="store_true", help="real and paid, with your HEYGEN_API_KEY")
    given = parser.parse_args()
    try:
        lines: list[str] = given.file.read_text().splitlines() if given.file else []
        raise SystemExit(asyncio.run(main(given.database, lines, given.folder, live=given.live)))
    except KeyboardInterrupt:
        raise SystemExit("Interrupted; run it again to go on.") from None
    except HeyGenError as error:
        raise SystemExit(f"{type(error).__name__}: {error}\n{error.hint}") from None
