"""The event loops that the tests run on: their own choice, or all on one kind by `pytest --loop=eager`."""

from __future__ import annotations

import asyncio
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    Loop = Callable[[], asyncio.AbstractEventLoop]

KINDS: Final = ("plain", "debug", "eager", "uvloop", "aiofastnet")


def backend(config: pytest.Config, loop: Loop = asyncio.new_event_loop, *, debug: bool = False) -> object:
    """
    Return what an `anyio_backend` fixture returns.

    Args:
        config: Says whether a kind of loop was asked for.
        loop: Makes the loop; uvloop takes the place of a plain one only, since another is there for what it does.
        debug: Whether to run in debug mode when nobody asked for anything.
    """
    kind = config.getoption("--loop")
    if kind == "uvloop" and loop is asyncio.new_event_loop:
        return "asyncio", {"use_uvloop": True}
    if kind == "aiofastnet":
        carrier: Any = import_module("aiofastnet")
        return "asyncio", {"loop_factory": carrier.loop_factory(loop)}
    if kind == "eager":
        return "asyncio", {"loop_factory": partial(_eager, loop)}
    return "asyncio", {"loop_factory": loop, "debug": kind == "debug" or (kind is None and debug)}


def _eager(loop: Loop) -> asyncio.AbstractEventLoop:
    """Make a loop whose tasks begin to run where they are made (from Python 3.12 on)."""
    made = loop()
    made.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
    return made
