"""What the benchmarks rest on: each measurement begins from the same state, and what is told is what was measured."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import pytest

from benchmarks import _figures, _measure, _tables, _targets


def test_each_measurement_has_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contestants take turns, each time in another process than that which compares them."""
    turns: list[int] = []

    def count_apart(work: Callable[[], object]) -> object:
        turns.append(apart(os.getpid))
        return work()

    apart = _measure.apart
    monkeypatch.setattr(_measure, "apart", count_apart)

    measured = _measure.rounds(
        {"one": partial(dict[str, float], us=1.0), "another": partial(dict[str, float], us=2.0)}, 2
    )

    assert len({os.getpid(), *turns}) == 5
    assert [(row["us"], row["rounds"]) for row in measured.values()] == [(1.0, 2), (2.0, 2)]


def test_what_a_measurement_raises_is_raised(capfd: pytest.CaptureFixture[str]) -> None:
    """A contestant that fails ends the run with its error, and says where it came from."""
    with pytest.raises(ValueError, match="invalid literal"):
        _measure.apart(partial(int, "x"))

    assert "Traceback" in capfd.readouterr().err


def test_a_measurement_that_dies_is_an_error() -> None:
    """A process that ends without a result is not waited for."""
    with pytest.raises(RuntimeError, match="exit code 3"):
        _measure.apart(partial(os._exit, 3))


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
