"""
What the client says became of each thing it was asked for: to be held against the ledger.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from heygen_async import HeyGenError, OutcomeUnknown


@dataclass(slots=True)
class Claim:
    """
    One thing the user wanted, and what the client reports of it.

    Attributes:
        intent: Which one.
        text: The prompt or message.
        session_id: The session that was returned, or spoken to.
        error: What was raised; None when the client reports success.
        is_early: It returned a pause that the agent had left and not come back to.
    """

    intent: str
    text: str
    session_id: str | None = None
    error: BaseException | None = None
    is_early: bool = False

    @property
    def candidates(self) -> tuple[str, ...]:
        """The ids an error names."""
        return self.error.candidates if isinstance(self.error, OutcomeUnknown) else ()

    @property
    def is_doubt(self) -> bool:
        """Whether the client reports that it does not know."""
        return isinstance(self.error, OutcomeUnknown)


@dataclass(slots=True)
class Claims:
    """
    All claims of one run.

    Attributes:
        orphans: Ids in `heygen.sessions.orphans` at the end.
        log: What was logged as a warning or worse.
        is_stuck: Whether the run came to no end.
        reads: Lists and session reads between the write and its end.
    """

    claims: list[Claim] = field(default_factory=list[Claim])
    orphans: tuple[str, ...] = ()
    log: list[str] = field(default_factory=list[str])
    is_stuck: bool = False
    reads: int = 0

    def names(self, session_id: str) -> bool:
        """Whether the user can learn of this session from anything that was returned, raised, kept or logged."""
        return (
            any(session_id == claim.session_id or session_id in claim.candidates for claim in self.claims)
            or session_id in self.orphans
            or any(session_id in line for line in self.log)
        )

    def get(self, intent: str) -> Claim | None:
        """The claim about an intent; None when it did not come so far."""
        return next((claim for claim in self.claims if claim.intent == intent), None)


@contextmanager
def logging_to(log: list[str]) -> Generator[None]:
    """Collect what the package logs as a warning or worse, its `extra` fields included."""

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            log.append(f"{record.getMessage()} {vars(record)}")

    logger = logging.getLogger("heygen_async")
    collector = Collector(logging.WARNING)
    logger.addHandler(collector)
    try:
        yield
    finally:
        logger.removeHandler(collector)


def is_ours(error: BaseException | None) -> bool:
    """Whether an error is one the package promises to raise."""
    return error is None or isinstance(error, HeyGenError)
