"""Make a video of each line of a text file, ten at a time; interrupted, run it again and it goes on."""

import argparse
import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio

from heygen_async import Approve, BatchEvent, HeyGen, HeyGenError, Job, SessionFailed
from heygen_async.testing import Simulator, SimulatorServer


class Journal:
    """What became of each job so far, one line of JSON after the other; the newest line of a job counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        self.jobs: dict[str, dict[str, Any]] = {line["key"]: line for line in lines}

    async def note(self, event: BatchEvent) -> None:
        """Write down what the next run must know, before the batch goes on."""
        if event.kind == "creating" and event.started_at:
            await self.add(event, intent=event.idempotency_key, at=event.started_at.isoformat())
        elif event.ref:
            await self.add(event, ref=event.ref.decode())
        elif event.outcome and event.outcome.ok:
            await self.add(event, done=str(event.outcome.path))
        elif event.outcome and isinstance(event.outcome.error, SessionFailed):
            await self.add(event)  # which the next run makes anew

    async def add(self, event: BatchEvent, **said: str | None) -> None:
        """Add a line."""
        line = json.dumps({"key": event.key, "session": event.session_id, **said})
        async with await anyio.open_file(self.path, "a") as file:
            await file.write(line + "\n")

    def job(self, key: str, prompt: str) -> Job | None:
        """Return the job as it is to go on; None when it is done."""
        known = self.jobs.get(key, {})
        if "ref" in known:
            return Job(prompt, key, ref=known["ref"].encode())
        if "intent" in known:
            at = datetime.fromisoformat(known["at"])
            return Job(prompt, key, idempotency_key=known["intent"], begun_at=at)
        return None if "done" in known else Job(prompt, key)


async def make(heygen: HeyGen, prompts: list[str], folder: Path) -> int:
    """Make the videos that are not there yet; return how many failed."""
    journal, failed = await asyncio.to_thread(Journal, folder / "journal.jsonl"), 0
    for session_id in filter(None, (known["session"] for known in journal.jobs.values())):
        heygen.sessions.attach(session_id)  # so that it is not taken for that of a line with the same words
    jobs = [job for number, prompt in enumerate(prompts, 1) if (job := journal.job(str(number), prompt))]
    async with heygen.batch(jobs, reviewer=Approve(), on_event=journal.note, download_to=folder) as run:
        async for outcome in run:
            print(f"{outcome.key:>5}  {outcome.path or outcome.error}  ({outcome.elapsed:.0f} s)")
            failed += not outcome.ok
    return failed


async def main(prompts: list[str], folder: Path, *, live: bool) -> int:
    """Use the real service, or a simulated one that lives sixty times as fast."""
    if live:
        async with HeyGen() as heygen:
            return await make(heygen, prompts, folder)
    async with (
        SimulatorServer(Simulator(speed=60)) as service,
        HeyGen("test-key", base_url=service.url) as heygen,
    ):
        return await make(heygen, prompts, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="a prompt on each line")
    parser.add_argument("folder", type=Path, help="where the videos and the journal go")
    parser.add_argument("--live", action="store_true", help="real and paid, with your HEYGEN_API_KEY")
    given = parser.parse_args()
    try:
        lines = [line for line in given.file.read_text().splitlines() if line.strip()]
        raise SystemExit(asyncio.run(main(lines, given.folder, live=given.live)))
    except KeyboardInterrupt:
        raise SystemExit("Interrupted; run it again to go on.") from None
    except HeyGenError as error:
        raise SystemExit(f"{type(error).__name__}: {error}\n{error.hint}") from None
