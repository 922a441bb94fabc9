"""What the docstrings say is there: names in backquotes lead somewhere, and their code runs."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import inspect
import re
import textwrap
from typing import Final

import pytest

import heygen_async
from heygen_async import HeyGen, Session, SessionError, SessionState, Video, testing
from heygen_async.testing import Simulator, pytest_plugin
from repository import house
from repository.test_exports import CALLABLES, CLASSES, MODULES

DOCUMENTED: Final[dict[str, object]] = {
    **{name: importlib.import_module(name) for name in MODULES},
    **CLASSES,
    **CALLABLES,
}
# Names that stand for an object in prose, as in the examples of the front page.
SPEAKING: Final[dict[str, object]] = {
    "error": SessionError,
    "heygen": HeyGen("a-key"),
    "heygen_simulator": Simulator(),
    "session": Session,
    "sessions": HeyGen("a-key").sessions,
    "simulator": Simulator(),
    "state": SessionState,
    "video": Video,
    "videos": HeyGen("a-key").videos,
}
NAME: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def documentation(name: str) -> str:
    """The docstring of something public, its own."""
    return inspect.getdoc(DOCUMENTED[name]) or ""


@functools.cache
def words_of_the_package() -> frozenset[str]:
    """Everything the package and the service name, or say as a value: parameters, attributes, fields, statuses."""
    contract = house.ROOT / "tests" / "contract" / "openapi.yaml"
    found = set(re.findall(r"\w+", contract.read_text(encoding="utf-8")))
    for path in house.sources("heygen_async"):
        for node in ast.walk(house.tree(path)):
            found |= {
                said
                for key in ("arg", "attr", "id", "name", "value")
                if isinstance(said := getattr(node, key, None), str)
            }
    return frozenset(found)


def resolves(dotted: str) -> bool:
    """Whether a reader finds what a dotted or capitalised name stands for."""
    if dotted.partition(".")[0] == "heygen_async":
        return importlib.util.find_spec(dotted) is not None
    first, *rest = dotted.split(".")
    places = (heygen_async, testing, pytest_plugin, *map(importlib.import_module, MODULES))
    found: object = SPEAKING.get(first) or next(
        (getattr(p, first) for p in places if hasattr(p, first)), None
    )
    for part in rest:
        found = getattr(found, part, None)
    return found is not None


def broken(quoted: str) -> bool:
    """Whether something in backquotes is a name, and one that leads nowhere."""
    name = re.sub(r"\(.*|=.*", "", quoted)
    if (
        not NAME.fullmatch(name) or name.partition(".")[0].isupper()
    ):  # code; an environment variable; a placeholder
        return False
    if name.startswith(("aiohttp.", "asyncio.", "async")):
        return False
    if "." not in name and not name[0].isupper():
        return name not in words_of_the_package() | SPEAKING.keys()
    return not resolves(name) and name not in words_of_the_package()


def test_every_name_in_a_docstring_leads_somewhere() -> None:
    """A reader who looks up a name from the documentation finds it."""
    assert [] == [
        f"{name}: {word}"
        for name in sorted(DOCUMENTED)
        for word in re.findall(r"`([^`\n]+)`", documentation(name))
        if broken(word)
    ]


def code_blocks() -> list[object]:
    """The indented code of all public docstrings."""
    return [
        pytest.param(textwrap.dedent(block), id=name)
        for name in sorted(DOCUMENTED)
        for block in re.findall(r":\n\n((?:(?: {4}.*)?\n)+)", f"{documentation(name)}\n")
        if re.search(r"^\s*(import|from|def|async|await|with|@)\b", block, re.MULTILINE)
    ]


@pytest.mark.parametrize("block", code_blocks())
def test_every_block_in_a_docstring_runs(block: str) -> None:
    """Code that a reader copies out of the documentation works."""
    exec(compile(block, "docstring", "exec", dont_inherit=True), {})


def test_every_document_that_is_cited_is_here() -> None:
    """A reader who is referred to a document can open that document."""
    cited = {
        name: house.relative(path)
        for path in house.sources("heygen_async")
        for name in re.findall(r"[\w/]+\.(?:md|yaml)\b", path.read_text(encoding="utf-8"))
    }

    assert {} == {name: by for name, by in cited.items() if not any(house.ROOT.rglob(name))}
