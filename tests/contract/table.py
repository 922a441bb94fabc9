"""The contract as the table that the probe carries with it: `python -m contract.table` writes it anew."""

from __future__ import annotations

import json
from typing import Any

import yaml

from contract.book import FOLDER, VERBS

TABLE = FOLDER.parent.parent / "heygen_async" / "testing" / "_probe" / "contract.json"


def build() -> dict[str, object]:
    """The table of openapi.yaml: what each operation answers, its page size, the events and the errors."""
    book: Any = yaml.safe_load((FOLDER / "openapi.yaml").read_text(encoding="utf-8"))
    operations = [
        _operation(book, verb, path, item[verb])
        for path, item in book["paths"].items()
        for verb in VERBS
        if verb in item
    ]
    schemas = book["components"]["schemas"]
    return {
        "error": _shape(book, schemas["StandardAPIError"]),
        "events": schemas["WebhookEventTypeName"]["enum"],
        "operations": operations,
    }


def write() -> None:
    """Write the table, one line for each operation."""
    table: dict[str, Any] = build()
    operations = ",\n".join(json.dumps(one) for one in table.pop("operations"))
    head = json.dumps(table)[:-1]
    TABLE.write_text(f'{head}, "operations": [\n{operations}\n]}}\n', encoding="utf-8")


def _operation(book: Any, verb: str, path: str, text: Any) -> dict[str, object]:
    answer = text["responses"]["200"]["content"]["application/json"]["schema"]
    found: dict[str, object] = {"method": verb.upper(), "path": path, "answer": _shape(book, answer)}
    for parameter in (_resolve(book, one) for one in text.get("parameters", [])):
        if parameter["name"] == "limit":
            found["default_limit"] = parameter["schema"]["default"]
            found["most"] = parameter["schema"]["maximum"]
    return found


def _shape(book: Any, schema: Any) -> dict[str, object]:
    schema = _resolve(book, schema)
    if "anyOf" in schema:
        [filled] = [one for one in schema["anyOf"] if one.get("type") != "null"]
        shape: dict[str, Any] = _shape(book, filled)
        return {**shape, "types": [*shape["types"], "null"]}
    types = schema.get("type", [])
    found: dict[str, object] = {"types": [types] if isinstance(types, str) else list(types)}
    if "enum" in schema:
        found["words"] = [word for word in schema["enum"] if word is not None]
    if "properties" in schema:
        found["fields"] = {name: _shape(book, one) for name, one in schema["properties"].items()}
        found["required"] = schema.get("required", [])
    if "items" in schema:
        found["items"] = _shape(book, schema["items"])
    return found


def _resolve(book: Any, node: Any) -> Any:
    while "$ref" in node:
        _, *names = node["$ref"].split("/")
        node = book
        for name in names:
            node = node[name]
    return node


if __name__ == "__main__":
    write()
