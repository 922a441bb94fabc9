"""What the tests of traces and metrics share."""

from __future__ import annotations

import pytest

from heygen_async import HeyGen
from otel.telemetry import Telemetry


@pytest.fixture
def telemetry() -> Telemetry:
    """One process's telemetry."""
    return Telemetry()


@pytest.fixture
def traced(heygen: HeyGen, telemetry: Telemetry) -> HeyGen:
    """A client that is traced."""
    telemetry.instrument(heygen)
    return heygen
