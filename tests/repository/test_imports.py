"""Importing the package is cheap, and each module can be imported first."""

from __future__ import annotations

import importlib.util

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

BUDGET = 80  # 69 on Python 3.11
EXTRAS = {"heygen_async._cli": "cyclopts", "heygen_async.durable": "dbos"}
LIBRARIES = ("aiohttp.web", "cyclopts", "dbos", "pytest", "rich.live")


def loaded_by(statement: str) -> set[str]:
    """The modules that *statement* brings into a new interpreter, beyond those of the standard event loop."""
    code = f"import asyncio, sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    done = house.run_python(code, "-W", "error")
    assert done.stderr == ""
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    """`import heygen_async` leaves the HTTP stack for the first request."""
    loaded = loaded_by("import heygen_async")

    assert [] == sorted(loaded.intersection(HEAVY))
    assert not any(name.startswith("heygen_async.testing") for name in loaded)


def test_importing_the_package_loads_little() -> None:
    """`import heygen_async` brings a bounded number of modules that are not its own."""
    loaded = {name for name in loaded_by("import heygen_async") if not name.startswith("heygen_async")}

    assert len(loaded) <= BUDGET, sorted(loaded)


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
