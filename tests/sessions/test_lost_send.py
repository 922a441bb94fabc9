"""A message whose answer is lost: the agent hears it once."""

from __future__ import annotations

import pytest

from flows import Line, client, pass_time
from heygen_async import HeyGen, OutcomeUnknown, RetryPolicy, SentMessage, Session, SessionBusy
from heygen_async.testing import Moods, Scenario, Simulator
from heygen_async.testing._scenario import ASK, REVIEW, THINK
from sessions.losses import PROMPT, both_services, each

WORDS = "Warmer opening shot, please"
PROCESSED = (
    "reset_after_processing",
    "silence",
    "cut_length",
    "cut_chunked",
    "trickle",
    "bad_gzip",
    "json_null",
    "missing_data",
    "wrong_types",
)
UNPROCESSED = ("connect_refused", "reset_before", "silence_before", "rate_limit")

both_words = each("words", ["send", "approve"])


def served(idempotency: str = "ignored", scenario: Scenario | None = None) -> Simulator:
    """Return a service that honours keys on messages, or not; `auto_proceed` is known to it."""
    return Simulator(idempotency=idempotency, contract="guide", scenario=scenario)  # type: ignore[arg-type]


def asking() -> Scenario:
    """Return a chat whose agent always has another question."""
    return Scenario(opening=(THINK, ASK), answer=(THINK, ASK))


async def paused(heygen: HeyGen) -> Session:
    """Return a session that waits for the caller."""
    session = await heygen.sessions.create(PROMPT)
    await session.wait()
    return session


async def speak(session: Session, words: str) -> SentMessage:
    """Say something or approve."""
    return await (session.approve() if words == "approve" else session.send(WORDS))


@both_services
@both_words
@each("fault", PROCESSED)
async def test_delivered_message_is_not_sent_again(fault: str, words: str, idempotency: str) -> None:
    """A message that arrived is done although its answer was lost: nothing is sent again, the run's id is unknown."""
    service = served(idempotency)
    line = Line(service)
    async with client(line) as heygen:
        session = await paused(heygen)
        service.faults.add(fault, on="send")
        sent = await speak(session, words)

    assert (session.id, None) == (sent.session_id, sent.run_id)
    assert 1 == len(service.ledger.messages)
    assert 1 == len(line.moments("POST", f"/v3/video-agents/{session.id}"))


async def send_a_picture(session: Session) -> SentMessage:
    """Send a file without words."""
    return await session.send(files=["https://example.test/shot.png"])


@each("fault", PROCESSED)
async def test_delivered_files_are_not_sent_again(fault: str) -> None:
    """Files without words that arrived are done, although nobody knows how their message is shown."""
    service = Simulator(moods=Moods(message_optional=True))
    async with client(service) as heygen:
        session = await paused(heygen)
        service.faults.add(fault, on="send")
        sent = await send_a_picture(session)

    assert (session.id, None) == (sent.session_id, sent.run_id)
    service.expect_message(times=1)


@each("has_read", [True, False])
async def test_files_that_do_not_show_are_in_doubt(has_read: bool) -> None:
    """That no message shows them proves nothing: files without words are never sent again on a guess."""
    service = Simulator(moods=Moods(message_optional=True))
    line = Line(service)
    async with client(line) as heygen, client(line) as another:
        session = await paused(heygen)
        if not has_read:
            session = another.sessions.attach(session.id)
            service.faults.add("error_500", on="get")
        service.faults.add("reset_before", on="send")
        with pytest.raises(OutcomeUnknown):
            await send_a_picture(session)

    assert 1 == len(line.moments("POST", f"/v3/video-agents/{session.id}"))


@both_services
@both_words
@each("fault", UNPROCESSED)
async def test_undelivered_message_is_sent_again_with_its_key(
    fault: str, words: str, idempotency: str
) -> None:
    """A message that did not arrive is sent once more under the same key."""
    service = served(idempotency)
    line = Line(service)
    async with client(line) as heygen:
        session = await paused(heygen)
        service.faults.add(fault, on="send")
        sent = await speak(session, words)

    keys = [note.headers["idempotency-key"] for note in line.sent if note.method == "POST"][1:]
    assert sent.run_id is not None
    assert 1 == len(service.ledger.messages)
    assert (2, 1) == (len(keys), len(set(keys)))


@both_services
@each("processed", [True, False], ids=["processed", "not processed"])
@each("fault", ["error_500", "gateway_html", "error_500_plain", "error_200"])
async def test_server_error_delivers_once(fault: str, processed: bool, idempotency: str) -> None:
    """A 500 or 502 may hide a delivered message or not: the agent hears it once."""
    service = served(idempotency)
    async with client(service) as heygen:
        session = await paused(heygen)
        service.faults.add(fault, on="send", processed=processed)
        await session.send(WORDS)

    assert [WORDS] == [message.text for message in service.ledger.messages]


@both_services
@each("fault", ["reset_after_processing", "reset_before"])
async def test_same_words_twice(fault: str, idempotency: str) -> None:
    """A message with the words of the one before is not taken for it: both arrive, each once."""
    service = served(idempotency, asking())
    async with client(service) as heygen:
        session = await paused(heygen)
        await session.send("yes")
        await session.wait()
        service.faults.add(fault, on="send")
        await session.send("yes")

    assert ["yes", "yes"] == [message.text for message in service.ledger.messages]
    assert 0 == service.ledger.duplicate_messages


@both_services
@each("fault", ["reset_after_processing", "reset_before"])
async def test_same_words_twice_without_a_look_between(fault: str, idempotency: str) -> None:
    """The same even if the session was not polled between the two."""
    service = served(idempotency, Scenario(opening=(THINK, ASK), answer=(ASK,)))
    async with client(service) as heygen:
        session = await paused(heygen)
        await session.send("yes")
        await pass_time(2)  # messages are told apart by their second
        service.faults.add(fault, on="send")
        await session.send("yes")

    assert ["yes", "yes"] == [message.text for message in service.ledger.messages]


@both_services
@each("fault", ["reset_after_processing", "reset_before"])
async def test_approving_twice(fault: str, idempotency: str) -> None:
    """A second approval, of a revised storyboard, is delivered although the first used the same words."""
    scenario = Scenario(opening=(THINK, REVIEW), approval=(THINK, REVIEW))
    service = served(idempotency, scenario)
    async with client(service) as heygen:
        session = await paused(heygen)
        await session.approve()
        await session.wait()
        service.faults.add(fault, on="send")
        await session.approve()

    assert 2 == len(service.ledger.messages)


@both_services
@each("fault", ["reset_after_processing", "reset_before"])
@each("handle", ["attached", "restored"])
async def test_words_said_elsewhere(handle: str, fault: str, idempotency: str) -> None:
    """A client that has not read the session does not take another's message with the same words for its own."""
    service = served(idempotency, Scenario(opening=(THINK, ASK), answer=(ASK,)))
    async with client(service) as other, client(service) as heygen:
        first = await paused(other)
        ref = first.ref()
        await first.send("yes")
        await pass_time(2)
        session = heygen.sessions.attach(first.id) if handle == "attached" else heygen.sessions.restore(ref)
        service.faults.add(fault, on="send")
        await session.send("yes")

    assert ["yes", "yes"] == [message.text for message in service.ledger.messages]


async def test_words_said_elsewhere_and_no_way_to_read() -> None:
    """When the conversation could not be read before, the service's clock tells older words from ours."""
    service = served("ignored", Scenario(opening=(THINK, ASK), answer=(ASK,)))
    async with client(service) as other, client(service) as heygen:
        first = await paused(other)
        await first.send("yes")
        await first.wait()
        await pass_time(5)
        session = heygen.sessions.attach(first.id)
        service.faults.add("silence", on="get")
        service.faults.add("reset_before", on="send")
        await session.send("yes")

    assert ["yes", "yes"] == [message.text for message in service.ledger.messages]


async def test_usual_path_reads_nothing_extra(line: Line, heygen: HeyGen) -> None:
    """A message after a watch costs one request: what was said before is known."""
    session = await paused(heygen)
    line.sent.clear()
    await session.send(WORDS)

    assert ["POST"] == [sent.method for sent in line.sent]


@both_services
async def test_prompt_is_not_the_message(idempotency: str) -> None:
    """Words like the prompt's are delivered: the prompt itself is not taken for them."""
    service = served(idempotency, Scenario(opening=(ASK,)))
    async with client(service) as heygen:
        session = await heygen.sessions.create(PROMPT)
        service.faults.add("reset_before", on="send")
        await session.send(PROMPT)

    assert [PROMPT] == [message.text for message in service.ledger.messages]


async def test_switched_off() -> None:
    """With `settle="raise"` a lost answer is told at once, with the key and the session."""
    service = served()
    line = Line(service)
    async with client(line, retry=RetryPolicy(settle="raise")) as heygen:
        session = await paused(heygen)
        service.faults.add("reset_after_processing", on="send")
        line.sent.clear()
        with pytest.raises(OutcomeUnknown) as caught:
            await session.send(WORDS, idempotency_key="answer-3")

    assert 1 == len(line.sent)
    assert ("answer-3", (session.id,)) == (caught.value.idempotency_key, caught.value.candidates)


@each("fault", ["connect_refused", "error_500", "forbidden"])
async def test_session_unreachable(fault: str) -> None:
    """When the session cannot be read either, nothing is sent again and the caller is told so."""
    service = served()
    async with client(service) as heygen:
        session = await paused(heygen)
        service.faults.add("reset_after_processing", on="send")
        service.faults.add(fault, on="get", times=None)
        with pytest.raises(OutcomeUnknown):
            await session.send(WORDS)

    assert 1 == len(service.ledger.messages)


async def test_session_vanishes_behind_the_approved_video() -> None:
    """An approval whose answer is lost together with the session is known by the video it set off."""
    service = served()
    async with client(service) as heygen:
        session = await paused(heygen)
        service.faults.add("session_gone", on="get")
        await session.refresh()
        service.faults.add("reset_after_processing", on="send")
        await session.approve()
        video = await session.video()

    assert [video.id] == service.ledger.billed
    assert 1 == len(service.ledger.messages)


async def test_chatty_agent_hides_nothing() -> None:
    """When more went by than the service shows, a message that cannot be seen is not sent again."""
    service = served("ignored", Scenario(opening=(THINK, ASK), answer=(ASK,)))
    async with client(service) as heygen:
        session = await paused(heygen)
        service.faults.add("many_messages", on="get")
        service.faults.add("error_500", on="get", processed=True)
        service.faults.add("reset_after_processing", on="send")
        with pytest.raises(OutcomeUnknown):
            await session.send("yes")

    assert 1 == len(service.ledger.messages)


async def test_second_message_waits_for_the_first(service: Simulator, heygen: HeyGen) -> None:
    """After a lost and settled message the session takes the next one; it is not busy for ever."""
    service.script(asking())
    session = await paused(heygen)
    service.faults.add("silence", on="send")
    await session.send("one")
    await session.wait()
    try:
        await session.send("two")
    except SessionBusy:  # pragma: no cover - the failure this test is for
        pytest.fail("the first message still counts as on its way")

    assert ["one", "two"] == [message.text for message in service.ledger.messages]
