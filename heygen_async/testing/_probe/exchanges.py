"""What was asked and answered."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from .contract import as_object

CREATE_PATH: Final = "/v3/video-agents"
PAUSED: Final = frozenset({"waiting_for_input", "reviewing"})
FINAL: Final = frozenset({"completed", "failed"})


class RecordedExchange(Struct, frozen=True, kw_only=True):
    """
    One request of the probe and its answer.

    Attributes:
        number: From 1, in the order of sending.
        purpose: What the probe wanted to know, such as `unknown id`.
        sent_at: When it left, in Unix seconds of this machine.
        elapsed: Seconds until the answer was there.
        attempt: Which attempt of its request it was, from 1.
        method: The verb.
        path: The path; for a file the whole link.
        query: The query.
        body: What was sent, if it was JSON.
        key: Its `Idempotency-Key`.
        status: The HTTP status; 0 for no answer.
        headers: Some headers of the answer.
        answer: The answer, if it was JSON.
        size: The bytes of the answer.
    """

    number: int
    purpose: str
    sent_at: float
    elapsed: float = 0.0
    attempt: int = 1
    method: str
    path: str
    query: dict[str, str] = {}
    body: object = None
    key: str | None = None
    status: int = 0
    headers: dict[str, str] = {}
    answer: object = None
    size: int = 0

    @property
    def is_ok(self) -> bool:
        """Whether the service did what was asked."""
        return self.status == 200 and not (self.error and not self.members.get("data"))

    @property
    def members(self) -> dict[str, object]:
        """The answer, if it is an object."""
        return as_object(self.answer)

    @property
    def data(self) -> dict[str, object]:
        """What it is about, if that is one object."""
        return as_object(self.members.get("data"))

    @property
    def shown_status(self) -> str:
        """The status that the answer shows; empty for none."""
        status = self.data.get("status")
        return status if isinstance(status, str) else ""

    @property
    def error(self) -> dict[str, object]:
        """The refusal, if it is one."""
        return as_object(self.members.get("error"))

    @property
    def code(self) -> str:
        """The code of the refusal in lower case; empty for none."""
        return str(self.error.get("code", "")).lower()
