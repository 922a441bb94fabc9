"""Servers that speak what object stores speak, beside the service on loopback."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from files.storage.buckets import Bucket, S3Server

# Nothing here can be imported without the group; `nox -s storage_tests` brings it.
collect_ignore_glob = [] if find_spec("obstore") and find_spec("moto") else ["test_*.py"]


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A server that speaks S3."""
    from files.storage.buckets import S3Server

    server = S3Server()
    yield server
    server.close()


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket, and an environment that leads to it."""
    from files.storage.buckets import Bucket

    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return Bucket(s3)
