"""
What processes say to each other, as bytes: sealed with a key they share, and named so that nobody else can tell whose.

No clock and no I/O. A message with a wrong seal, or one that cannot be read, is None: anybody may write to the engine.
"""

from __future__ import annotations

import hmac
from hashlib import blake2b

import msgspec
from msgspec import Struct

from .._polling.staleness import StaleGuard
from ..models import SessionData

_SEAL = 16  # bytes


class Hello(Struct, frozen=True, array_like=True, tag=True):
    """A process asks the others to show that they are there now: their next message has the nonce in a `Welcome`."""

    nonce: bytes


class Welcome(Struct, frozen=True, array_like=True, tag=True):
    """The answer to `Hello`s."""

    nonces: tuple[bytes, ...]


class Join(Struct, frozen=True, array_like=True, tag=True):
    """A process watches sessions from now on, and asks their holders for the newest state."""

    owner: str
    session_ids: tuple[str, ...]


class Release(Struct, frozen=True, array_like=True, tag=True):
    """A holder has given sessions up: for the heir, if there is one, else for all."""

    heir: str
    session_ids: tuple[str, ...]


class Wish(Struct, frozen=True, array_like=True, tag=True):
    """A process wants a session polled sooner than its holder has announced: in so many seconds."""

    session_id: str
    seconds: float


class Read(Struct, frozen=True, array_like=True, tag=True):
    """
    What a holder has read.

    Attributes:
        session_id: The session.
        generation: Of its lease; a later holder has a higher one.
        sent: The newest message of ours that was known of when the service was asked; 0 for none.
        message: The number of the holder's message that has the state, this one or one before.
        age: Seconds since the service was asked.
        next_poll: Seconds until the holder asks again.
        elapsed: Seconds that the session is known to be in its status.
        unchanged: Seconds since anything moved.
        polls: Reads in this status.
        state: The session, encoded; None when it is unchanged, empty when it must not travel.
        history: With a state, how its progress has grown.
    """

    session_id: str
    generation: int
    sent: int
    message: int
    age: float
    next_poll: float
    elapsed: float
    unchanged: float
    polls: int
    state: bytes | None = None
    history: tuple[tuple[float, int], ...] = ()


class Sent(Struct, frozen=True, array_like=True, tag=True):
    """
    The service has taken a message: what a session shows may be from before it.

    Attributes:
        session_id: The session.
        sent: Its number, greater than that of any message to this session known before.
        guard: What is not to be believed any more.
    """

    session_id: str
    sent: int
    guard: StaleGuard


class Ownership(Struct, frozen=True, array_like=True, tag=True):
    """A process has made a session: it is not that of a create of another, whose answer was lost."""

    session_id: str


class Pending(Struct, frozen=True, array_like=True, tag=True):
    """
    Creates of one prompt that a process has not ended; all there are of them.

    Attributes:
        owner: The process.
        name: Stands for the prompt.
        doubts: Digests of the requests whose answers were lost.
        under_way: How many others there are.
    """

    owner: str
    name: bytes
    doubts: tuple[bytes, ...]
    under_way: int


class Event(Struct, frozen=True, array_like=True, tag=True):
    """A webhook has reached one process."""

    session_id: str | None
    video_id: str | None
    is_verified: bool


Item = Hello | Welcome | Join | Release | Wish | Read | Sent | Ownership | Pending | Event


class BackplaneMessage(Struct, frozen=True, array_like=True):
    """
    Items that travel together.

    Attributes:
        sender: The process.
        number: Of this message among the sender's, counted from 1.
        items: In the order in which they count.
    """

    sender: str
    number: int
    items: tuple[Item, ...]


class Sealer:
    """
    Names and seals of one account at one service.

    Args:
        secret: What its processes share and nobody else has.
        base_url: The service's address.
    """

    __slots__ = ("_decoder", "_key", "channel")

    def __init__(self, secret: bytes, base_url: str) -> None:
        root = hmac.digest(secret, base_url.encode(), "sha256")
        self._key = hmac.digest(root, b"seal", "sha256")
        self.channel: str = "heygen_" + hmac.digest(root, b"channel", "sha256")[:16].hex()
        self._decoder = msgspec.msgpack.Decoder(BackplaneMessage)

    def name(self, session_id: str) -> str:
        """Return what the lease of a session is called."""
        return blake2b(session_id.encode(), digest_size=16, key=self._key, person=b"lease").hexdigest()

    def seal(self, message: BackplaneMessage) -> bytes:
        """Return the message as it travels."""
        body = msgspec.msgpack.encode(message)
        return self._seal(body) + body

    def open(self, payload: bytes) -> BackplaneMessage | None:
        """Return the message that was sealed; None for anything else."""
        seal, body = payload[:_SEAL], payload[_SEAL:]
        if not hmac.compare_digest(seal, self._seal(body)):
            return None
        try:
            return self._decoder.decode(body)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None  # of another release

    def _seal(self, body: bytes) -> bytes:
        return blake2b(body, digest_size=_SEAL, key=self._key, person=b"seal").digest()


# ---- a session in a message --------------------------------------------------------------------------------------

UNSHARED = b""
_DECODER = msgspec.msgpack.Decoder(SessionData)


def encode_session(state: SessionData) -> bytes:
    """Return a session as it travels; `UNSHARED` when a message quotes a link that may be signed, which must not."""
    if any("://" in word and "?" in word for message in state.messages for word in message.content.split()):
        return UNSHARED
    data = {name: getattr(state, name) for name in SessionData.__struct_fields__}
    try:
        return msgspec.msgpack.encode(data)
    except UnicodeEncodeError:  # half a character, which the service has sent so
        return UNSHARED


def decode_session(state: bytes) -> SessionData | None:
    """Return the session; None when it was not shared or cannot be read."""
    try:
        return _DECODER.decode(state)
    except (msgspec.DecodeError, ValueError):
        return None
