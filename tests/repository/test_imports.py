"""Importing the package is cheap, and each module can be imported first."""

from __future__ import annotations

import importlib.util

import pytest

from repository import house

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

# What reads models and webhooks needs none of these, nor anything of the client's own.
ASYNC = ("asyncio", "anyio", "backoff", "ssl", "socket")
CLIENT = ("_client", "_api", "_batch", "_files", "_http", "_polling", "_resources", "_sessions")
# Of a client, loaded when they are used.
WHEN_USED = ("backoff", "html", "heygen_async._batch")

BUDGET = 30  # modules of others for a client: 26 on Python 3.11
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


def test_importing_the_client_loads_nothing_heavy() -> None:
    """`from heygen_async import HeyGen` leaves HTTP for the first request and the batch for the first job."""
    loaded = loaded_by("from heygen_async import HeyGen")

    assert [] == sorted(loaded.intersection((*HEAVY, *WHEN_USED)))
    assert not any(name.startswith("heygen_async.testing") for name in loaded)


def test_importing_the_client_loads_little() -> None:
    """`from heygen_async import HeyGen` brings few modules beyond its own and those of an event loop and msgspec."""
    loaded = loaded_by("from heygen_async import HeyGen") - loaded_by("import asyncio, msgspec")

    assert len([name for name in loaded if not name.startswith("heygen_async")]) <= BUDGET, sorted(loaded)


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
    assert [] == sorted(loaded.intersection((*HEAVY, *ASYNC, *(f"heygen_async.{part}" for part in CLIENT))))


def test_the_package_shows_what_it_loads_later() -> None:
    """`dir()` and completion show every public name before it was used, and a name that is none is an error."""
    names = set(house.public_names("heygen_async"))
    done = house.run_python(
        "import heygen_async; print(*dir(heygen_async)); heygen_async.Sesion", "-W", "error"
    )

    assert names <= set(done.stdout.split())
    assert "AttributeError: module 'heygen_async' has no attribute 'Sesion'" in done.stderr


def test_a_batch_is_public_from_the_first() -> None:
    """What comes with a batch says where it is public, also where nothing has named it yet."""
    code = "import heygen_async; b = heygen_async.HeyGen('k').batch([]); print(type(b).__module__)"

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
