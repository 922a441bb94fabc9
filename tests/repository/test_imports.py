"""Importing the package is cheap, and each module can be imported first."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from repository import house

if TYPE_CHECKING:
    from collections.abc import Iterable

# Loaded at the first request, or never.
HEAVY = (
    "aiohttp",
    "yarl",
    "multidict",
    "http.client",
    "urllib.request",
    "importlib.metadata",
    "pytest",
    "xml",
)

# What reads models and webhooks, or only names the class of the client, needs none of these ...
ASYNC = ("asyncio", "anyio", "backoff", "ssl", "socket", "logging")
# ... nor what a client is made of.
PARTS = ("_api", "_batch", "_files", "_http", "_resources", "_sessions", "_polling.scheduler")
# Of a client, loaded when they are used.
WHEN_USED = ("backoff", "html", "heygen_async._batch")

A_CLASS = "from heygen_async import HeyGen"
A_CLIENT = f"{A_CLASS}; HeyGen('key')"
# At most so many modules: of others beyond msgspec's and an event loop's (9 to 10 and 36 to 43, by the version of
# Python and by whether sniffio is there), and of the package.
BUDGETS = {A_CLASS: (12, 18), A_CLIENT: (44, 84)}
# At most so many dataclasses: each compiles its methods when it is made, 30 times the time of a Struct.
DATACLASSES = {A_CLASS: 2, A_CLIENT: 12}
EXTRAS = {
    "heygen_async._cli": "cyclopts",
    "heygen_async.durable": "dbos",
    "heygen_async.otel": "opentelemetry",
}
LIBRARIES = ("aiohttp.web", "cyclopts", "dbos", "pytest", "rich.live")


def loaded_by(statement: str) -> set[str]:
    """The modules that *statement* brings into a new interpreter."""
    code = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    done = house.run_python(code, "-W", "error")
    assert done.stderr == ""
    return set(done.stdout.split())


def of_ours(names: Iterable[str]) -> set[str]:
    """Those of the modules that belong to the package."""
    return {name for name in names if name.partition(".")[0] == "heygen_async"}


def test_naming_the_client_loads_no_part_of_it() -> None:
    """`from heygen_async import HeyGen` brings no event loop, no HTTP and no polling: the first client does."""
    loaded = loaded_by(A_CLASS)

    assert [] == sorted(loaded.intersection((*HEAVY, *ASYNC, *(f"heygen_async.{part}" for part in PARTS))))


def test_a_client_loads_nothing_heavy() -> None:
    """`HeyGen()` leaves the HTTP library for the first request and the batch for the first job."""
    loaded = loaded_by(A_CLIENT)

    assert [] == sorted(loaded.intersection((*HEAVY, *WHEN_USED)))
    assert not any(name.startswith("heygen_async.testing") for name in loaded)


@pytest.mark.parametrize("statement", BUDGETS)
def test_little_is_loaded(statement: str) -> None:
    """The class, and a client, bring few modules beyond those of an event loop and msgspec."""
    loaded = loaded_by(statement) - loaded_by("import asyncio, msgspec")
    ours = of_ours(loaded)
    others, own = BUDGETS[statement]

    assert len(loaded - ours) <= others, sorted(loaded - ours)
    assert len(ours) <= own, sorted(ours)


MADE = """
import sys
{statement}
modules = [module for name, module in sys.modules.items() if name.startswith("heygen_async")]
classes = {{item for module in modules for item in vars(module).values() if isinstance(item, type)}}
print(*(item.__name__ for item in classes if "__dataclass_fields__" in vars(item)))
"""


@pytest.mark.parametrize("statement", DATACLASSES)
def test_few_dataclasses_are_made(statement: str) -> None:
    """The class, and a client, bring few dataclasses: what nobody outside makes or replaces is a Struct."""
    made = house.run_python(MADE.format(statement=statement), "-W", "error").stdout.split()

    assert {"Timeouts", "RetryPolicy"} <= set(made)
    assert len(made) <= DATACLASSES[statement], sorted(made)


@pytest.mark.parametrize(
    "statement",
    [
        "import heygen_async.models, heygen_async.webhooks",
        "from heygen_async import models, webhooks",
        "import heygen_async; heygen_async.webhooks; heygen_async.models.SessionState",
        "from heygen_async import webhooks; webhooks.sign(b'{}', 'whsec_a2V5')",
    ],
)
def test_reading_webhooks_loads_no_client(statement: str) -> None:
    """A program that only verifies webhooks and reads models pays for neither HTTP nor polling nor an event loop."""
    loaded = loaded_by(statement)

    assert "heygen_async.webhooks" in loaded
    assert [] == sorted(
        loaded.intersection((*HEAVY, *ASYNC, *(f"heygen_async.{part}" for part in ("_client", *PARTS))))
    )


def test_the_package_shows_what_it_loads_later() -> None:
    """`dir()` and completion show every public name before it was used, and a name that is none is an error."""
    names = set(house.public_names("heygen_async"))
    done = house.run_python(
        "import heygen_async; print(*dir(heygen_async)); heygen_async.Sesion", "-W", "error"
    )

    assert names <= set(done.stdout.split())
    assert "AttributeError: module 'heygen_async' has no attribute 'Sesion'" in done.stderr


@pytest.mark.parametrize("value", ["batch([])", "sessions.orphans"])
def test_what_is_loaded_later_is_public_from_the_first(value: str) -> None:
    """What comes with a client or a batch says where it is public, also where nothing has named it yet."""
    code = f"import heygen_async; print(type(heygen_async.HeyGen('k').{value}).__module__)"

    assert "heygen_async" == house.run_python(code, "-W", "error").stdout.strip()


def test_importing_the_simulator_loads_no_http_stack() -> None:
    """`import heygen_async.testing` leaves the server for the first one started."""
    loaded = loaded_by("import heygen_async.testing")

    assert [] == sorted(loaded.intersection({"aiohttp", "yarl", "pytest"}))


# Each in a child of its own, forked while nothing of ours but the package is there; other libraries would take long.
ALONE = """
import importlib, os, sys
import heygen_async
for library in {libraries}:
    importlib.import_module(library)
for name in {names}:
    child = os.fork()
    if not child:
        importlib.import_module(name)
        sys.stderr.flush()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, name
"""


def test_each_module_can_be_imported_alone() -> None:
    """No module relies on another having been imported first, and none warns."""
    missing = tuple(part for part, needs in EXTRAS.items() if importlib.util.find_spec(needs) is None)
    # Naming any module loads the package first, and with it all that is not left for later.
    later = sorted(set(house.modules()) - loaded_by("import heygen_async"))
    names = [name for name in later if not name.startswith(missing)]
    libraries = [name for name in LIBRARIES if importlib.util.find_spec(name.partition(".")[0])]
    done = house.run_python(ALONE.format(names=names, libraries=libraries), "-W", "error")

    assert (done.returncode, done.stderr) == (0, "")


def test_the_package_survives_optimisation() -> None:
    """Nothing relies on assertions or docstrings being there at run time."""
    done = house.run_python("import heygen_async, heygen_async.testing", "-OO", "-W", "error")

    assert (done.returncode, done.stderr) == (0, "")
