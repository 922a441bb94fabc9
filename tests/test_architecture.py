"""The house keeps its shape: what may import what, and what may be said only in one place."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

import pytest

import house

if TYPE_CHECKING:
    import pathlib

# From the ground up. A file imports only from files named before it.
HOUSE: Final = (
    # words: no I/O, no async
    *("_version", "errors", "_values", "_redact", "_files", "_listings", "_events", "models", "_config"),
    # decisions: pure, no async, no clock
    *(
        "_conversation",
        "_reasons",
        "_stand_in",
        "_lifecycle",
        "_answers",
        "_wire",
        "_retry",
        "_refs",
        *("_jobs", "_keys", "_window"),
        "cadence",
        *("_signatures", "_heard", "_vocabulary"),
    ),
    *("_asset_calls", "_webhook_calls", "_media_types", "_file_names", "_ranges"),
    # edges
    *(
        "_clock",
        "webhooks",
        "_progress",
        "_part_file",
        "_sources",
        "_outflow",
        "_http",
        "_deadlines",
        "_gate",
        "_transport",
    ),
    # conversations
    *(
        "_identity",
        "_writes",
        "_hooks",
        "_caller",
        "_settle",
        "_settle_send",
        "_watchers",
        "_agenda",
        "_reads",
        "_renders",
        *("_experience", "_plans", "_hub", "_notices"),
    ),
    *("_uploads", "_core", "_speech", "_watch", "_downloads", "_videos", "_resources", "_assets"),
    *("_attachments", "_converse", "_session", "_creation", "_sessions", "_catalog", "_webhooks"),
    *("_places", "_shelf", "_reviewers", "_listener", "_filming", "_production", "_intake", "_batch"),
    # front
    "_client",
)
# These use the public API, and nothing imports them.
OUTBUILDINGS: Final = ("durable", "_durable", "_cli", "__main__", "testing")
WORDS_AND_DECISIONS: Final = HOUSE[: HOUSE.index("_clock")]
# What the service's stand-in may know of the client: nothing that spells the wire.
OPEN_TO_TESTING: Final = {"heygen_async", "heygen_async.errors"}

CLOCKS: Final = {
    "anyio": {"current_time", "sleep", "sleep_until"},
    "asyncio": {"sleep"},
    "datetime": {"now", "today", "utcnow"},
    "time": {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep", "time", "time_ns"},
}
WIRE: Final = {"_wire.py", "_asset_calls.py", "_webhook_calls.py"}
VAGUE_NOUNS: Final = {"base", "common", "helpers", "manager", "misc", "shared", "tools", "util", "utils"}
LONGEST_FILE: Final = 400
LASTING: Final = {"_hooks", "_hub", "_postman", "_writes"}

ALL = house.sources("heygen_async")
ROOMS = [path for path in ALL if path.parent == house.PACKAGE and path.stem in HOUSE]
TESTING = [path for path in ALL if "testing" in path.parts]
TESTS = [path for path in house.sources("tests") if path.name.startswith("test_")]

each = pytest.mark.parametrize
by_name = house.relative


def room_of(dotted: str) -> str:
    """The part of the house a dotted name lies in; empty for the package root."""
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 else ""


def own_imports(path: pathlib.Path) -> list[tuple[int, str]]:
    """The line and the dotted module of every import from within the package."""
    known = set(house.modules())
    return [
        (found.line, found.dotted if found.dotted in known else found.module)
        for found in house.imports(path)
        if found.module.split(".")[0] == "heygen_async"
    ]


@each("path", [path for path in ALL if path.parent == house.PACKAGE], ids=by_name)
def test_every_file_has_a_place(path: pathlib.Path) -> None:
    """A new file gets a floor before it gets code."""
    assert path.stem in {"__init__", *HOUSE, *OUTBUILDINGS}


@each("path", ALL, ids=by_name)
def test_every_file_is_a_noun(path: pathlib.Path) -> None:
    """A file is named for what it is about, not for where leftovers go."""
    assert not VAGUE_NOUNS & set(path.stem.strip("_").split("_"))


@each("path", ROOMS, ids=by_name)
def test_imports_point_down(path: pathlib.Path) -> None:
    """A file imports only from floors below it, or from its own floor before it."""
    below = HOUSE[: HOUSE.index(path.stem)]

    assert [] == [
        f"line {line}: {name}"
        for line, name in own_imports(path)
        if room_of(name) not in below and room_of(name) != path.stem
    ]


@each("path", [path for path in ALL if path.parent == house.PACKAGE], ids=by_name)
def test_nothing_imports_the_outbuildings(path: pathlib.Path) -> None:
    """The client never depends on its simulator, its command or an optional engine."""
    allowed = {path.stem, {"__main__": "_cli", "durable": "_durable"}.get(path.stem, path.stem)}

    assert [] == [
        f"line {line}: {name}"
        for line, name in own_imports(path)
        if room_of(name) in OUTBUILDINGS and room_of(name) not in allowed
    ]


@each("path", [path for path in ALL if "_cli" in path.parts], ids=by_name)
def test_the_command_is_a_user(path: pathlib.Path) -> None:
    """What the command needs, every user of the package can have: it imports public names only."""
    assert [] == [
        f"line {line}: {name}"
        for line, name in own_imports(path)
        if not name.startswith("heygen_async._cli") and any(part.startswith("_") for part in name.split("."))
    ]


@each("path", TESTING, ids=by_name)
def test_the_simulator_shares_no_wire_with_the_client(path: pathlib.Path) -> None:
    """The simulator knows the public API and its errors only, or a wrong field name would cancel out."""
    assert [] == [
        f"line {line}: {name}"
        for line, name in own_imports(path)
        if not name.startswith("heygen_async.testing") and name not in OPEN_TO_TESTING
    ]


@each("path", ALL, ids=by_name)
def test_only_the_transport_imports_the_http_client(path: pathlib.Path) -> None:
    """A change of HTTP library would touch one file; the simulator's server uses only the server half."""
    if path.name == "_transport.py":
        return
    found = [one for one in house.imports(path) if one.module.split(".")[0] == "aiohttp"]
    if path.relative_to(house.PACKAGE).as_posix() == "testing/_server.py":
        found = [one for one in found if not one.dotted.startswith("aiohttp.web")]

    assert [] == found


@each("path", [path for path in ALL if path.name != "_clock.py" and path not in TESTING], ids=by_name)
def test_only_the_clock_reads_the_time_or_sleeps(path: pathlib.Path) -> None:
    """Whoever owns `_clock.py` owns the time of the whole client, so tests need no real waiting."""
    imported = {one.module.split(".")[0] for one in house.imports(path)}
    found = [
        f"line {one.line}: {one.dotted}"
        for one in house.imports(path)
        if one.name in CLOCKS.get(one.module, set()) and one.module != "datetime"
    ]
    for node in house.live_nodes(house.tree(path)):
        if isinstance(node, ast.Attribute):
            owners = {module for module, names in CLOCKS.items() if node.attr in names and module in imported}
            loop_time = node.attr == "time" and "loop" in ast.unparse(node.value)
            if loop_time or any(module in ast.unparse(node.value) for module in owners):
                found.append(f"line {node.lineno}: {ast.unparse(node)}")

    assert [] == found


@each("path", [path for path in ROOMS if path.stem in WORDS_AND_DECISIONS], ids=by_name)
def test_words_and_decisions_are_pure(path: pathlib.Path) -> None:
    """The lower floors can be read and tested without an event loop."""
    async_nodes = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)

    assert [] == [
        f"line {node.lineno}: {type(node).__name__}"
        for node in house.live_nodes(house.tree(path))
        if isinstance(node, async_nodes)
    ]
    assert not {"anyio", "asyncio", "socket", "threading"} & {one.module for one in house.imports(path)}


@each("path", [path for path in ALL if path.name not in WIRE and path not in TESTING], ids=by_name)
def test_only_the_wire_spells_paths(path: pathlib.Path) -> None:
    """A path of the service stands in the wire files and nowhere else in the client."""
    prose = house.docstrings(path)

    assert [] == [
        f"line {node.lineno}: {node.value!r}"
        for node in house.live_nodes(house.tree(path))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and "/v3/" in node.value
        and node not in prose
    ]


@each("path", [path for path in ALL if path.stem not in LASTING], ids=by_name)
def test_bare_tasks_are_rare(path: pathlib.Path) -> None:
    """Only the hub, a shielded write, an async hook and the simulator's postman outlive who starts them."""
    assert [] == [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in house.live_nodes(house.tree(path))
        if isinstance(node, ast.Attribute) and node.attr in {"create_task", "ensure_future"}
    ]


@each("path", house.sources("heygen_async", "tests", "examples"), ids=by_name)
def test_no_file_is_too_long_to_read(path: pathlib.Path) -> None:
    """A file is read in one sitting."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@each("path", TESTS, ids=by_name)
def test_every_test_states_a_requirement(path: pathlib.Path) -> None:
    """A test says in one sentence what must hold."""
    silent: list[str] = []
    for node in ast.walk(house.tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            said = (ast.get_docstring(node) or "").strip()
            if not said.endswith(".") or "\n\n" in said:
                silent.append(f"line {node.lineno}: {node.name}")

    assert [] == silent
