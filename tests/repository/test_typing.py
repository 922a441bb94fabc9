"""Types are part of the API: what is public has them, and `tests/typing` uses all of it as users do."""

from __future__ import annotations

import ast
import importlib
import inspect
import types
from typing import Final

import pytest

from repository import house
from repository.test_exports import CALLABLES, CLASSES, MODULES

USED: Final = "\n".join(path.read_text(encoding="utf-8") for path in house.sources("tests/typing"))
# Public by their class, called by the package itself.
INTERNAL: Final = {
    "as_json",
    "bound",
    "check",
    "kill",
    "link",
    "parse",
    "record",
    "record_delivery",
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


@pytest.mark.parametrize("name", sorted(CALLABLES))
def test_nothing_public_is_any(name: str) -> None:
    """A checker knows what every public callable takes and returns."""
    annotations = inspect.get_annotations(CALLABLES[name])

    assert [] == [at for at, said in annotations.items() if "Any" in names_in(said)]
    assert "return" in annotations


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_no_public_attribute_is_any(name: str) -> None:
    """A checker knows what every attribute holds that a class declares."""
    annotations = inspect.get_annotations(CLASSES[name])

    assert [] == [at for at, said in annotations.items() if "Any" in names_in(said)]


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_used_in_the_typed_examples(module: str) -> None:
    """What users import is checked as they use it, on every supported Python."""
    loaded = importlib.import_module(module)
    names = {name for name in loaded.__all__ if not isinstance(getattr(loaded, name), types.ModuleType)}

    assert [] == sorted(names - WORDS)


@pytest.mark.parametrize("name", sorted(CALLABLES))
def test_every_public_method_is_used_in_the_typed_examples(name: str) -> None:
    """What users call is checked as they call it."""
    said = name.rpartition(".")[2]

    assert said in WORDS | INTERNAL
