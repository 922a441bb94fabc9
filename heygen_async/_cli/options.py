"""
What the commands have in common: options, and the client they make.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from heygen_async import Cadence, HeyGen, Rate, Timeouts

from .exit_codes import UsageError

if TYPE_CHECKING:
    from heygen_async import RequestEvent, RetryEvent

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
DownloadTo = Annotated[
    str | None,
    Parameter(
        show_default=False,
        help="Where the videos go instead of the folder: s3://bucket/folder, gs://… or az://container/… (needs the "
        "extra storage; the credentials are those of the environment).",
    ),
]
Out = Annotated[Path, Parameter(help="The folder the video goes to, or its file if that ends in .mp4.")]
Orientation = Literal["landscape", "portrait"]
MaxSpend = Annotated[
    float | None,
    Parameter(
        validator=Number(gt=0),
        help="Spend no more than this in this run, or on all of a batch in a database: each video reserves the price "
        "of its max_seconds (a column) first.",
    ),
]
Price = Annotated[
    float | None,
    Parameter(
        validator=Number(gt=0),
        help="What a second of video costs; see https://developers.heygen.com/docs/pricing.",
    ),
]
Currency = Annotated[str, Parameter(help="What --max-spend and --rate are in.")]
RetryFailed = Annotated[
    int,
    Parameter(
        validator=Number(gte=0),
        help="How often a job is made again that failed early, for no reason of policy, credit or input.",
    ),
]

AN_HOUR: Final = 3600.0
CURRENCY: Final = "usd"


def client(
    poll: float | None,
    on_request: Callable[[RequestEvent], None] | None = None,
    *,
    on_retry: Callable[[RetryEvent], None] | None = None,
    timeout: float | None = AN_HOUR,
) -> HeyGen:
    """Return a client as the environment sets it: `HEYGEN_API_KEY`, `HEYGEN_API_BASE`, proxies."""
    return HeyGen(
        cadence=None if poll is None else Cadence.constant(poll),
        timeouts=Timeouts(watch=timeout),
        trust_env=True,
        on_request=on_request,
        on_retry=on_retry,
    )


def rate_of(max_spend: float | None, price: float | None, currency: str) -> Rate | None:
    """
    Return the rate of a budget; None without one.

    Raises:
        UsageError: One of the two is missing.
    """
    if (max_spend is None) != (price is None):
        raise UsageError(
            "--max-spend and --rate go together: a budget counts by the price of a second of video.",
            hint="Give both, or neither; --rate alone is for --dry-run and --check.",
        )
    return None if price is None else Rate(per_second=price, currency=currency)
