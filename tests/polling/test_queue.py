"""Which session is polled when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heygen_async._polling.state import SETTLED, SessionTracker
from heygen_async._polling.watched import NEVER, WatchedSession
from heygen_async._polling.watcher import MessageCursor, Watcher, WatchOptions
from heygen_async._polling.workers import PollQueue


def record(name: str = "sess_1", **options: float | None) -> WatchedSession:
    """Return a record somebody watches."""
    made = WatchedSession(SessionTracker(name))
    wanted = WatchOptions(until=SETTLED, timeout=options.get("timeout"), stall_timeout=options.get("stall"))
    watcher = Watcher(made.track, wanted, MessageCursor())
    watcher.began = 0.0
    made.add(watcher)
    return made


def watch(*sessions: WatchedSession) -> dict[str, WatchedSession]:
    """Return what is watched."""
    return {session.track.session_id: session for session in sessions}


def no_wake() -> None:
    """Take no notice that something is due sooner."""


def taken(agenda: PollQueue, until: float) -> list[WatchedSession]:
    """Take all that have come."""
    found: list[WatchedSession] = []
    while batch := agenda.take(until):
        found += batch
    return found


@given(st.lists(st.floats(0, 1000), max_size=30))
def test_taken_in_order(moments: list[float]) -> None:
    """Records come out by their moments, whatever order they went in."""
    records = [record(f"sess_{n}") for n in range(len(moments))]
    agenda = PollQueue(watch(*records), no_wake)
    for item, moment in zip(records, moments, strict=True):
        agenda.put((item,), moment)
    order: list[float] = []
    while (first := agenda.first) < NEVER:
        assert 1 == len(agenda.take(first))
        order.append(first)

    assert sorted(moments) == order


def test_nothing_before_its_moment() -> None:
    """A record whose moment is still to come stays."""
    item = record()
    agenda = PollQueue(watch(item), no_wake)
    agenda.put((item,), 5.0)

    assert [] == taken(agenda, 4.9)
    assert 1 == len(taken(agenda, 5.0))


def test_brought_forward() -> None:
    """A record entered again counts once, at its new moment."""
    item = record()
    agenda = PollQueue(watch(item), no_wake)
    agenda.put((item,), 50.0)

    agenda.put((item,), 5.0)

    assert 5.0 == agenda.first
    assert [item] == taken(agenda, 100.0)


def test_moved_to_another_agenda() -> None:
    """A record entered elsewhere leaves nothing behind that counts."""
    item = record()
    here, there = PollQueue(watch(item), no_wake), PollQueue(watch(item), no_wake)
    here.put((item,), 5.0)
    there.put((item,), 5.0)

    assert [] == taken(here, 10.0)
    assert NEVER == here.first
    assert [item] == taken(there, 10.0)


def test_one_of_a_batch_leaves() -> None:
    """Who is entered again on his own comes up once, and the others of his batch without him."""
    items = [record(f"sess_{n}") for n in range(3)]
    agenda = PollQueue(watch(*items), no_wake)
    agenda.put(items, 5.0)
    agenda.put((items[1],), 7.0)

    assert [items[0], items[2]] == agenda.take(5.0)
    assert [items[1]] == taken(agenda, 10.0)


def test_old_entries_do_not_pile_up() -> None:
    """A session polled for hours leaves no trail of moments that lie ahead."""
    item = record()
    agenda = PollQueue(watch(item), no_wake)
    for n in range(1000):
        agenda.put((item,), 3600.0 + n)

    assert len(agenda._heap) < 100
    assert [item] == taken(agenda, 10_000.0)


def test_unwatched_records_are_skipped() -> None:
    """A record nobody watches any more never comes up."""
    item = record()
    agenda = PollQueue(watched := watch(item), no_wake)
    agenda.put((item,), 5.0)
    watched.clear()

    assert [] == taken(agenda, 10.0)
    assert NEVER == agenda.first


def test_a_look_at_the_deadline() -> None:
    """The poll before a deadline is made at it, not after."""
    item = record(timeout=60.0)

    assert 60.0 == item.fit_due(75.0, now=10.0)
    assert 50.0 == item.fit_due(50.0, now=10.0)


def test_a_look_at_the_stall() -> None:
    """The poll that may show a stall is made when it would be one."""
    item = record(stall=30.0)

    assert 30.0 == item.fit_due(75.0, now=10.0)


def test_a_look_when_both_have_passed() -> None:
    """A deadline and a stall that have passed bring no further poll forward."""
    item = record(timeout=20.0, stall=10.0)

    assert 75.0 == item.fit_due(75.0, now=30.0)
