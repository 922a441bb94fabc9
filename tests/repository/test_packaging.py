"""What an installer and a package index read is true."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import re
import tomllib

import heygen_async
from repository import house

METADATA = importlib.metadata.metadata("heygen-async")
PROJECT = tomllib.loads((house.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_version_is_written_once() -> None:
    """The package and its metadata agree on the version, which the project file takes from the package."""
    assert METADATA["Version"] == heygen_async.__version__
    assert "version" in PROJECT["dynamic"]


def test_the_changelog_names_the_version() -> None:
    """The newest version in the changelog, once there is one, is that of the package."""
    changelog = (house.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    titles = re.findall(r"^## \[(.+?)\]", changelog, re.MULTILINE)

    assert [heygen_async.__version__] == [title for title in titles if title != "Unreleased"][:1] or (
        ["Unreleased"] == titles
    )


def test_there_are_exactly_four_dependencies() -> None:
    """Run time needs aiohttp, anyio, backoff and msgspec, each with a lower bound and no upper one."""
    wanted = [one for one in importlib.metadata.requires("heygen-async") or [] if "extra ==" not in one]

    assert sorted(re.split(r"[^\w-]", one)[0] for one in wanted) == ["aiohttp", "anyio", "backoff", "msgspec"]
    assert all(re.fullmatch(r"[\w-]+>=[\d.]+", one) for one in wanted)


def test_the_supported_pythons_are_named() -> None:
    """The oldest named Python is the required one."""
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(METADATA.get_all("Classifier") or []))

    assert METADATA["Requires-Python"] == f">={named[0]}"


def test_the_license_is_said() -> None:
    """The licence is one that tools can read."""
    assert METADATA["License-Expression"] == "MIT"


def test_pytest_finds_the_plugin() -> None:
    """Installing the package is all it takes to use its fixtures."""
    [plugin] = importlib.metadata.entry_points(group="pytest11", name="heygen_async")

    assert plugin.value == "heygen_async.testing.pytest_plugin"
    assert plugin.load() is not None


def test_the_package_says_that_it_is_typed() -> None:
    """Type checkers trust our annotations."""
    assert importlib.resources.files("heygen_async").joinpath("py.typed").is_file()


def test_every_extra_has_code_behind_it() -> None:
    """An extra is declared once the module that needs it exists."""
    behind = {
        "cli": "_cli/app.py",
        "durable": "durable/__init__.py",
        "otel": "otel/__init__.py",
        "postgres": "backplane/_postgres.py",
        "redis": "backplane/_redis.py",
        "storage": "_files/object_store.py",
    }

    for extra in METADATA.get_all("Provides-Extra") or []:
        assert (house.PACKAGE / behind[extra]).is_file()
