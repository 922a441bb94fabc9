"""What is public is listed, exists and is documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
import types
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from heygen_async import HeyGen
from repository import house

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Coroutines that raise nothing of their own: leaving and closing always succeed.
NEVER_RAISES: Final = {"aclose", "stop_watching"}

MODULES = house.public_modules()


def exports() -> Iterator[tuple[str, object]]:
    """Every public name of the package with what it stands for, once, under the shortest name."""
    seen: set[int] = set()
    for module in sorted(MODULES, key=len):
        for name in house.public_names(module):
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


def test_all_is_sorted() -> None:
    """Every public module lists its names once; an `__all__` lists them in order."""
    assert [] == [
        module
        for module in MODULES
        for names in [house.public_names(module)]
        if not names or len(names) != len(set(names))
    ]
    assert [] == [
        module
        for module in MODULES
        for names in [getattr(importlib.import_module(module), "__all__", [])]
        if names != sorted(names, key=isort_style)
    ]


def test_all_is_what_exists() -> None:
    """Every public name that a module defines is listed, and every listed name exists."""
    unlisted: list[str] = []
    missing: list[str] = []
    for module in MODULES:
        loaded = importlib.import_module(module)
        assert loaded.__file__ is not None
        defined = {
            name
            for name in defined_names(loaded.__file__)
            if not isinstance(getattr(loaded, name, None), TypeVar | ParamSpec)
        }
        unlisted += [f"{module}.{name}" for name in sorted(defined - set(house.public_names(module)))]
        missing += [f"{module}.{name}" for name in house.public_names(module) if not hasattr(loaded, name)]

    assert [] == unlisted
    assert [] == missing


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
    """`from heygen_async import *` works, which are those that type checkers see, lazily served ones included."""
    namespace: dict[str, object] = {}
    exec("from heygen_async import *", namespace)

    assert set(house.public_names("heygen_async")) == namespace.keys() - {"__builtins__"}


def test_every_class_is_documented() -> None:
    """A public class says what it is in a docstring of its own, not in one a dataclass writes by itself."""
    assert [] == [
        name
        for name, cls in sorted(CLASSES.items())
        if (vars(cls).get("__doc__") or f"{cls.__name__}(").startswith(f"{cls.__name__}(")
    ]


def test_every_callable_is_documented() -> None:
    """A public function, method or property says what it gives, and of several parameters names each."""
    assert [] == [name for name in sorted(CALLABLES) if not inspect.getdoc(CALLABLES[name])]
    assert [] == [
        f"{name}: {parameter}"
        for name, target in sorted(CALLABLES.items())
        for parameters in [parameters_of(target)]
        for parameter in parameters
        if len(parameters) > 1 and parameter not in (inspect.getdoc(target) or "")
    ]


def parameters_of(target: Callable[..., object]) -> list[str]:
    """The parameters a caller gives."""
    names = inspect.signature(target).parameters
    return [name for name in names if name not in {"self", "cls", "anyio_backend", "_heygen_backend"}]


def test_every_failure_is_documented() -> None:
    """What does I/O, or raises by itself, says under `Raises` what can go wrong and whose doing it is."""
    assert [] == [
        name
        for name, target in sorted(CALLABLES.items())
        if name.rpartition(".")[2] not in NEVER_RAISES
        and can_raise(target)
        and "Raises:" not in (inspect.getdoc(target) or "")
    ]


def can_raise(target: Callable[..., object]) -> bool:
    """Whether a callable does I/O or has a `raise` of its own."""
    source = ast.parse(textwrap.dedent(inspect.getsource(target)))
    raises = any(isinstance(node, ast.Raise) and node.exc for node in ast.walk(source))
    return inspect.iscoroutinefunction(target) or raises


def test_calls_read_aloud() -> None:
    """A public callable takes at most three positional arguments; the rest are named where they are given."""
    positional = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}

    assert [] == [
        name
        for name, target in sorted(CALLABLES.items())
        for kinds in [[parameter.kind for parameter in inspect.signature(target).parameters.values()]]
        if len([kind for kind in kinds if kind in positional]) > 4  # self is one of them
    ]
