"""
What anyio's plugin does since 4.12, for older ones: `pytest -p auto_mode` runs coroutine tests without a mark.

The tests need a newer anyio than the package does. With this, `nox -s oldest` tries them on the oldest one.
"""

from __future__ import annotations

import inspect

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the setting of newer plugins for known."""
    parser.addini("anyio_mode", "as if it were known", default="auto")


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> None:
    """Give every coroutine test what makes anyio run it."""
    if name.startswith("test_") and inspect.iscoroutinefunction(obj):
        pytest.mark.usefixtures("anyio_backend")(obj)
