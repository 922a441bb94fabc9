"""Who is looked at when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heygen_async._agenda import NEVER, Agenda, Record
from heygen_async._lifecycle import SETTLED, Track
from heygen_async._watchers import Watcher


def record(name: str = "sess_1", **options: float | None) -> Record:
    """Return a record somebody watches."""
    made = Record(Track(name))
    watcher = Watcher(
        made.track, until=SETTLED, timeout=options.get("timeout"), stall_timeout=options.get("stall")
    )
    watcher.begin(0.0)
    made.watchers.append(watcher)
    made.muster()
    return made


@given(st.lists(st.floats(0, 1000), max_size=30))
def test_taken_in_order(moments: list[float]) -> None:
    """Records come out by their moments, whatever order they went in."""
    agenda, records = Agenda(), [record(f"sess_{n}") for n in range(len(moments))]
    for item, moment in zip(records, moments, strict=True):
        agenda.put(item, moment)
    taken: list[float] = []
    while (first := agenda.first()) < NEVER:
        assert agenda.take(first) is not None
        taken.append(first)

    assert sorted(moments) == taken


def test_nothing_before_its_moment() -> None:
    """A record whose moment is still to come stays."""
    agenda = Agenda()
    agenda.put(record(), 5.0)

    assert agenda.take(4.9) is None
    assert agenda.take(5.0) is not None


def test_brought_forward() -> None:
    """A record entered again counts once, at its new moment."""
    agenda, item = Agenda(), record()
    agenda.put(item, 50.0)

    assert agenda.put(item, 5.0)
    assert item is agenda.take(100.0)
    assert agenda.take(100.0) is None


def test_moved_to_another_agenda() -> None:
    """A record entered elsewhere leaves nothing behind that counts."""
    here, there, item = Agenda(), Agenda(), record()
    here.put(item, 5.0)
    there.put(item, 5.0)

    assert here.take(10.0) is None
    assert NEVER == here.first()
    assert item is there.take(10.0)


def test_unwatched_records_are_skipped() -> None:
    """A record nobody watches any more never comes up."""
    agenda, item = Agenda(), record()
    agenda.put(item, 5.0)
    item.watchers.clear()

    assert NEVER == agenda.first()
    assert agenda.take(10.0) is None


def test_a_look_at_the_deadline() -> None:
    """The look before a deadline is made at it, not after."""
    item = record(timeout=60.0)

    assert 60.0 == item.clamped(75.0, now=10.0)
    assert 50.0 == item.clamped(50.0, now=10.0)


def test_a_look_at_the_stall() -> None:
    """The look that may show a stall is made when it would be one."""
    item = record(stall=30.0)

    assert 30.0 == item.clamped(75.0, now=10.0)
