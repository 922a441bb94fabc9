"""
Traces and metrics as users write them; never run, only read by type checkers.
"""

from __future__ import annotations

from typing import assert_type

from opentelemetry import metrics, trace

from heygen_async import HeyGen, otel


async def main() -> None:
    """Instrument a client, with the global providers and with others."""
    async with HeyGen() as heygen:
        assert_type(otel.instrument(heygen), None)
        otel.instrument(
            heygen,
            tracer_provider=trace.get_tracer_provider(),
            meter_provider=metrics.get_meter_provider(),
        )
