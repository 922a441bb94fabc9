"""What is public is listed, exists and is documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
import types
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

import pytest

from heygen_async import HeyGen
from repository import house

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Coroutines that raise nothing of their own: leaving and closing always succeed.
NEVER_RAISES: Final = {"aclose"}

MODULES = house.public_modules()


def exports() -> Iterator[tuple[str, object]]:
    """Every public name of the package with what it stands for, once, under the shortest name."""
    seen: set[int] = set()
    for module in sorted(MODULES, key=len):
        for name in getattr(importlib.import_module(module), "__all__", ()):
            value = getattr(importlib.import_module(module), name)
            if id(value) not in seen and not isinstance(value, types.ModuleType):
                seen.add(id(value))
                yield f"{module}.{name}", value
    for name, group in groups(HeyGen("a-key")):
        yield f"heygen.{name}", type(group)


def groups(owner: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """What hangs on a client: `sessions`, `videos`, `webhooks.endpoints`, ..."""
    for name in dir(owner):
        value = None if name.startswith("_") else getattr(owner, name)
        if is_ours(value) and not callable(value):
            yield f"{prefix}{name}", value
            yield from groups(value, f"{prefix}{name}.")


def is_ours(value: object) -> bool:
    """Whether *value* was written in this package."""
    return getattr(value, "__module__", "").split(".")[0] == "heygen_async"


CLASSES = {name: value for name, value in exports() if isinstance(value, type) and is_ours(value)}
FUNCTIONS = {name: value for name, value in exports() if inspect.isroutine(value) and is_ours(value)}


def methods(cls: type) -> Iterator[tuple[str, object]]:
    """The public methods and properties that *cls* has from this package, unwrapped."""
    for owner in reversed(cls.__mro__):
        if is_ours(owner):
            for name, value in vars(owner).items():
                if not name.startswith("_") and not is_inherited(owner, name):
                    if isinstance(value, property):
                        yield name, value.fget
                    elif isinstance(value, staticmethod | classmethod) or inspect.isfunction(value):
                        yield name, inspect.unwrap(getattr(owner, name))


def is_inherited(owner: type, name: str) -> bool:
    """Whether *name* is promised and documented by a class that isn't ours, such as an event loop."""
    return any(name in vars(base) for base in owner.__mro__ if not is_ours(base))


CALLABLES: dict[str, Callable[..., object]] = {
    **FUNCTIONS,
    **{
        f"{cls_name}.{name}": method
        for cls_name, cls in CLASSES.items()
        for name, method in methods(cls)
        if callable(method)
    },
}


def isort_style(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest: the order in which ruff sorts `__all__`."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2), name


@pytest.mark.parametrize("module", MODULES)
def test_all_is_sorted(module: str) -> None:
    """`__all__` is there, without repetition, in order."""
    listed = list(importlib.import_module(module).__all__)

    assert listed == sorted(set(listed), key=isort_style)


@pytest.mark.parametrize("module", MODULES)
def test_all_is_what_exists(module: str) -> None:
    """Every public name that a module defines is listed, and every listed name exists."""
    loaded = importlib.import_module(module)
    assert loaded.__file__ is not None
    defined = {
        name
        for name in defined_names(loaded.__file__)
        if not isinstance(getattr(loaded, name, None), TypeVar | ParamSpec)
    }

    assert [] == sorted(defined - set(loaded.__all__))
    assert [] == [name for name in loaded.__all__ if not hasattr(loaded, name)]


def defined_names(file: str) -> Iterator[str]:
    """The public names that a file itself defines at its top level."""
    for node in house.tree(house.ROOT / file).body:
        names: list[ast.expr | str] = []
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = list(node.targets)
        elif isinstance(node, ast.AnnAssign):
            names = [node.target]
        for name in names:
            said = name if isinstance(name, str) else ast.unparse(name)
            if said.isidentifier() and not said.startswith("_"):
                yield said


def test_star_import_gives_the_listed_names() -> None:
    """`from heygen_async import *` works, lazily served names included."""
    namespace: dict[str, object] = {}
    exec("from heygen_async import *", namespace)

    assert set(importlib.import_module("heygen_async").__all__) <= set(namespace)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_class_is_documented(name: str) -> None:
    """A public class says what it is in a docstring of its own."""
    said = vars(CLASSES[name]).get("__doc__") or ""

    assert said
    assert not said.startswith(f"{CLASSES[name].__name__}(")  # what a dataclass writes by itself


@pytest.mark.parametrize("name", sorted(CALLABLES))
def test_every_callable_is_documented(name: str) -> None:
    """A public function, method or property says what it gives, and of several parameters names each."""
    said = inspect.getdoc(CALLABLES[name]) or ""
    parameters = [
        parameter.name
        for parameter in inspect.signature(CALLABLES[name]).parameters.values()
        if parameter.name not in {"self", "cls", "anyio_backend"}
    ]

    assert said
    assert len(parameters) < 2 or [] == [parameter for parameter in parameters if parameter not in said]


@pytest.mark.parametrize("name", sorted(CALLABLES))
def test_every_failure_is_documented(name: str) -> None:
    """What does I/O, or raises by itself, says under `Raises` what can go wrong and whose doing it is."""
    target = CALLABLES[name]
    source = textwrap.dedent(inspect.getsource(target))
    raises = any(isinstance(node, ast.Raise) and node.exc for node in ast.walk(ast.parse(source)))

    if (inspect.iscoroutinefunction(target) or raises) and name.rpartition(".")[2] not in NEVER_RAISES:
        assert "Raises:" in (inspect.getdoc(target) or "")


@pytest.mark.parametrize("name", sorted(CALLABLES))
def test_calls_read_aloud(name: str) -> None:
    """A public callable takes at most three positional arguments; the rest are named where they are given."""
    kinds = [parameter.kind for parameter in inspect.signature(CALLABLES[name]).parameters.values()]
    positional = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}

    assert len([kind for kind in kinds if kind in positional]) <= 4  # self is one of them
