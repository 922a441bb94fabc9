"""
Which messages of other processes count: sealed ones may have been recorded, and be played again.

A process counts once it has answered a nonce of ours, and from then on each of its messages once, in order. No clock
and no I/O.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING

from ._messages import Hello, Welcome

if TYPE_CHECKING:
    from ._messages import BackplaneMessage

_MOST = 1000  # processes that are remembered


class Peers:
    """
    The other processes, as one process knows them.

    Attributes:
        hello: What this process asks them.
    """

    __slots__ = ("_nonces", "_numbers", "hello")

    def __init__(self) -> None:
        self.hello: Hello = Hello(secrets.token_bytes(8))
        self._numbers: OrderedDict[str, int] = OrderedDict()
        self._nonces: list[bytes] = []

    def accept(self, message: BackplaneMessage) -> bool:
        """Whether a message counts. What it asks for a welcome gets one even if it does not: that costs nothing."""
        known = self._numbers.get(message.sender)
        if known is not None and message.number <= known:
            return False
        self._nonces += [item.nonce for item in message.items if isinstance(item, Hello)]
        welcomes = (item for item in message.items if isinstance(item, Welcome))
        if known is None and not any(self.hello.nonce in welcome.nonces for welcome in welcomes):
            return False
        self._numbers[message.sender] = message.number
        self._numbers.move_to_end(message.sender)
        if len(self._numbers) > _MOST:
            self._numbers.popitem(last=False)
        return True

    @property
    def is_asked(self) -> bool:
        """Whether another has asked for an answer."""
        return bool(self._nonces)

    @property
    def are_there(self) -> bool:
        """Whether there are others."""
        return bool(self._numbers)

    def is_known(self, sender: str) -> bool:
        """Whether a process has shown that it is there."""
        return sender in self._numbers

    def welcome(self) -> Welcome | None:
        """Return the answer to those that have asked since the last time."""
        nonces, self._nonces = tuple(self._nonces[-_MOST:]), []
        return Welcome(nonces) if nonces else None
