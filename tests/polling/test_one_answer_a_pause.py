"""Sessions read in any order: no pause is answered twice, and none that the conversation shows is missed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from heygen_async._polling import refs
from heygen_async._polling.messages import WINDOW
from heygen_async._polling.state import SETTLED, TERMINAL, Change, SessionTracker
from heygen_async._polling.watcher import MessageCursor, Watcher, WatchOptions
from heygen_async.models import Message, SessionData, SessionStatus

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWERS = ("Looks good, go ahead and generate.", "Warmer, please - and shorter, if you can.", "Yes")
ECHOES: dict[str, Callable[[str], str]] = {
    "exact": str,
    "cut": lambda text: text[:20],
    "prefixed": lambda text: f"User: {text}",
    "quoted": lambda text: text.replace("-", "–"),
    "hidden": lambda _: "",
}


class Snapshot(NamedTuple):
    """A session as the service showed it at some time; messages oldest first."""

    status: str
    messages: tuple[Message, ...]


class Conversations(RuleBasedStateMachine):
    """A service with lagging replicas, and a client that answers whatever it takes for a new pause."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0  # a message of the time 0 would have no time
        self.history = [Snapshot("thinking", (self.message("user", "An espresso machine"),))]
        self.newest_read = 0
        self.is_open = False  # whether a pause waits for its answer
        self.echo: Callable[[str], str] = str
        self.track = SessionTracker("s", "chat")
        self.watcher = self.watch()

    def message(self, role: str, content: str) -> Message:
        """A message of this moment."""
        return Message(role=role, content=content, created_at=int(self.now))

    def watch(self) -> Watcher:
        """What `wait` begins."""
        options = WatchOptions(until=SETTLED | TERMINAL, timeout=None, accept_stale=False)
        watcher = Watcher(self.track, options, MessageCursor(self.track.conversation.cursor))
        watcher.began = self.now
        return watcher

    def show(self, status: str, *messages: Message) -> None:
        """Go on at the service."""
        self.now += 10
        self.history.append(Snapshot(status, (*self.history[-1].messages, *messages)))

    def read(self, place: int) -> None:
        """Read the session as it once was, and answer what counts as a new pause."""
        self.now += 1
        self.newest_read = max(self.newest_read, place)
        shown = self.history[place]
        data = SessionData(
            session_id="s",
            status=SessionStatus(shown.status),
            created_at=1,
            messages=tuple(reversed(shown.messages))[:WINDOW],
        )
        change = self.track.record_session(data, asked=self.now, now=self.now)
        self.watcher.take(Change.TRANSITION | change, self.now)
        if self.watcher.is_done:
            self.answer()

    def answer(self) -> None:
        """Answer, which is paid for: there must be a pause that waits for it."""
        assert self.is_open, "a pause was answered twice"
        self.is_open = False
        text = ANSWERS[len(self.history) % len(ANSWERS)]
        cursor, sent_at = self.track.conversation.cursor, int(self.now)
        self.show(self.history[-1].status, self.message("user", self.echo(text)))
        self.track.record_send(text, since=self.now, settle=30.0, cursor=cursor, sent_at=sent_at)
        self.watcher = self.watch()

    # -- the service --

    @rule(echo=st.sampled_from(sorted(ECHOES)))
    def writes_echoes_so(self, echo: str) -> None:
        """Messages from now on of ours are shown so."""
        self.echo = ECHOES[echo]

    @precondition(lambda self: not self.is_open)
    @rule(says=st.integers(0, 2), many=st.booleans())
    def works(self, says: int, many: bool) -> None:
        """The agent works, and may write something."""
        count = says * (30 if many else 1)
        words = [self.message("model", f"Scene {len(self.history)}.{number}") for number in range(count)]
        self.show("thinking", *words)

    @precondition(lambda self: not self.is_open)
    @rule(status=st.sampled_from(["reviewing", "waiting_for_input"]))
    def pauses(self, status: str) -> None:
        """The agent pauses, and says what for."""
        self.show(status, self.message("model", f"Shall I? {len(self.history)}"))
        self.is_open = True

    # -- the client --

    @rule(data=st.data())
    def reads_any_replica(self, data: st.DataObject) -> None:
        """
        Read the session as it was at any time.

        Snapshots that differ in their status only come in order: an older one cannot be recognised.
        """
        place = data.draw(st.integers(0, len(self.history) - 1))
        newest = self.history[self.newest_read]
        if place < self.newest_read and self.history[place].messages == newest.messages:
            place = self.newest_read
        self.read(place)

    @rule()
    def reads_the_newest(self) -> None:
        """Read the session as it is."""
        self.read(len(self.history) - 1)

    @rule(seconds=st.sampled_from([31.0, 601.0, 7200.0]))
    def time_passes(self, seconds: float) -> None:
        """Nothing happens for long."""
        self.now += seconds

    @rule()
    def starts_over(self) -> None:
        """Go on in another process, from the ref."""
        ref = refs.write(self.track, self.watcher.cursor)
        self.track, _ = refs.read(ref)
        self.watcher = self.watch()

    @invariant()
    def answers_what_it_sees(self) -> None:
        """An open pause that is read as it is has been answered by then."""
        if self.is_open and self.newest_read == len(self.history) - 1:
            self.read(len(self.history) - 1)
            assert not self.is_open, "a pause was missed"


TestConversations = Conversations.TestCase
TestConversations.settings = settings(stateful_step_count=40)
