"""Which session a lost create made: a decision from what the service lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

# ---- settling a create --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """A session that may be the result of a create; `matches` is None while its first message cannot be read."""

    session_id: str
    matches: bool | None
    created_at: int = 0


@dataclass(frozen=True, slots=True)
class Adopt:
    """Take over this session."""

    found: Found


@dataclass(frozen=True, slots=True)
class Unclear:
    """Nobody can say which of these it is."""

    candidates: tuple[str, ...]


class Look(Enum):
    """Nothing to adopt among what was found."""

    ABSENT = auto()
    AGAIN = auto()


def settle_create(found: Sequence[Found], *, unknown: int, interchangeable: bool) -> Adopt | Unclear | Look:
    """
    Decide which session a create with an unknown outcome made, if any.

    `unknown` creates of this prompt look for their session at the same time. While they are interchangeable any of
    them may take any match. When there are more matches than creates, one of them is somebody else's; when they
    differ in their options, or one has given up on its own, nobody can tell them apart.
    """
    matches = [item for item in found if item.matches]
    if not matches:
        return Look.AGAIN if any(item.matches is None for item in found) else Look.ABSENT
    if len(matches) > unknown or not interchangeable:
        return Unclear(tuple(item.session_id for item in matches))
    return Adopt(matches[0])
