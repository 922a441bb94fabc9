"""
The adversary from the command line: `PYTHONPATH=tests python -m hostile`.

One row in full; or many, each way to go wrong once.
"""

from __future__ import annotations

import itertools
import sys
import time
from typing import TYPE_CHECKING

from hostile import rows
from hostile.dials import VALUES, Dial, parse, settings
from hostile.flows import Flow
from hostile.play import Row, play
from hostile.summary import summarise, within
from hostile.table import table
from hostile.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

USAGE = f"""\
usage: python -m hostile {"|".join(Flow)} [dial=value ...]   one row
       python -m hostile pairs|triples [flow ...] [dial=value ...]
                                                             covering arrays, with some dials fixed
       python -m hostile random SECONDS [SEED]               sensible rows as they come
       python -m hostile table                               what a user sees of each dial
dials:"""


def main(words: Sequence[str]) -> int:
    """Do what the words say; 1 when something was wrong."""
    match words:
        case [flow, *dials] if flow in set(Flow):
            return one(Row(Flow(flow), parse(dials)))
        case [("pairs" | "triples") as strength, *rest]:
            flows = [Flow(word) for word in rest if "=" not in word]
            fixed = chosen([word for word in rest if "=" in word])
            return many(flows or list(Flow), 2 if strength == "pairs" else 3, fixed)
        case ["random", seconds, *seed]:
            return by_chance(float(seconds), int(seed[0]) if seed else 1)
        case ["table"]:
            print(table(), end="")
            return 0
        case _:
            print(USAGE)
            for name, values in VALUES.items():
                print(f"  {name}: {', '.join(values)}")
            return 2


def chosen(words: list[str]) -> dict[str, Dial]:
    """Return the dials that the words name, those at rest too."""
    dials = settings(parse(words))
    return {name: dials[name] for name, _, _ in (word.partition("=") for word in words)}


def one(row: Row) -> int:
    """Play one row and tell all of it."""
    run = play(row)
    ledger = run.service.ledger
    for claim in run.claims.claims:
        print(f"claim  {claim.intent}: {claim.session_id or ''} {claim.error!r} {claim.candidates or ''}")
    print(f"orphan {run.claims.orphans}")
    for line in run.claims.log:
        print(f"log    {line.partition(' {')[0]}")
    for session in ledger.sessions.values():
        print(f"made   {session.id} by {session.owner}, key {session.key}: {session.prompt[:24]!r}")
    for taken in ledger.messages[:10]:
        print(
            f"took   {taken.session_id} from {taken.owner}, paused: {taken.was_paused}: {taken.text[:24]!r}"
        )
    print(f"billed {len(ledger.videos)} videos; messages {len(ledger.messages)}; {dict(ledger.requests)}")
    findings = judge(run)
    for finding in findings:
        print(f"WRONG  {finding}")
    return int(bool(findings))


def many(flows: Sequence[Flow], strength: int, fixed: Mapping[str, Dial]) -> int:
    """Play covering arrays, some dials fixed: of all rows, and of those in which only the truth is right."""
    wrong = 0
    for flow in flows:
        began = time.monotonic()
        array = itertools.chain.from_iterable(
            rows.playable(rows.covering(flow, strength, clear=clear, fixed=fixed)) for clear in (True, False)
        )
        summary = summarise(array)
        print(f"== {flow}: {summary}\n== {flow}: {time.monotonic() - began:.0f} s", flush=True)
        wrong += summary.wrong
    return int(wrong > 0)


def by_chance(seconds: float, seed: int) -> int:
    """Play rows until the time is up."""
    summary = summarise(within(seconds, rows.playable(rows.at_random(seed))))
    print(summary)
    return int(summary.wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
