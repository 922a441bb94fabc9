"""
What every backplane has: a secret, the length of a lease, and polls to share.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from ..errors import InvalidArgument
from ..errors._arguments import check_number, check_type
from ._messages import Sealer
from ._sharing import PollSharing

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from .._polling.planner import SharedPolls
    from .._polling.scheduler import PollScheduler
    from ._engine import BackplaneConnection


class BaseBackplane(ABC):
    """
    A backplane on an engine of your choice: give it `connect`, and it is one.

    Args:
        secret: What all processes of the account share, and nobody else has: names on the engine and seals are made
            from it. The client's API key when None; needed where the client has an access token.
        lease: Seconds after which a process that has died is replaced.

    Raises:
        InvalidArgument: An empty secret, or a lease under a second.
    """

    def __init__(self, *, secret: str | bytes | None = None, lease: float = 10.0) -> None:
        check_type(str | bytes | None, "a str or bytes", secret=secret)
        check_number(1, math.inf, lease=lease)
        if secret is not None and not secret:
            raise InvalidArgument("secret", "must not be empty")
        self._secret = secret.encode() if isinstance(secret, str) else secret
        self._lease = lease

    @abstractmethod
    def connect(self, channel: str) -> AbstractAsyncContextManager[BackplaneConnection]:
        """
        Connect to the engine.

        Args:
            channel: Whose messages to receive, and where to publish: letters, digits and underscores, at most 63.
        """

    @property
    def secret(self) -> bytes | None:
        """The secret that was given."""
        return self._secret

    def share_polls(self, scheduler: PollScheduler, *, secret: bytes, base_url: str) -> SharedPolls:
        """
        Return how a client shares its polls; called by the client, and does no I/O.

        Args:
            scheduler: Makes and plans the polls of the client.
            secret: Names and seals are made from it.
            base_url: The address of the service.
        """
        return PollSharing(self, scheduler, Sealer(secret, base_url), self._lease)
