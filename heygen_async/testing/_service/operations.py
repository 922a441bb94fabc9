"""The names of the operations the simulator answers."""

from __future__ import annotations

from .routes import ROUTES

OPERATIONS: frozenset[str] = frozenset(route.operation for route in ROUTES) | {"media", "upload"}
