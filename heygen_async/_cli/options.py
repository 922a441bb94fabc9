"""
What the commands have in common: options, and the client they make.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from heygen_async import Cadence, HeyGen

if TYPE_CHECKING:
    from heygen_async import RequestEvent

_HOW: Final = Group("Output and waiting", sort_key=9)

Switch = Annotated[bool, Parameter(negative=(), show_default=False)]
Json = Annotated[
    bool,
    Parameter(
        name="--json",
        show_default=False,
        negative=(),
        group=_HOW,
        help="One JSON object a line for each event, for programs.",
    ),
]
Timeout = Annotated[
    float | None,
    Parameter(
        validator=Number(gt=0),
        group=_HOW,
        show_default=False,
        help="Seconds to wait for the agent at most; it goes on without you. One hour when not given.",
    ),
]
Poll = Annotated[
    float | None,
    Parameter(
        validator=Number(gt=0),
        group=_HOW,
        help="Look every so many seconds; adaptive when not given, which is best.",
    ),
]
Files = Annotated[
    tuple[str, ...],
    Parameter(
        name=["--file", "-f"],
        negative=(),
        show_default=False,
        help="A file to give to the agent: a path, which is uploaded, or an https address. May be repeated.",
    ),
]
Out = Annotated[Path, Parameter(help="The folder the video goes to, or its file if that ends in .mp4.")]
Orientation = Literal["landscape", "portrait"]

AN_HOUR: Final = 3600.0


def client(poll: float | None, on_request: Callable[[RequestEvent], None] | None = None) -> HeyGen:
    """Return a client as the environment sets it: `HEYGEN_API_KEY`, `HEYGEN_API_BASE`, proxies."""
    return HeyGen(
        cadence=None if poll is None else Cadence.constant(poll), trust_env=True, on_request=on_request
    )
