"""
Values of the service that know the client which read them, so that they can be downloaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, structs

from ..errors import ClientStateError

if TYPE_CHECKING:
    from ._context import Core

S = TypeVar("S", bound=Struct)


def bind(kind: type[S], info: Struct, core: Core, **context: str) -> S:
    """
    Return the values of `info` as a struct of another kind that knows its client.

    Args:
        kind: The struct; it must have a `__dict__`.
        info: The values.
        core: The client's parts.
        **context: What else it must know to be read again; kept under `_NAME`.
    """
    value = kind(**structs.asdict(info))
    # No fields: they are no part of the value, of its repr, its comparison or its pickle.
    structs.force_setattr(value, "_core", core)
    for name, text in context.items():
        structs.force_setattr(value, f"_{name}", text)
    return value


def core_of(value: Struct, reread: str) -> Core:
    """
    Return the client's parts.

    Args:
        value: A value that was bound.
        reread: How to get one that has a client.

    Raises:
        ClientStateError: It has none: it was unpickled.
    """
    core: Core | None = value.__dict__.get("_core")
    if core is None:
        raise ClientStateError(f"This {type(value).__name__.lower()} has no client.", hint=reread)
    return core
