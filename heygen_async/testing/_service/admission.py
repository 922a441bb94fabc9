"""Who may ask, and how often: credentials and the rate of requests."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from .._http import HttpRequest, Refusal

if TYPE_CHECKING:
    from .state import ServiceSettings


class Admission:
    """Lets requests in that carry the one good credential and keep to the rate."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._allowance = (0.0, 0.0)

    def admit(self, request: HttpRequest, now: float) -> None:
        """
        Let a request in.

        Raises:
            Refusal: 400 for two credentials, 401 for none that is good, 429 beyond the rate.
        """
        settings = self._settings
        key, bearer = request.headers.get("x-api-key"), request.headers.get("authorization")
        if key is not None and bearer is not None:
            message = "Send x-api-key or Authorization, not both."
            raise Refusal(400, "invalid_parameter", message, param="authorization")
        token = settings.access_token
        is_good = _is_same(key, settings.api_key) or (
            token is not None and _is_same(bearer, f"Bearer {token}")
        )
        if not is_good:
            raise Refusal(401, "authentication_failed", "The credential is missing or not valid.")
        self._check_rate(now)

    def _check_rate(self, now: float) -> None:
        rate = self._settings.requests_per_second
        if rate is None:
            return
        saved, at = self._allowance
        saved = min(max(1.0, rate), saved + (now - at) * rate)
        self._allowance = (saved - 1 if saved >= 1 else saved, now)
        if saved < 1:
            raise Refusal(429, "rate_limit_exceeded", "Too many requests.", headers={"retry-after": "1"})


def _is_same(given: str | None, wanted: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), wanted.encode())
