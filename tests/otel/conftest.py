"""What the tests of traces and metrics share."""

from __future__ import annotations

import pytest

from otel.telemetry import Telemetry


@pytest.fixture
def telemetry() -> Telemetry:
    """One process's telemetry."""
    return Telemetry()
