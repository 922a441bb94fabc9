"""What the fuzzer of `nox -s contract` has to be told, because a schema cannot say it."""

from __future__ import annotations

import importlib
import re
import uuid
from typing import Any

_VALID_KEY = re.compile(r"[A-Za-z0-9_\-:.]{1,255}")


def before_call(_context: object, case: Any, _options: dict[str, Any]) -> None:
    """
    Make every call a call of its own.

    A key that was used before has the first answer replayed, whatever the body is now; and the contract leaves open
    what two credentials in one request mean.
    """
    headers: dict[str, Any] = case.headers or {}
    for name in list(headers):
        if name.lower() == "idempotency-key" and _VALID_KEY.fullmatch(str(headers[name])):
            headers[name] = str(uuid.uuid4())
        if name.lower() == "authorization":
            del headers[name]


# Only the fuzzer's own environment has it.
importlib.import_module("schemathesis").hook(before_call)
