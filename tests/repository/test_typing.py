"""Types are part of the API: what is public has them, and `tests/typing` uses all of it as users do."""

from __future__ import annotations

import ast
import importlib
import inspect
import types
from collections.abc import Callable
from typing import Final

from repository import house
from repository.test_exports import CALLABLES, CLASSES, MODULES

USED: Final = "\n".join(path.read_text(encoding="utf-8") for path in house.sources("tests/typing"))
# Public by their class, called by the package itself.
INTERNAL: Final = {
    "as_json",
    "check",
    "kill",
    "link",
    "parse",
    "record",
    "record_delivery",
    "share_polls",
    "strikes",
}


def names_in(annotation: object) -> set[str]:
    """The names an annotation is made of."""
    tree = ast.parse(annotation if isinstance(annotation, str) else inspect.formatannotation(annotation))
    return {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(tree)}


def words_used() -> set[str]:
    """Every name, attribute and argument that the typed examples mention."""
    tree = ast.parse(USED.replace("from __future__ import annotations", ""))
    found: set[str] = set()
    for node in ast.walk(tree):
        found |= {
            value for value in (getattr(node, key, None) for key in ("id", "attr", "arg", "name")) if value
        }
    return found


WORDS: Final = words_used()
PUBLIC: Final[dict[str, Callable[..., object]]] = {**CALLABLES, **CLASSES}


def test_nothing_public_is_any() -> None:
    """A checker knows what every public callable takes and returns, and what every public attribute holds."""
    assert [] == [
        f"{name}: {at}"
        for name, target in PUBLIC.items()
        for at, annotation in inspect.get_annotations(target).items()
        if "Any" in names_in(annotation)
    ]
    assert [] == [name for name in CALLABLES if "return" not in inspect.get_annotations(CALLABLES[name])]


def test_every_public_name_is_used_in_the_typed_examples() -> None:
    """What users import is checked as they use it, on every supported Python."""
    assert [] == [
        f"{module}.{name}"
        for module in MODULES
        for loaded in [importlib.import_module(module)]
        for name in house.public_names(module)
        if not isinstance(getattr(loaded, name), types.ModuleType) and name not in WORDS
    ]


def test_every_public_method_is_used_in_the_typed_examples() -> None:
    """What users call is checked as they call it."""
    assert [] == [name for name in sorted(CALLABLES) if name.rpartition(".")[2] not in WORDS | INTERNAL]
