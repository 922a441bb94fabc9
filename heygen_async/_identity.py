"""
Who the client is to the service: one credential as headers, renewed when it is refused.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import anyio

from ._config import bearer
from ._redact import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._config import Credential
    from .errors import Unauthorized


class Identity:
    """The credential as headers; asks for a new token once after a 401, for all concurrent calls together."""

    __slots__ = ("_base", "_credential", "_lock", "headers")

    def __init__(self, credential: Credential, version: str) -> None:
        self._credential = credential
        self._base = {
            "accept": "application/json",
            "user-agent": f"heygen-async/{version}",
            "x-heygen-source": "heygen-async",
        }
        self._lock = anyio.Lock()
        self.headers: dict[str, str] = {}
        if credential.value is not None:
            self._show(credential.value)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown."""
        shown = self.headers.get(self._credential.header)
        return () if shown is None else (Secret(shown.removeprefix("Bearer ")),)

    async def ready(self) -> None:
        """Ask for the first token."""
        if not self.headers:
            await self.renew(self.headers)

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Replace the headers that were refused; False when there is nothing to ask. One asks, the others wait."""
        ask = self._credential.ask
        if ask is None:
            return False
        async with self._lock:
            if self.headers is refused:
                token = ask()
                self._show(bearer(await token if inspect.isawaitable(token) else token))
        return True

    def explained(self, error: Unauthorized) -> Unauthorized:
        """Say in the hint which header was sent and from where, never what was in it."""
        error.hint = (
            f"The service refused the {self._credential.header} header made from {self._credential.origin}; "
            "check the key at https://app.heygen.com/settings (API)."
        )
        error.__notes__ = [f"Hint: {error.hint}"]
        return error

    def _show(self, value: Secret) -> None:
        self.headers = {**self._base, self._credential.header: value}
