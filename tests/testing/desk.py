"""A caller of the simulator core with a clock of its own, who has every answer judged by the strict contract."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema

from contract.book import read_edition
from heygen_async.testing import Exchange, HttpRequest, Simulator

if TYPE_CHECKING:
    from heygen_async.testing import Scenario

START = 1_767_225_600.0


def contract() -> Any:
    """Return the strict contract."""
    return read_edition("openapi.strict.yaml")


@functools.cache
def operations() -> list[tuple[str, str]]:
    """Return method and path of every operation of the contract."""
    verbs = ("get", "post", "patch", "delete")
    return [
        (verb.upper(), path) for path, item in contract()["paths"].items() for verb in verbs if verb in item
    ]


@functools.cache
def _validator(method: str, pattern: str, status: int) -> jsonschema.Draft202012Validator | None:
    responses = contract()["paths"][pattern][method.lower()]["responses"]
    answer = responses.get(str(status))
    if answer is None:
        return None
    pointer = answer.get("$ref", "")
    if pointer:
        answer = contract()["components"]["responses"][pointer.rsplit("/", 1)[1]]
    schema = answer["content"]["application/json"]["schema"]
    return jsonschema.Draft202012Validator({**schema, "components": contract()["components"]})


def _pattern(method: str, path: str) -> str | None:
    """Return the contract's path for a real one; literal segments beat parameters."""
    given = path.split("/")
    fits = [
        pattern
        for verb, pattern in operations()
        if verb == method
        and len(parts := pattern.split("/")) == len(given)
        and all(part == value or part.startswith("{") for part, value in zip(parts, given, strict=True))
    ]
    return min(fits, key=lambda pattern: pattern.count("{"), default=None)


def judge(method: str, path: str, status: int, body: bytes) -> None:
    """Fail unless the contract allows this answer; statuses it does not name must carry the error envelope."""
    pattern = _pattern(method, path)
    if pattern is None:
        return
    validator: Any = _validator(method, pattern, status)
    if validator is None:
        assert status >= 400
        assert set(json.loads(body)["error"]) == {"code", "message", "param", "doc_url"}
        return
    for error in validator.iter_errors(json.loads(body)):
        raise error


@dataclass
class Answer:
    """Status, headers and parsed body."""

    status: int
    headers: dict[str, str]
    body: Any
    exchange: Exchange

    @property
    def data(self) -> Any:
        """The success envelope's content."""
        assert self.status == 200, self.body
        return self.body["data"]

    @property
    def code(self) -> str:
        """The error envelope's code."""
        return str(self.body["error"]["code"])


class Desk:
    """Sends requests at moments of its choosing."""

    def __init__(self, simulator: Simulator | None = None) -> None:
        self.simulator = simulator or Simulator()
        self.now = START
        self.headers = {"x-api-key": self.simulator.api_key}

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def exchange(self, method: str, url: str, body: bytes | None = None, **headers: Any) -> Exchange:
        """Send raw bytes; header names are written with underscores."""
        parts = urlsplit(url)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return self.simulator.exchange(HttpRequest(method, parts.path, query, named, body), self.now)

    def call(self, method: str, url: str, body: object = None, **headers: str) -> Answer:
        """Send JSON with the key, and judge the answer."""
        raw = None if body is None else json.dumps(body).encode()
        named = {name.replace("-", "_"): value for name, value in self.headers.items()}
        exchange = self.exchange(method, url, raw, **named, **headers)
        response = exchange.response
        if exchange.fault is None:
            judge(method, urlsplit(url).path, response.status, response.body)
        is_json = response.headers.get("content-type") == "application/json"
        parsed = json.loads(response.body) if is_json else response.body
        return Answer(response.status, dict(response.headers), parsed, exchange)

    def create(self, prompt: str = "An espresso machine", mode: str = "chat", **fields: Any) -> str:
        """Create a session and return its id."""
        answer = self.call("POST", "/v3/video-agents", {"prompt": prompt, "mode": mode, **fields})
        return str(answer.data["session_id"])

    def read(self, session_id: str) -> Any:
        """Read a session."""
        return self.call("GET", f"/v3/video-agents/{session_id}").data

    def status(self, session_id: str) -> str:
        """Read a session's status."""
        return str(self.read(session_id)["status"])

    def send(self, session_id: str, message: str, **fields: object) -> Answer:
        """Send a message."""
        return self.call("POST", f"/v3/video-agents/{session_id}", {"message": message, **fields})

    def videos(self, session_id: str) -> Any:
        """List a session's videos."""
        return self.call("GET", f"/v3/video-agents/{session_id}/videos").data

    def live(self, scenario: Scenario, *, mode: str = "generate", seconds: float = 1000.0) -> Any:
        """Live one session of a scenario to the end and read it."""
        self.simulator.script(scenario)
        session_id = self.create(mode=mode)
        self.wait(seconds)
        return self.read(session_id)
