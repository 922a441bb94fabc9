"""The service's contract as a judge of single exchanges; jsonschema, which knows nothing of us, does the judging."""

from __future__ import annotations

import functools
import json
import pathlib
from dataclasses import dataclass
from email import message_from_bytes, policy
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import yaml

FOLDER = pathlib.Path(__file__).parent
VERBS = ("get", "post", "patch", "delete")
CREDENTIALS = ("x-api-key", "authorization")


@dataclass(frozen=True)
class Exchange:
    """A request as it left the client, and its answer."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    status: int
    answer: bytes

    @property
    def path(self) -> str:
        """The path alone."""
        return urlsplit(self.url).path

    @property
    def query(self) -> list[tuple[str, str]]:
        """The parameters, as often as they were given."""
        return (
            parse_qsl(urlsplit(self.url).query, keep_blank_values=True, strict_parsing=True)
            if "?" in self.url
            else []
        )


@functools.cache
def read_edition(name: str) -> Any:
    """Read an edition, with the parser in C: the one in Python takes ten times as long."""
    return yaml.load((FOLDER / name).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


class Book:
    """One edition of the contract."""

    def __init__(self, name: str) -> None:
        """Read an edition: `openapi.yaml`, or the strict one that only our own simulator must meet."""
        self._text: Any = read_edition(name)
        self.operations: dict[str, tuple[str, str]] = {
            item[verb]["operationId"]: (verb.upper(), path)
            for path, item in self._text["paths"].items()
            for verb in VERBS
            if verb in item
        }

    def operation(self, exchange: Exchange) -> str:
        """Which operation a request calls; a literal segment beats a parameter."""
        parts = exchange.path.split("/")
        fits = [
            (path.count("{"), name)
            for name, (verb, path) in self.operations.items()
            if verb == exchange.method
            and len(path.split("/")) == len(parts)
            and all(a == b or a.startswith("{") for a, b in zip(path.split("/"), parts, strict=True))
        ]
        assert fits, f"no operation for {exchange.method} {exchange.path}"
        return min(fits)[1]

    def check_request(self, exchange: Exchange) -> None:
        """Fail unless the contract allows the request: parameters, credential, body."""
        verb, path = self.operations[self.operation(exchange)]
        text = self._text["paths"][path][verb.lower()]
        parameters = [self._resolved(one) for one in text.get("parameters", [])]
        self._check_query(
            exchange, {one["name"]: one["schema"] for one in parameters if one["in"] == "query"}
        )
        self._check_headers(exchange)
        if exchange.body is None:
            assert not text.get("requestBody", {}).get("required", False)
            return
        [(media_type, content)] = text["requestBody"]["content"].items()
        sent, _, _ = exchange.headers["content-type"].partition(";")
        assert media_type == sent
        body = _form(exchange) if sent.startswith("multipart/") else json.loads(exchange.body)
        self._validate(content["schema"], body)

    def check_answer(self, exchange: Exchange) -> None:
        """Fail unless the contract allows the answer."""
        verb, path = self.operations[self.operation(exchange)]
        answer = self._resolved(self._text["paths"][path][verb.lower()]["responses"][str(exchange.status)])
        self._validate(answer["content"]["application/json"]["schema"], json.loads(exchange.answer))

    def _check_query(self, exchange: Exchange, schemas: dict[str, Any]) -> None:
        names = [name for name, _ in exchange.query]
        assert len(names) == len(set(names)), "no parameter is given twice"
        for name, value in exchange.query:
            assert name in schemas, f"{name} is no parameter here"
            assert value, f"{name} is empty"
            self._validate(schemas[name], int(value) if schemas[name].get("type") == "integer" else value)

    def _check_headers(self, exchange: Exchange) -> None:
        assert 1 == len(set(CREDENTIALS) & set(exchange.headers))
        if "idempotency-key" in exchange.headers:
            schema = self._text["components"]["parameters"]["IdempotencyKey"]["schema"]
            self._validate(schema, exchange.headers["idempotency-key"])

    def _resolved(self, node: Any) -> Any:
        while "$ref" in node:
            _, *names = node["$ref"].split("/")
            node = self._text
            for name in names:
                node = node[name]
        return node

    def _validate(self, schema: Any, value: object) -> None:
        whole = {**schema, "components": self._text["components"]}
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
        validator: Any = jsonschema.Draft202012Validator(whole, format_checker=checker)
        validator.validate(value)


def _form(exchange: Exchange) -> dict[str, str]:
    """The named parts of a form, read by the standard library's mail parser."""
    head = f"content-type: {exchange.headers['content-type']}\r\n\r\n".encode()
    message = message_from_bytes(head + (exchange.body or b""), policy=policy.HTTP)
    return {
        str(part.get_param("name", header="content-disposition")): "bytes" for part in message.iter_parts()
    }
