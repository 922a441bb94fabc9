"""
How the scheduler shares its polls with those of other processes: what it asks of `heygen_async.backplane`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from ..errors import ConfigError, InvalidArgument
from .planner import SharedPolls

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._http.auth import Credential
    from .scheduler import PollScheduler


class Backplane(Protocol):
    """
    Where the processes of one account meet, to poll each session once for all.

    `heygen_async.backplane` has them for Redis and PostgreSQL, and what others are made from.
    """

    @property
    def secret(self) -> bytes | None:
        """What the processes of the account share and nobody else has; None for the API key."""
        ...

    def share_polls(self, scheduler: PollScheduler, *, secret: bytes, base_url: str) -> SharedPolls:
        """
        Return how a client shares its polls; called by the client, and does no I/O.

        Args:
            scheduler: Makes and plans the polls of the client.
            secret: Names and seals are made from it.
            base_url: The address of the service.
        """
        ...


def share_polls(
    backplane: Backplane | None, credential: Credential, base_url: str
) -> Callable[[PollScheduler], SharedPolls]:
    """
    Return what makes a scheduler share its polls.

    Raises:
        InvalidArgument: It is no backplane.
        ConfigError: The processes have no key that stays, nor a secret.
    """
    if backplane is None:
        return lambda _: SharedPolls()
    if not hasattr(backplane, "share_polls"):
        raise InvalidArgument("backplane", "must be a backplane, such as RedisBackplane(url)")
    secret = backplane.secret
    if secret is None:
        if credential.header != "x-api-key" or credential.value is None:
            raise ConfigError(
                "A backplane needs secret= where the client has an access_token: tokens change.",
                hint="Give all processes of the account the same long random secret.",
            )
        secret = credential.value.encode()
    return partial(backplane.share_polls, secret=secret, base_url=base_url)
