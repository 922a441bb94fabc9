"""Values of the service as fields and response models of pydantic, for web frameworks that are built on it."""

from __future__ import annotations

import builtins
import json
import subprocess
import sys
from collections.abc import MutableMapping
from typing import Annotated, Any, get_args, get_origin

import msgspec
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from heygen_async import Message, SessionState, SessionStatus, Video, VideoStatus, models

STATE = SessionState(
    session_id="sess_1",
    status=SessionStatus.REVIEWING,
    messages=(Message(role="model", content="Shall I go ahead?", created_at=1),),
)
VALUES = [
    each for each in vars(models).values() if isinstance(each, type) and issubclass(each, msgspec.Struct)
]
WORDS: dict[type, st.SearchStrategy[Any]] = {
    str: st.text(min_size=1),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    object: st.text(),
}
app = FastAPI()


@app.get("/state")
async def _state() -> SessionState:
    return STATE


@app.get("/video")
async def _video() -> Video:
    return Video(id="vid_1", status=VideoStatus("completed"))


def built(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type, with all its fields."""
    if get_origin(kind) is Annotated:
        return built(get_args(kind)[0])
    arguments = [built(each) for each in get_args(kind) if each is not Ellipsis]
    match get_origin(kind):
        case None if kind in VALUES:
            return st.builds(kind, **{each.name: built(each.type) for each in msgspec.structs.fields(kind)})
        case None:
            return WORDS.get(kind, st.from_type(kind))
        case builtins.tuple:
            return st.lists(arguments[0], max_size=2).map(tuple)
        case builtins.dict:
            return st.dictionaries(*arguments, max_size=2)
        case _:
            return st.one_of(arguments)


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


@pytest.mark.parametrize("kind", VALUES)
@settings(max_examples=10)
@given(data=st.data())
def test_every_value_goes_out_and_comes_back(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    """Whatever the package returns or takes as a value can be a field or a model, under the names it has here."""
    value = data.draw(built(kind))
    adapter = TypeAdapter(kind)
    shown = adapter.dump_python(value, mode="json")

    assert set(kind.__struct_fields__) == set(shown)
    assert value == adapter.validate_json(adapter.dump_json(value))


def test_what_is_no_state_is_refused() -> None:
    """A body that is no state is pydantic's own error."""
    with pytest.raises(ValidationError):
        TypeAdapter(SessionState).validate_python({"status": 3})


def test_pydantic_is_not_imported() -> None:
    """A program without pydantic pays nothing for it."""
    code = "import sys, heygen_async.models; sys.exit('pydantic_core' in sys.modules)"

    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
