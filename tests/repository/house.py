"""What the house tests share: which modules there are, and what each of them imports."""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import os
import pathlib
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = pathlib.Path(__file__).parent.parent.parent
PACKAGE: Final = ROOT / "heygen_async"
README: Final = ROOT / "README.md"
GUIDES: Final = ROOT / "examples" / "guides"
PAGES: Final = [README, *sorted(GUIDES.glob("*.md"))]  # what users read


def sources(*folders: str) -> list[pathlib.Path]:
    """Every Python file below *folders* of the repository, in a stable order."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def blocks(path: pathlib.Path, language: str) -> list[str]:
    """The fenced blocks of one language on a page, in order."""
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def relative(path: pathlib.Path) -> str:
    """The path as a developer would write it."""
    return path.relative_to(ROOT).as_posix()


def module_name(path: pathlib.Path) -> str:
    """The dotted name under which a file of the package is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def modules() -> list[str]:
    """Every importable module of the package; a `__main__` is run, not imported."""
    return [module_name(path) for path in sources("heygen_async") if path.stem != "__main__"]


def public_modules() -> list[str]:
    """The modules that users may name: no part of their dotted name starts with an underscore."""
    return [name for name in modules() if not any(part.startswith("_") for part in name.split("."))]


def public_names(module: str) -> list[str]:
    """What a public module lists: in `__all__`, else as `import X as X`, else what it defines."""
    loaded = importlib.import_module(module)
    if "__all__" in vars(loaded):  # the package computes its own from what is read here
        return list(loaded.__all__)
    assert loaded.__file__ is not None
    names: list[str] = []
    for node in ast.walk(
        tree(pathlib.Path(loaded.__file__))
    ):  # those under `if TYPE_CHECKING` are served lazily
        if not isinstance(node, ast.ImportFrom):
            continue
        names += [alias.name for alias in node.names if alias.asname == alias.name]
        if node.names[0].name == "*":
            names += public_names(f"{module}.{node.module}")
    names = names or [
        node.name for node in tree(pathlib.Path(loaded.__file__)).body if isinstance(node, ast.ClassDef)
    ]
    return [name for name in names if not name.startswith("_")]


def nox_sessions() -> set[str]:
    """The functions of noxfile.py that nox offers."""
    return {
        node.name
        for node in tree(ROOT / "noxfile.py").body
        if isinstance(node, ast.FunctionDef)
        and any("nox.session" in ast.unparse(decorator) for decorator in node.decorator_list)
    }


@functools.cache
def tree(path: pathlib.Path) -> ast.Module:
    """The parsed file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def live_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Walk everything that can run: blocks under `if TYPE_CHECKING` are left out."""
    left = [node]
    while left:
        node = left.pop()
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            left += node.orelse
        else:
            yield node
            left += ast.iter_child_nodes(node)


def _is_type_checking(test: ast.expr) -> bool:
    return getattr(test, "id", None) == "TYPE_CHECKING" or getattr(test, "attr", None) == "TYPE_CHECKING"


@dataclasses.dataclass(frozen=True)
class Import:
    """One imported name: *module* it comes from, *name* within it (empty for `import module`), *line*."""

    module: str
    name: str
    line: int

    @property
    def dotted(self) -> str:
        """The full dotted name of what is imported."""
        return f"{self.module}.{self.name}" if self.name else self.module


@functools.cache
def imports(path: pathlib.Path, *, for_type_checkers: bool = False) -> list[Import]:
    """Every import of a file that can run, wherever in the file it stands, with relative ones resolved."""
    found: list[Import] = []
    for node in ast.walk(tree(path)) if for_type_checkers else live_nodes(tree(path)):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, "", node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _base(path, node)
            found += [Import(base, alias.name, node.lineno) for alias in node.names]
    return found


def _base(path: pathlib.Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = path.relative_to(ROOT).parent.parts
    kept = package[: len(package) - (node.level - 1)]
    return ".".join([*kept, *([node.module] if node.module else [])])


def docstrings(path: pathlib.Path) -> set[ast.expr]:
    """The nodes of a file that are documentation rather than values."""
    return {
        node.value
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def run_python(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run *code* in a new interpreter that carries nothing of this one but the installed packages."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST", "PYTHON"))
    }
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        cwd=ROOT,
        env=kept,
        text=True,
        capture_output=True,
        check=False,
    )
