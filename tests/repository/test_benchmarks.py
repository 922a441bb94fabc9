"""What the benchmarks rest on: each measurement begins from the same state, and what is told is what was measured."""

from __future__ import annotations

import os

import pytest

from benchmarks import _figures, _measure, _tables, _targets

# Pythons from 3.12 on warn of a fork where there are threads, as a test runner may have.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def test_each_measurement_has_a_process_of_its_own() -> None:
    """What one leaves behind is not there for the next, nor in the process that compares them."""
    left: list[int] = []

    def measure() -> dict[str, float]:
        left.append(os.getpid())
        return {"before": len(left) - 1, "process": os.getpid()}

    measured = _measure.rounds({"one": measure, "another": measure}, 1)

    assert not left
    assert {row["before"] for row in measured.values()} == {0}
    assert len({os.getpid(), *(row["process"] for row in measured.values())}) == 3


def test_what_a_measurement_raises_is_raised(capfd: pytest.CaptureFixture[str]) -> None:
    """A contestant that fails ends the run with its error, and says where it came from."""

    def fail() -> None:
        raise ValueError("no answer")

    with pytest.raises(ValueError, match="no answer"):
        _measure.apart(fail)

    assert "in fail" in capfd.readouterr().err


def test_a_measurement_that_dies_is_an_error() -> None:
    """A process that ends without a result is not waited for."""
    with pytest.raises(RuntimeError, match="exit code 3"):
        _measure.apart(lambda: os._exit(3))


def test_tables_are_of_the_results() -> None:
    """The page of tables says what was measured last: `python -m benchmarks --tables` writes it."""
    page = _tables.page(_figures.read_results())

    assert (_figures.RESULTS / "results.md").read_text("utf-8") == page


@pytest.mark.parametrize("target", _targets.TARGETS, ids=lambda target: target.text)
def test_a_missed_target_says_why(target: _targets.Target) -> None:
    """Each target that a figure misses has a reason."""
    results = _figures.read_results()

    assert target.why or not target.missed(results)


def test_a_target_is_judged_by_its_figures() -> None:
    """Figures on either side of the mark are told apart, and compared as they are shown."""
    target = _targets.Target("", lambda results: results["poll"], most=1.2, why="The machine was busy")

    assert target.verdict({"poll": {"small": 1.204}}) == "**met**: 1.20 small"
    assert target.verdict({"poll": {"small": 1.1, "large": 1.3}}) == (
        "**met**: 1.10 small; **missed**: 1.30 large. The machine was busy"
    )
