"""
What every backplane has: a secret, the length of a lease, and polls to share.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from ..errors import ConfigError, InvalidArgument
from ..errors._arguments import check_number, check_type
from ._messages import Sealer
from ._sharing import PollSharing

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from .._http.auth import Credential
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

    def share_polls(self, credential: Credential, base_url: str) -> Callable[[PollScheduler], SharedPolls]:
        """
        Return what makes a scheduler share its polls; called by the client, and does no I/O.

        Args:
            credential: The client's: names and seals are made from an API key, where there is no secret.
            base_url: The address of the service.

        Raises:
            ConfigError: The client has an access token, and there is no secret.
        """
        secret = self._secret
        if secret is None:
            if credential.header != "x-api-key" or credential.value is None:
                raise ConfigError(
                    "A backplane needs secret= where the client has an access_token: tokens change.",
                    hint="Give all processes of the account the same long random secret.",
                )
            secret = credential.value.encode()
        sealer = Sealer(secret, base_url)
        return lambda scheduler: PollSharing(self, scheduler, sealer, self._lease)
