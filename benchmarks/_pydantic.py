"""The session's answer as pydantic models, as one would write them by hand."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, create_model


def _models(base: type[BaseModel]) -> tuple[type[BaseModel], type[BaseModel]]:
    message = create_model(
        "Message",
        __base__=base,
        role=(str, ...),
        content=(str, ...),
        type=(str, ...),
        created_at=(int | None, None),
        resource_ids=(list[str] | None, None),
    )
    session = create_model(
        "Session",
        __base__=base,
        session_id=(str, ...),
        status=(str, ...),
        created_at=(int, ...),
        progress=(int, 0),
        title=(str | None, None),
        video_id=(str | None, None),
        messages=(list[message], []),  # type: ignore[valid-type]
    )
    return message, session


Message, Session = _models(BaseModel)
SessionEnvelope = create_model("SessionEnvelope", data=(Session, ...))


def annotations(base: Any) -> dict[str, Any]:
    """Return the members of the envelope on another base class."""
    return {"data": _models(base)[1]}
