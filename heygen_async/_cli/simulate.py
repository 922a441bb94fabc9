"""
`heygen-async simulate`: the service on this machine, to try everything without a key and without paying.
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number


def simulate(
    *,
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 8080,
    speed: Annotated[float, Parameter(validator=Number(gt=0))] = 1.0,
    max_jobs: Annotated[int, Parameter(validator=Number(gte=1))] = 10,
    faults: str = "",
    seed: int = 0,
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
    """
    from heygen_async.testing import __main__ as simulator

    options = {"port": port, "speed": speed, "max-jobs": max_jobs, "faults": faults, "seed": seed}
    return simulator.main([f"--{name}={value}" for name, value in options.items()])
