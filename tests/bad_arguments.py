"""Calls with what each parameter may not be, made from signatures: the error is ours and names the argument."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from heygen_async import Batch, ConfigError, HeyGenError, InvalidArgument

if TYPE_CHECKING:
    from flows import Line

ODD: Final = {"None": None, "5": 5, "'5'": "5", "object()": object()}
# What a parameter takes, by the words of its annotation; a flag is read by its truth, a word of the service's own
# (Literal) may be sent as it is.
TAKES: Final = {
    "None": {"None", "object", "bool"},
    "5": {"int", "float", "object", "bool"},
    "'5'": {"str", "object", "bool", "Literal", "Ownership", "AccessToken", "Uploadable"},
    "object()": {"object", "bool"},
}


def public_methods(kind: type[object], path: str) -> Iterator[str]:
    """The methods of a class that take anything, as paths from what a test has."""
    for name, method in inspect.getmembers(kind, inspect.isroutine):
        if not name.startswith("_") and len(inspect.signature(method).parameters) > 1:
            yield f"{path}.{name}"


def takes(annotation: str, odd: str) -> bool:
    """Whether a parameter with such an annotation takes one of the odd values."""
    outside = re.sub(r"\[[^\[\]]*(\[[^\]]*\][^\[\]]*)*\]", "", annotation)
    return bool(TAKES[odd] & {word.strip() for word in outside.split("|")})


def is_named(error: Exception, name: str) -> bool:
    """Whether an error is ours and says which argument it is about."""
    if isinstance(error, InvalidArgument):
        return name == error.argument.rpartition(".")[2].partition("[")[0]
    return isinstance(error, ConfigError) and name in str(error)


async def settle(result: Any) -> None:
    """Do what a caller would do with a result, as far as its first item."""
    if inspect.isawaitable(result):
        await result
    elif isinstance(result, Batch):
        async with result:
            pass
    elif isinstance(result, AsyncIterator):
        await anext(cast("AsyncIterator[object]", result), None)


async def problems(
    function: Callable[..., object],
    good: Mapping[str, object],
    line: Line | None = None,
    documented: tuple[type[Exception], ...] = (),
) -> list[str]:
    """
    What goes wrong when each parameter in turn is what it may not be.

    `good` has values for what must be given; `documented` are errors that are not ours, and said so.
    """
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind not in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
    }
    needed = {name for name, parameter in parameters.items() if parameter.default is parameter.empty}
    needed |= parameters.keys() & {"message"}  # which only a send with files may lack
    usual = {name: good.get(name, ["id_1"] if name.endswith("ids") else "id_1") for name in needed}
    found: list[str] = []
    for name, parameter in parameters.items():
        for odd, value in ODD.items():
            sent = len(line.sent) if line else 0
            error: Exception | None = None
            try:
                await settle(function(**{**usual, name: value}))
            except Exception as raised:  # noqa: BLE001 - whatever it is, is judged
                error = raised
            is_taken = takes(str(parameter.annotation), odd)
            is_ours = error is None or isinstance(error, (HeyGenError, *documented))
            has_sent = line is not None and len(line.sent) > sent
            if not (is_ours if is_taken else error and is_named(error, name) and not has_sent):
                found.append(f"{name}={odd}: {error!r}{' after I/O' if has_sent else ''}")
    return found
