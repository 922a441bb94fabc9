"""
How the scheduler shares its polls with those of other processes: what it asks of `heygen_async.backplane`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._http.auth import Credential
    from .planner import SharedPolls
    from .scheduler import PollScheduler


@runtime_checkable
class Backplane(Protocol):
    """
    Where the processes of one account meet, to poll each session once for all.

    `heygen_async.backplane` has them for Redis and PostgreSQL, and what others are made from.
    """

    def share_polls(self, credential: Credential, base_url: str) -> Callable[[PollScheduler], SharedPolls]:
        """
        Return what makes a scheduler share its polls; called by the client, and does no I/O.

        Args:
            credential: The client's, for backplanes without a secret of their own.
            base_url: The address of the service.

        Raises:
            ConfigError: The processes have no key that stays, nor a secret.
        """
        ...
