"""Values of the service as fields and response models of pydantic, for web frameworks that are built on it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import MutableMapping
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter, ValidationError

from heygen_async import Message, SessionState, SessionStatus, Video, VideoStatus

STATE = SessionState(
    session_id="sess_1",
    status=SessionStatus.REVIEWING,
    messages=(Message(role="model", content="Shall I go ahead?", created_at=1),),
)
app = FastAPI()


@app.get("/state")
async def _state() -> SessionState:
    return STATE


@app.get("/video")
async def _video() -> Video:
    return Video(id="vid_1", status=VideoStatus("completed"))


async def get(path: str) -> Any:
    """What the app answers, without a server."""
    sent: list[MutableMapping[str, Any]] = []
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return json.loads(sent[1]["body"])


async def test_a_state_is_a_response_model() -> None:
    """A handler that returns a state answers with its fields, those of its messages included."""
    shown = await get("/state")

    assert ("sess_1", "reviewing", "Shall I go ahead?") == (
        shown["session_id"],
        shown["status"],
        shown["messages"][0]["content"],
    )


async def test_a_video_is_a_response_model() -> None:
    """A handler that returns a video answers with its fields, and nothing of the client it is bound to."""
    shown = await get("/video")

    assert "vid_1" == shown["id"]
    assert set(Video.__struct_fields__) == set(shown)


def test_the_schema_names_the_fields() -> None:
    """The framework's own documentation shows what a state has."""
    schema = json.dumps(app.openapi()["paths"]["/state"])

    assert all(f'"{name}"' in schema for name in SessionState.__struct_fields__)


def test_a_state_goes_out_and_comes_back() -> None:
    """What a framework reads of what it wrote is equal, also with a word of the service that this release lacks."""
    adapter = TypeAdapter(SessionState)
    state = SessionState(session_id="sess_1", status=SessionStatus("dreaming"))

    assert [STATE, state] == [adapter.validate_json(adapter.dump_json(each)) for each in (STATE, state)]


def test_what_is_no_state_is_refused() -> None:
    """A body that is no state is pydantic's own error."""
    with pytest.raises(ValidationError):
        TypeAdapter(SessionState).validate_python({"status": 3})


def test_pydantic_is_not_imported() -> None:
    """A program without pydantic pays nothing for it."""
    code = "import sys, heygen_async.models; sys.exit('pydantic_core' in sys.modules)"

    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
