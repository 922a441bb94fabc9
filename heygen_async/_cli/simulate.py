"""
`heygen-async simulate`: the service on this machine, to try everything without a key and without paying.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number


def simulate(
    *,
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 8080,
    speed: Annotated[float, Parameter(validator=Number(gt=0))] = 1.0,
    max_jobs: Annotated[int, Parameter(validator=Number(gte=1))] = 10,
    faults: str = "",
    seed: int = 0,
    scenario: str | None = None,
    cassette: Path | None = None,
    video_at: Literal["create", "generating", "never"] | None = None,
    wallet: Annotated[float | None, Parameter(validator=Number(gte=0))] = None,
    burst: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    contract: Literal["openapi", "guide"] = "openapi",
) -> int:
    """
    Serve a simulated HeyGen on this machine; `python -m heygen_async.testing` has more options.

    Parameters
    ----------
    port
        The port; 0 for any free one.
    speed
        How many times faster than life sessions go.
    max_jobs
        Sessions that may work at once.
    faults
        What goes wrong, such as mix:0.1.
    seed
        Decides ids and random faults.
    scenario
        The life of every session, such as question, failing or credit_runs_out; by its mode when not given.
    cassette
        The life of the session that `probe --pay --cassette` recorded.
    video_at
        When sessions learn their video's id.
    wallet
        The credit at the beginning; below 0.5 nothing is created.
    burst
        Creates accepted within a second; any number when not given.
    contract
        guide takes auto_proceed.
    """
    from heygen_async.testing import __main__ as simulator

    options = {
        "port": port,
        "speed": speed,
        "max-jobs": max_jobs,
        "faults": faults,
        "seed": seed,
        "scenario": scenario,
        "cassette": cassette,
        "video-at": video_at,
        "wallet": wallet,
        "burst": burst,
        "contract": contract,
    }
    given = {name: value for name, value in options.items() if value is not None}
    return simulator.main([f"--{name}={value}" for name, value in given.items()])
