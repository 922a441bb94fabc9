"""What a watch tells, to how many, at what price, and how it is left."""

from __future__ import annotations

import anyio
import pytest

from flows import Line, all_of, client, pass_time, tasks, words
from heygen_async import Cadence, ClientStateError, HeyGen, Session, SessionState
from heygen_async.testing import Scenario, Simulator

PROMPT = "An espresso machine"
SLOW = Scenario.chat().timed(thinking=110)

# -- what it tells --


async def test_only_transitions_are_told(heygen: HeyGen, service: Simulator) -> None:
    """However often the session is polled, each status is told once."""
    service.script(SLOW)
    session = await heygen.sessions.create(PROMPT)

    assert ["thinking", "reviewing"] == await words(session.watch(cadence=Cadence.constant(1)))
    assert service.ledger.polls[session.id] > 100


async def test_progress_is_told_when_asked_for(heygen: HeyGen) -> None:
    """With `progress=True` each new progress is told too, and it rises to 100."""
    session = await heygen.sessions.create(PROMPT, mode="generate")
    told = [
        state.progress for state in await all_of(session.watch(progress=True, cadence=Cadence.constant(5)))
    ]

    assert sorted(told) == told
    assert len(set(told)) > 10
    assert 100 == told[-1]


@pytest.mark.parametrize("word", ["generating", "reviewing", "failed"])
async def test_watch_ends_where_it_is_told_to(heygen: HeyGen, service: Simulator, word: str) -> None:
    """`until` takes plain words, and the watch goes on over every other status."""
    lives = {
        "generating": Scenario.generate(),
        "reviewing": Scenario.chat(),
        "failed": Scenario.failing("reviewing", mode="chat"),
    }
    service.script(lives[word])
    session = await heygen.sessions.create(PROMPT)

    assert word == (await words(session.watch(until={word})))[-1]


async def test_word_the_service_does_not_know_yet(heygen: HeyGen, service: Simulator) -> None:
    """A status this release does not know is told as it is, and the watch goes on."""
    service.faults.add("unknown_status", on="get", word="rehearsing")
    session = await heygen.sessions.create(PROMPT)

    assert ["thinking", "rehearsing", "thinking", "reviewing"] == await words(session.watch())


async def test_slow_reader_misses_the_middle_never_the_last(heygen: HeyGen, service: Simulator) -> None:
    """A reader who is busy for minutes gets the last state next, and then the end."""
    session = await heygen.sessions.create(PROMPT, mode="generate")
    seen: list[str] = []
    async for state in session.watch():
        seen.append(str(state.status))
        await pass_time(300)

    assert ["thinking", "completed"] == seen
    assert ["thinking", "completed"] == [seen[0], str(session.state and session.state.status)]


# -- messages --


def contents(states: list[SessionState]) -> list[str]:
    """What was said in these states, in order."""
    return [message.content for state in states for message in state.new_messages]


async def test_each_message_is_told_once(heygen: HeyGen, service: Simulator) -> None:
    """A handle's watches tell each message once between them, oldest first."""
    service.script(Scenario.question())
    session = await heygen.sessions.create(PROMPT)
    first = await all_of(session.watch(until={"waiting_for_input"}))
    await session.send("Newcomers")
    second = await all_of(session.watch(progress=True))
    await session.send("Warmer, please")
    third = await all_of(session.watch())
    final = await session.refresh()

    told = contents(first + second + third)
    assert [message.content for message in reversed(final.messages)] == told
    assert len(set(told)) == len(told) - 1  # the storyboard is presented twice in the same words
    assert PROMPT == told[0]


async def test_another_handle_starts_from_the_beginning(heygen: HeyGen) -> None:
    """Each handle has its own place in the conversation."""
    session = await heygen.sessions.create(PROMPT)
    told = contents(await all_of(session.watch()))

    assert told == contents(await all_of(heygen.sessions.attach(session.id).watch()))
    assert [] == contents(await all_of(session.watch()))


async def test_wait_tells_what_was_said_meanwhile(heygen: HeyGen) -> None:
    """The state that `wait` returns carries every message since the handle last looked."""
    session = await heygen.sessions.create(PROMPT)
    first = await session.wait()
    await session.send("Warmer, please")
    second = await session.wait()

    assert [PROMPT, "Here is the storyboard. Shall I go ahead?"] == contents([first])
    assert ["Warmer, please", "Here is the storyboard. Shall I go ahead?"] == contents([second])


async def test_gap_is_told(heygen: HeyGen, service: Simulator) -> None:
    """When more messages went by than the service shows, the state says that some are missing."""
    service.faults.add("many_messages", on="get", after=2, count=45)
    session = await heygen.sessions.create(PROMPT)
    states = await all_of(session.watch(progress=True, cadence=Cadence.constant(2)))

    [gap] = [state for state in states if state.messages_gap]
    assert 40 == len(gap.new_messages)
    assert "Working on scene 45." == gap.new_messages[-1].content


# -- what it costs --


async def polls_of(watchers: int, *, handles: bool) -> int:
    """Watch one session to its end so many times at once; return what the service was asked."""
    service = Simulator(scenario=SLOW)
    async with client(service, cadence=Cadence.constant(5)) as heygen:
        session = await heygen.sessions.create(PROMPT)
        ends: list[str] = []

        async def watch(handle: Session) -> None:
            ends.append((await words(handle.watch()))[-1])

        async with anyio.create_task_group() as group:
            for _ in range(watchers):
                group.start_soon(watch, heygen.sessions.attach(session.id) if handles else session)
        assert ["reviewing"] * watchers == ends
        assert service.ledger.polls[session.id] == heygen.statistics().polls
        return service.ledger.polls[session.id]


@pytest.mark.parametrize("handles", [False, True], ids=["one-handle", "many-handles"])
@pytest.mark.parametrize("watchers", [2, 50])
async def test_many_watchers_cost_what_one_costs(watchers: int, handles: bool) -> None:
    """Watchers of one session share its polls, whichever handles they have."""
    assert 24 >= await polls_of(1, handles=False) == await polls_of(watchers, handles=handles)


async def test_late_watcher_shares_the_rhythm(line: Line) -> None:
    """A watcher who comes between two polls is told at once and adds none of its own."""
    async with client(line, cadence=Cadence.constant(10)) as heygen:
        session = await heygen.sessions.create(PROMPT)
        async with session.watch(until={"completed"}) as first, session.watch() as second:
            await anext(first)
            await pass_time(15)
            await anext(second)
            await pass_time(10)
            gaps = line.moments("GET", f"/v3/video-agents/{session.id}")

    assert [10.0, 20.0] == [round(at - gaps[0] + 10) for at in gaps]


async def test_a_thousand_watchers_need_few_tasks(line: Line) -> None:
    """A watcher is a record and no task: a thousand of them on a hundred sessions add what polls are under way."""
    async with client(line, max_connections=5) as heygen:
        sessions = [await heygen.sessions.create(PROMPT, mode="generate") for _ in range(100)]
        before = tasks()
        watches = [session.watch() for session in sessions for _ in range(10)]
        for watch in watches:
            await anext(watch)
        most = 0
        for _ in range(600):
            most = max(most, tasks())
            await pass_time(0.1)

        assert 1000 == heygen.statistics().watchers
        assert most - before <= 1 + 5
        for watch in watches:
            await watch.aclose()


# -- misuse --


async def test_two_readers_of_one_watch(heygen: HeyGen) -> None:
    """A second task on the same watch is told to make its own; the first goes on undisturbed."""
    session = await heygen.sessions.create(PROMPT)
    watch = session.watch()
    await anext(watch)
    async with anyio.create_task_group() as group:
        group.start_soon(words, watch)
        await pass_time(1)
        with pytest.raises(ClientStateError, match="Two tasks"):
            await anext(watch)

    assert "reviewing" == str(session.state and session.state.status)


async def test_watch_of_a_closed_client(heygen: HeyGen) -> None:
    """A watch of a closed client says so at its first step."""
    session = await heygen.sessions.create(PROMPT)
    await heygen.aclose()
    with pytest.raises(ClientStateError, match="closed"):
        await anext(session.watch())
