"""What processes say to each other: sealed, in order, and believed only from those that are there."""

from __future__ import annotations

import secrets

from hypothesis import given
from hypothesis import strategies as st

from heygen_async.backplane._messages import (
    UNSHARED,
    BackplaneMessage,
    Hello,
    Item,
    Read,
    Sealer,
    Welcome,
    Wish,
    decode_session,
    encode_session,
)
from heygen_async.backplane._peers import Peers
from heygen_async.backplane._shares import Share, Verdict
from heygen_async.models import Message as SessionMessage
from heygen_async.models import SessionState, SessionStatus

SEALER = Sealer(b"secret", "https://api.heygen.com")
STATE = SessionState(
    session_id="s",
    status=SessionStatus.REVIEWING,
    progress=40,
    messages=(SessionMessage(role="model", content="Here it is", resource_ids=("r",)),),
    elapsed=3.0,
)


def message(number: int, *items: Item, sender: str = "a") -> BackplaneMessage:
    """A message of a process."""
    return BackplaneMessage(sender, number, items)


def read(
    generation: int = 1, sent: int = 0, number: int = 1, age: float = 0.0, state: bytes | None = None
) -> Read:
    """A read of another process, which polls again in ten seconds."""
    return Read("s", generation, sent, number, age, 10.0, 0.0, 0.0, 0, state)


# ---- seals ----------------------------------------------------------------------------------------------------------


def test_a_sealed_message_is_read_as_it_was() -> None:
    """What was sealed with the same secret for the same service is read."""
    sent = message(1, Wish("s", 2.0), read(state=encode_session(STATE)))

    assert sent == Sealer(b"secret", "https://api.heygen.com").open(SEALER.seal(sent))


@given(st.data())
def test_a_message_that_was_touched_is_none(data: st.DataObject) -> None:
    """A message with any bit changed, any end cut off, or anything added is not read."""
    payload = SEALER.seal(message(1, Wish("s", 2.0)))
    place = data.draw(st.integers(0, len(payload) * 8 - 1))
    changed = bytearray(payload)
    changed[place // 8] ^= 1 << place % 8
    cut = payload[: place // 8]

    assert [None] * 3 == [SEALER.open(bytes(changed)), SEALER.open(cut), SEALER.open(payload + b"\0")]


def test_another_secret_or_service_is_another_account() -> None:
    """Names, channels and seals differ with the secret and with the address, and a lease's name from its seal."""
    others = [Sealer(b"another", "https://api.heygen.com"), Sealer(b"secret", "https://other.example")]
    payload = SEALER.seal(message(1))

    assert [None, None] == [other.open(payload) for other in others]
    assert 3 == len({one.channel for one in (SEALER, *others)})
    assert 3 == len({one.name("s") for one in (SEALER, *others)})


def test_a_session_travels_whole() -> None:
    """What the service said of a session arrives; what a process concluded from it stays there."""
    arrived = decode_session(encode_session(STATE))

    assert arrived is not None
    assert (STATE.status, STATE.progress, STATE.messages) == (
        arrived.status,
        arrived.progress,
        arrived.messages,
    )
    assert not hasattr(arrived, "elapsed")


def test_a_session_that_cannot_travel() -> None:
    """A session that quotes a link with a query, or half a character, is not shared; nor is one that cannot be read."""
    for content in ("see https://x.example/a?sig=1", "\ud83d"):
        quoting = SessionState(
            session_id="s", status=SessionStatus.REVIEWING, messages=(SessionMessage(content=content),)
        )

        assert encode_session(quoting) == UNSHARED
    assert decode_session(UNSHARED) is decode_session(b"\xc1") is None


# ---- peers ----------------------------------------------------------------------------------------------------------


def test_a_process_counts_once_it_has_answered() -> None:
    """Messages count from the one that has our nonce on, each once and in order."""
    peers = Peers()
    welcome = Welcome((peers.hello.nonce,))

    assert not peers.accept(message(7, Wish("s", 0)))
    assert peers.accept(message(8, welcome))
    assert not peers.accept(message(7, Wish("s", 0)))
    assert not peers.accept(message(8, welcome))
    assert peers.accept(message(9, Wish("s", 0)))
    assert not peers.accept(message(1, Welcome((secrets.token_bytes(8),)), sender="b"))


def test_two_processes_come_to_know_each_other() -> None:
    """Whoever came first, two processes know each other after each has answered once."""
    first, second = Peers(), Peers()
    assert not second.accept(message(1, first.hello))
    answer = second.welcome()
    assert answer is not None
    assert first.accept(message(1, answer, second.hello, sender="b"))
    answer = first.welcome()
    assert answer is not None

    assert second.accept(message(2, answer))
    assert second.welcome() is None


def test_many_processes_take_little_memory() -> None:
    """A thousand processes are remembered, and those forgotten count once they have answered again."""
    peers = Peers()
    for number in range(1500):
        assert peers.accept(message(1, Welcome((peers.hello.nonce,)), sender=str(number)))

    assert 1000 == sum(peers.is_known(str(number)) for number in range(1500))
    assert isinstance(peers.hello, Hello)


# ---- a session ------------------------------------------------------------------------------------------------------


def test_reads_of_earlier_holders_are_old() -> None:
    """A read counts only if no later holder has been heard of: one that was stopped may wake up with an old one."""
    share = Share(0.0)

    assert Verdict.NEWS is share.judge(read(generation=5, state=b"x"), 1.0, None)
    assert Verdict.OLD is share.judge(read(generation=4, state=b"x"), 2.0, None)
    assert Verdict.NEWS is share.judge(read(generation=5, number=2, state=b"x"), 3.0, None)


def test_an_unchanged_session_needs_its_state() -> None:
    """That nothing has changed means something only to who has the state it has not changed from."""
    share = Share(0.0)

    assert Verdict.LOST is share.judge(read(number=3), 1.0, None)
    assert Verdict.NEWS is share.judge(read(number=3, state=b"x"), 2.0, None)
    assert Verdict.NEWS is share.judge(read(number=3), 3.0, None)
    assert Verdict.LOST is share.judge(read(number=4), 4.0, None)
    assert Verdict.LOST is share.judge(read(generation=2, number=3), 5.0, None)


def test_a_state_that_may_not_travel_is_read_by_each() -> None:
    """That a state which may not travel is unchanged tells nobody what it is."""
    share = Share(0.0)

    assert Verdict.UNSHARED is share.judge(read(number=3, state=UNSHARED), 1.0, None)
    assert not share.is_fed
    assert Verdict.LOST is share.judge(read(number=3), 2.0, None)
    assert not share.is_fed


def test_a_read_from_before_our_own_is_old() -> None:
    """A state that was asked for before this process asked by itself is not taken."""
    share = Share(0.0)
    assert Verdict.NEWS is share.judge(read(state=b"x"), 1.0, None)
    share.record_fed(1.0)

    assert Verdict.NEWS is share.judge(read(number=2, age=0.5, state=b"x"), 1.2, 1.0)
    assert Verdict.OLD is share.judge(read(number=3, age=0.5, state=b"x"), 2.2, 2.0)
    assert Verdict.NEWS is share.judge(read(number=4, age=0.1, state=b"x"), 2.2, 2.0)


def test_only_what_is_well_before_the_holder_is_a_wish() -> None:
    """A process that would poll a little sooner, by the luck of its draw, keeps quiet; a keen one says so once."""
    share = Share(0.0)
    share.judge(read(state=b"x"), 100.0, None)

    assert not share.wishes(108.0)
    assert share.wishes(104.0)
    assert not share.wishes(104.0)
    assert share.wishes(101.0)


def test_a_lease_is_held_for_its_time() -> None:
    """A process polls until the time it has asked for is over, whatever happens to it meanwhile."""
    share = Share(0.0)

    assert share.hold(7, 10.0)
    assert not share.hold(7, 12.0)
    assert [True, True, False] == [share.holds(now) for now in (0.0, 11.9, 12.0)]
    assert share.drop()
    assert not share.holds(5.0)
    assert share.hold(9, 20.0)


def test_a_lease_is_handed_over() -> None:
    """A process that hands a lease over waits for the heir as for any holder, from the poll it would have made."""
    share = Share(0.0)
    share.hold(7, 10.0)
    share.heir = "b"

    assert share.hand_over(5.0, 8.0) == "b"
    assert not share.holds(6.0)
    assert not share.wishes(8.0)
    assert Verdict.NEWS is share.judge(read(generation=8, state=b"x"), 8.0, None)
