"""Where the public names say that they are."""

from __future__ import annotations

import importlib
import pickle

import pytest
from msgspec import Struct, inspect

from repository import house

PUBLIC = [
    (module, name)
    for module in ("heygen_async", "heygen_async.errors", "heygen_async.models", "heygen_async.webhooks")
    for name in house.public_names(module)
]


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_public_name_shows_no_private_path(module: str, name: str) -> None:
    """A traceback, a pickle and the documentation show where a name can be imported from, and it can."""
    item = getattr(importlib.import_module(module), name)
    shown = getattr(item, "__module__", "")

    assert "._" not in shown
    if isinstance(item, type) and shown.startswith("heygen_async"):
        assert item is getattr(importlib.import_module(shown), item.__qualname__)
        assert item is pickle.loads(pickle.dumps(item))


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_annotations_of_structs_can_be_read(module: str, name: str) -> None:
    """What a struct's fields are can be asked of it in the module it names."""
    item = getattr(importlib.import_module(module), name)
    if isinstance(item, type) and issubclass(item, Struct):
        assert isinstance(inspect.type_info(item), inspect.StructType)


def test_half_made_client_has_a_repr() -> None:
    """A debugger that shows a client whose arguments were refused gets a text."""
    heygen = importlib.import_module("heygen_async").HeyGen

    assert "<HeyGen closed>" == repr(heygen.__new__(heygen))
    assert house.PACKAGE.is_dir()
