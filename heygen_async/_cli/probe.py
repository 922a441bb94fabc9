"""
`heygen-async probe`: compares the service with what this package was built against.
"""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import anyio.to_thread
from cyclopts import Parameter

from heygen_async.testing import ProbeReport, describe_probe
from heygen_async.testing import probe as run_probe

from .exit_codes import Exit, UsageError
from .options import Json, Switch  # noqa: TC001 - the parser reads the annotations
from .output import Output


async def probe(
    *,
    pay: Switch = False,
    report: Annotated[Path | None, Parameter(help="Where to write the report, as JSON.")] = None,
    cassette: Annotated[Path | None, Parameter(help="Where to write what was asked and answered.")] = None,
    json: Json = False,
) -> int:
    """
    Compare the service with what this package was built against; exit code 1 when something is refuted.

    Report and cassette have no secrets, ids, names, addresses or links of yours: they may be shown to anybody.

    Parameters
    ----------
    pay
        Create one short session too. Its video is paid for; it takes up to half an hour.
    """
    output = Output(is_json=json)
    await anyio.to_thread.run_sync(_check_folders, report, cassette)
    output.emit("probe", describe_probe(pay=pay), pay=pay)
    left = (
        "A session that was created goes on: `heygen-async sessions` lists it."
        if pay
        else "Nothing is left over."
    )
    with output.if_left(left), output.busy("asking the service"):
        found = await run_probe(pay=pay)
    if report is not None:
        await anyio.to_thread.run_sync(_write, report, found)
    if cassette is not None:
        await found.save_cassette(cassette)
    _show(output, found)
    return Exit.FAILED if found.refuted else Exit.DONE


def _check_folders(*paths: Path | None) -> None:
    for path in paths:
        if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
            raise UsageError(
                f"Nothing can be written to {path}.", hint="Name a file in a folder that exists."
            )


def _write(path: Path, found: ProbeReport) -> None:
    path.write_text(jsonlib.dumps(found.as_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _show(output: Output, found: ProbeReport) -> None:
    for row in found.rows:
        fields = {
            "name": row.name,
            "contract": row.contract,
            "severity": row.severity,
            "details": row.details,
        }
        output.emit(row.verdict, row.words, **fields)
    output.emit("summary", found.summary(), requests=found.requests, paid=found.paid)
    if found.findings:
        output.advise(
            "Please report it, with --report and --cassette, under 'Report of a probe': others are helped."
        )
