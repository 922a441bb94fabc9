"""The rooms of the package: what may import what, and what is written in one place only."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from repository import house

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

# From the ground up. A file imports from its own room and from rooms named in lines above its own.
ROOMS: Final = (
    ("_version", "_redact", "_clock"),
    ("_concurrency",),
    ("models",),
    ("errors",),
    ("_config", "cadence", "webhooks"),
    ("_api",),
    ("_http",),
    ("_polling", "_files"),
    ("_resources",),
    ("_sessions",),
    ("_batch",),
    ("_client",),
    ("__init__",),
    ("backplane", "durable", "otel", "testing"),
    ("_cli",),
    ("__main__",),
)
FLOORS: Final = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms}
# Nothing but the command imports these; the durable batch and traces are built on the client's own parts.
OUTBUILDINGS: Final = ("backplane", "durable", "otel", "testing", "_cli", "__main__")
# Read and tested without an event loop.
PURE: Final = ("_version", "_redact", "models", "errors", "_config", "cadence", "_api")
PURE_FILES: Final = {
    "_batch/job.py",
    "backplane/_messages.py",
    "backplane/_peers.py",
    "backplane/_shares.py",
    "_files/byte_ranges.py",
    "_files/media_types.py",
    "_files/names.py",
    "_http/links.py",
    "_http/retry.py",
    "_polling/messages.py",
    "_polling/refs.py",
    "_polling/staleness.py",
    "_polling/state.py",
    "_polling/webhook_signals.py",
    "_sessions/matching.py",
    "webhooks/_events.py",
    "webhooks/_signatures.py",
}
# What the simulator may know of the client: nothing that spells the service's interface.
OPEN_TO_TESTING: Final = {"heygen_async", "heygen_async.errors", "heygen_async.errors._arguments"}
HTTP_LIBRARY: Final = {
    "_http/aiohttp_transport.py": "aiohttp",
    "testing/_probe/connection.py": "aiohttp",
    "testing/_transports/server.py": "aiohttp.web",
    "testing/_transports/webhook_sender.py": "aiohttp",
}
CLOCKS: Final = {
    "anyio": {"current_time", "sleep", "sleep_until"},
    "asyncio": {"sleep"},
    "datetime": {"now", "today", "utcnow"},
    "time": {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep", "time", "time_ns"},
}
VAGUE_NOUNS: Final = {"common", "helpers", "manager", "misc", "shared", "tools", "util", "utils"}
LONGEST_FILE: Final = 400
LONGEST_CODE: Final = 300
# Their tasks outlive the function that starts them.
TASK_OWNERS: Final = {
    "backplane/_link.py",
    "_http/hooks.py",
    "_http/open_writes.py",
    "_polling/workers.py",
    "durable/_worker.py",
    "testing/_transports/webhook_sender.py",
}

FILES: Final = house.sources("heygen_async")


def place(path: pathlib.Path) -> str:
    """Where a file lies within the package."""
    return path.relative_to(house.PACKAGE).as_posix()


def room(path: pathlib.Path) -> str:
    """The room a file of the package lies in."""
    return place(path).split("/")[0].removesuffix(".py")


def is_in(path: pathlib.Path, *rooms: str) -> bool:
    """Whether a file lies in one of the rooms."""
    return room(path) in rooms


def own_imports(path: pathlib.Path) -> Iterator[tuple[int, str]]:
    """The line and the dotted module of every import from within the package, those for type checkers included."""
    known = set(house.modules())
    for found in house.imports(path, for_type_checkers=True):
        if found.module.split(".")[0] == "heygen_async":
            yield found.line, found.dotted if found.dotted in known else found.module


def room_of(dotted: str) -> str:
    """The room a dotted name of the package lies in."""
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def test_every_file_lies_in_a_room() -> None:
    """A new file goes into one of the rooms, and its name says what it is about."""
    assert [] == [house.relative(path) for path in FILES if room(path) not in FLOORS]
    assert [] == [
        house.relative(path) for path in FILES if VAGUE_NOUNS & set(path.stem.strip("_").split("_"))
    ]


def test_imports_point_down() -> None:
    """A file imports from rooms below its own, even if only for type checkers."""
    assert [] == [
        f"{house.relative(path)}:{line}: {name}"
        for path in FILES
        for line, name in own_imports(path)
        if room(path) != room_of(name) and FLOORS[room_of(name)] >= FLOORS[room(path)]
    ]


def test_the_command_uses_public_names() -> None:
    """What the command needs, every user of the package can have."""
    assert [] == [
        f"{house.relative(path)}:{line}: {name}"
        for path in FILES
        if is_in(path, "_cli")
        for line, name in own_imports(path)
        if not name.startswith("heygen_async._cli") and any(part.startswith("_") for part in name.split("."))
    ]


def test_the_simulator_shares_nothing_with_the_client() -> None:
    """The simulator knows public names and errors only: a wrong field name would cancel itself out."""
    assert [] == [
        f"{house.relative(path)}:{line}: {name}"
        for path in FILES
        if is_in(path, "testing")
        for line, name in own_imports(path)
        if not name.startswith("heygen_async.testing") and name not in OPEN_TO_TESTING
    ]


def test_one_file_imports_the_http_client() -> None:
    """A change of HTTP library would touch one file; the simulator's server uses the library's server only."""
    assert [] == [
        f"{house.relative(path)}:{found.line}: {found.dotted}"
        for path in FILES
        for found in house.imports(path)
        if found.module.split(".")[0] == "aiohttp"
        and not found.dotted.startswith(HTTP_LIBRARY.get(place(path), "nothing"))
    ]


def test_one_file_reads_the_time_and_sleeps() -> None:
    """Tests own the time of the whole client by owning what `_clock.py` reads."""
    assert [] == [
        f"{house.relative(path)}:{line}: {what}"
        for path in FILES
        if place(path) != "_clock.py" and not is_in(path, "testing")
        for line, what in clock_uses(path)
    ]


def clock_uses(path: pathlib.Path) -> Iterator[tuple[int, str]]:
    """Every place of a file that reads a clock or sleeps."""
    imports = house.imports(path)
    for one in imports:
        if one.name in CLOCKS.get(one.module, set()) and one.module != "datetime":
            yield one.line, one.dotted
    imported = {one.module.split(".")[0] for one in imports}
    for node in house.live_nodes(house.tree(path)):
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            modules = {
                module for module, names in CLOCKS.items() if node.attr in names and module in imported
            }
            if (node.attr == "time" and "loop" in owner) or any(module in owner for module in modules):
                yield node.lineno, ast.unparse(node)


def test_decisions_are_pure() -> None:
    """What decides can be read and tested without an event loop."""
    pure = [path for path in FILES if is_in(path, *PURE) or place(path) in PURE_FILES]
    async_nodes = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)

    assert {place(path) for path in pure} >= PURE_FILES
    assert [] == [
        f"{house.relative(path)}:{node.lineno}: {type(node).__name__}"
        for path in pure
        for node in house.live_nodes(house.tree(path))
        if isinstance(node, async_nodes)
    ]
    assert [] == [
        f"{house.relative(path)}:{one.line}: {one.module}"
        for path in pure
        for one in house.imports(path)
        if one.module in {"anyio", "asyncio", "socket", "threading"}
    ]


def test_paths_of_the_service_are_spelled_in_one_room() -> None:
    """A path of the service stands in `_api` and nowhere else in the client."""
    assert [] == [
        f"{house.relative(path)}:{node.lineno}: {node.value!r}"
        for path in FILES
        if not is_in(path, "_api", "testing")
        for prose in [house.docstrings(path)]
        for node in house.live_nodes(house.tree(path))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and "/v3/" in node.value
        and node not in prose
    ]


def test_bare_tasks_are_rare() -> None:
    """Few tasks outlive the function that starts them, and it is known which."""
    assert [] == [
        f"{house.relative(path)}:{node.lineno}: {ast.unparse(node)}"
        for path in FILES
        if place(path) not in TASK_OWNERS
        for node in house.live_nodes(house.tree(path))
        if isinstance(node, ast.Attribute) and node.attr in {"create_task", "ensure_future"}
    ]


def test_no_file_is_too_long_to_read() -> None:
    """A file is read in one sitting: 400 lines, or 300 of code with much said about them."""
    assert [] == [
        house.relative(path)
        for path in house.sources("heygen_async", "tests", "examples")
        if len(path.read_text(encoding="utf-8").splitlines()) > LONGEST_FILE
        and lines_of_code(path) > LONGEST_CODE
    ]


def lines_of_code(path: pathlib.Path) -> int:
    """The lines of a file without blanks, comments and docstrings."""
    lines = path.read_text(encoding="utf-8").splitlines()
    prose = {
        number
        for node in house.docstrings(path)
        if isinstance(node, ast.expr)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    code = (line.strip() for number, line in enumerate(lines, 1) if number not in prose)
    return sum(bool(line) and not line.startswith("#") for line in code)


def test_every_test_states_a_requirement() -> None:
    """A test says in one sentence what must hold."""
    assert [] == [
        f"{house.relative(path)}:{node.lineno}: {node.name}"
        for path in house.sources("tests")
        if path.name.startswith("test_")
        for node in ast.walk(house.tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not is_sentence(ast.get_docstring(node) or "")
    ]


def is_sentence(text: str) -> bool:
    """Whether a docstring is one paragraph that ends like a sentence."""
    return text.strip().endswith(".") and "\n\n" not in text.strip()
