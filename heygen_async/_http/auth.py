"""
Who the client is to the service: one credential as headers, renewed when it is refused.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio
from msgspec import Struct

from .._redact import Secret
from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..errors import Unauthorized


class Authenticator:
    """The credential as headers; asks for a new token once after a 401, for all concurrent calls together."""

    def __init__(self, credential: Credential, version: str) -> None:
        self._credential = credential
        self._base = {
            "accept": "application/json",
            "user-agent": f"heygen-async/{version}",
            "x-heygen-source": "heygen-async",
        }
        self._lock = anyio.Lock()
        self.headers: dict[str, str] = {}
        self.secrets: tuple[str, ...] = ()  # what must not be shown
        if credential.value is not None:
            self._show(credential.value)

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Replace headers that were refused, or are empty yet; False when there is nothing to ask. One asks for all."""
        ask = self._credential.ask
        if ask is None:
            return False
        async with self._lock:
            if self.headers is refused:
                token = ask()
                self._show(bearer(await token if inspect.isawaitable(token) else token))
        return True

    def explain(self, error: Unauthorized) -> Unauthorized:
        """Say in the hint which header was sent and from where, never what was in it."""
        error.hint = (
            f"The service refused the {self._credential.header} header made from {self._credential.origin}; "
            "check the key at https://app.heygen.com/settings (API)."
        )
        error.__notes__ = [f"Hint: {error.hint}"]
        return error

    def _show(self, value: Secret) -> None:
        self.headers = {**self._base, self._credential.header: value}
        self.secrets = (Secret(value.removeprefix("Bearer ")),)


AccessToken = str | Callable[[], str | Awaitable[str]]


class Credential(Struct, frozen=True):
    """One header and where its value came from; `ask` renews a token."""

    header: str
    value: Secret | None
    origin: str
    ask: Callable[[], str | Awaitable[str]] | None = None


def credential(api_key: str | None, access_token: AccessToken | None) -> Credential:
    """
    Choose the one credential to send.

    Raises:
        ConfigError: None was given, both were, or it cannot be a header.
    """
    if api_key is not None and access_token is not None:
        raise ConfigError("Both api_key and access_token were given.", hint="Give one of them.")
    if access_token is not None:
        if callable(access_token):
            return Credential("authorization", None, "the access_token callable", access_token)
        return Credential("authorization", bearer(access_token), "the access_token argument")
    if api_key is not None:
        return Credential("x-api-key", _header(api_key, "the api_key argument"), "the api_key argument")
    if key := os.environ.get("HEYGEN_API_KEY", "").strip():
        return Credential("x-api-key", _header(key, "HEYGEN_API_KEY"), "HEYGEN_API_KEY")
    raise ConfigError(
        "No API key: neither api_key nor access_token was given and HEYGEN_API_KEY is not set.",
        hint="Get a key at https://app.heygen.com/settings (API), then `export HEYGEN_API_KEY=...` or pass api_key=.",
    )


def bearer(token: str) -> Secret:
    """
    Return the header value of an access token.

    Raises:
        ConfigError: The token cannot be a header.
    """
    return Secret("Bearer " + _header(token, "access_token"))


def _header(value: object, origin: str) -> Secret:
    value = value.strip() if isinstance(value, str) else ""
    # Said without the value: a key with one stray character is still a key.
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigError(
            f"The credential from {origin} is empty or has characters no key has.",
            hint="Copy it again, without quotes, spaces or line breaks.",
        )
    return Secret(value)
