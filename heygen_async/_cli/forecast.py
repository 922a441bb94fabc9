"""
What can be known of a batch before anything is paid for: how much it may cost, how long it may take, what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from .exit_codes import Exit, UsageError
from .job_files import RowFault
from .output import duration

if TYPE_CHECKING:
    from heygen_async import Finding, HeyGen, Rate

    from .job_rows import ParsedRow
    from .output import Output

# A video takes so many seconds (contract.md, Video status).
_SHORTEST: Final = 3 * 60
_LONGEST: Final = 45 * 60
_SHOWN_LINES: Final = 5


def check_lengths(rows: Sequence[ParsedRow]) -> None:
    """
    See that each row says how long its video may be: without it a budget cannot count it.

    Raises:
        UsageError: Some do not.
    """
    lines = [row.line for row in rows if _longest(row) is None]
    if lines:
        more = f" and {len(lines) - _SHOWN_LINES} more" if len(lines) > _SHOWN_LINES else ""
        named = ", ".join(map(str, lines[:_SHOWN_LINES]))
        raise UsageError(
            f"A budget needs the length of each video, and lines without one: {named}{more}.",
            hint="Fill the column max_seconds (what is reserved) or expected_seconds.",
        )


def show_forecast(rows: Sequence[ParsedRow], output: Output, *, at_once: int, rate: Rate | None) -> None:
    """
    Show how many videos there would be, what they may cost, and how long it may take; nothing is sent.

    Args:
        rows: The jobs.
        output: Where it is shown.
        at_once: How many are made at a time.
        rate: What a second of video costs, if that is known.
    """
    rounds = math.ceil(len(rows) / at_once)
    shortest, longest = rounds * _SHORTEST, rounds * _LONGEST
    words = [f"{len(rows):,} {'video' if len(rows) == 1 else 'videos'}", _cost_in_words(rows, rate)]
    words.append(f"{duration(shortest)} to {duration(longest)}, {at_once} at a time")
    least, most = cost_range(rows, rate) or (None, None)
    output.emit(
        "forecast",
        "; ".join(words),
        jobs=len(rows),
        least_cost=least,
        most_cost=most,
        currency=rate and rate.currency,
        least_seconds=shortest,
        most_seconds=longest,
    )


def cost_range(rows: Sequence[ParsedRow], rate: Rate | None) -> tuple[float, float] | None:
    """Return what videos of the expected and of the longest lengths cost; None when that is not known."""
    least, most = [_expected(row) for row in rows], [_longest(row) for row in rows]
    if rate is None or None in most:
        return None
    return tuple(math.fsum(filter(None, lengths)) * rate.per_second for lengths in (least, most))  # type: ignore[return-value]


def _cost_in_words(rows: Sequence[ParsedRow], rate: Rate | None) -> str:
    if rate is None:
        return "cost unknown: give the price of a second of video with --rate"
    costs = cost_range(rows, rate)
    if costs is None:
        without = sum(_longest(row) is None for row in rows)
        return f"cost unknown: {without:,} have neither max_seconds nor expected_seconds"
    least, most = costs
    return f"{least:.2f} to {most:.2f} {rate.currency}" if least < most else f"{most:.2f} {rate.currency}"


def _expected(row: ParsedRow) -> float | None:
    value: float | None = row.options.get("expected_seconds", row.options.get("max_seconds"))
    return value


def _longest(row: ParsedRow) -> float | None:
    value: float | None = row.options.get("max_seconds", row.options.get("expected_seconds"))
    return value


async def show_findings(
    rows: Sequence[ParsedRow],
    faults: Sequence[RowFault],
    heygen: HeyGen,
    output: Output,
    *,
    rate: Rate | None,
) -> Exit:
    """
    Show what would be refused or fail in silence, all at once and by line; return the exit code.

    Args:
        rows: The jobs.
        faults: The rows that are none.
        heygen: Who reads what the jobs name.
        output: Where it is shown.
        rate: What a second of video costs, if the credit is to be compared.
    """
    findings = await heygen.check((row.job() for row in rows), rate=rate)
    lines = [0, *(row.line for row in rows)]  # by position; the first is for what concerns all
    everything: list[RowFault | Finding] = [*faults, *findings]
    everything.sort(key=lambda it: it.line if isinstance(it, RowFault) else lines[it.position])
    for one in everything:
        if isinstance(one, RowFault):
            output.emit("wrong", f"line {one.line}: {one.problem}", line=one.line, problem=one.problem)
            continue
        line = lines[one.position] or None
        where = "" if line is None else f"line {line} ({one.key}): {one.argument} "
        output.emit(
            "warning" if one.is_warning else "wrong",
            f"{where}{one.problem}",
            line=line,
            key=one.key or None,
            argument=one.argument or None,
            problem=one.problem,
        )
    jobs, warnings = len(rows) + len(faults), sum(finding.is_warning for finding in findings)
    wrong = len(faults) + len(findings) - warnings
    words = "nothing is wrong" if not wrong else f"{wrong:,} would fail or be refused"
    output.emit(
        "checked",
        f"{jobs:,} {'job' if jobs == 1 else 'jobs'}: {words}",
        jobs=jobs,
        wrong=wrong,
        warnings=warnings,
    )
    return Exit.USAGE if faults else Exit.FAILED if wrong else Exit.DONE
