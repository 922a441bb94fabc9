"""Everything the simulated service knows: settings, stores, ids, and which sessions are in progress."""

from __future__ import annotations

import base64
import binascii
import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from ...errors._arguments import check_choice, check_count, check_number, check_positive, check_text, given
from .._arguments import check_seconds
from .._http import HttpRequest, HttpResponse, JsonObject, invalid, not_found, page_response
from .._scenario import Scenario
from .timeline import Run, SimulatedSession, view_video
from .webhook_queue import Endpoint, WebhookQueue

if TYPE_CHECKING:
    from .._moods import Moods
    from .._storage.links import Storage
    from .ledger import Ledger

Contract = Literal["openapi", "guide"]
Idempotency = Literal["honoured", "ignored"] | AbstractSet[str]
Item = TypeVar("Item")

DAY_SECONDS = 24 * 3600.0
MAX_IDS = 100


@dataclass(slots=True, kw_only=True)
class ServiceSettings:
    """What the caller of `Simulator` chose."""

    api_key: str
    access_token: str | None
    max_jobs: int
    contract: Contract
    idempotency: Idempotency
    base_url: str
    speed: float
    latency: float
    clock_skew: float
    requests_per_second: float | None
    link_ttl: float

    def __post_init__(self) -> None:
        check_text(api_key=self.api_key, base_url=self.base_url)
        check_text(**given(access_token=self.access_token))
        check_count(0, max_jobs=self.max_jobs)
        check_choice(("openapi", "guide"), contract=self.contract)
        check_positive(speed=self.speed, **given(requests_per_second=self.requests_per_second))
        check_seconds(latency=self.latency, link_ttl=self.link_ttl)
        check_number(-math.inf, math.inf, clock_skew=self.clock_skew)


@dataclass(slots=True, kw_only=True)
class StoredAsset:
    """An uploaded file, or the slot for one."""

    asset_id: str
    name: str
    mime_type: str
    size_bytes: int
    uploaded_at: float
    content: bytes | None
    complete: bool
    checksum: str | None = None
    ready_at: float = 0.0
    failure: str | None = None

    def status(self, now: float) -> str:
        """Return the status at `now`."""
        if not self.complete:
            return "queued"
        if now < self.ready_at:
            return "processing"
        return "completed" if self.failure is None else "failed"


@dataclass(frozen=True, slots=True)
class OperationCall:
    """A request that found its operation."""

    operation: str
    request: HttpRequest
    params: Mapping[str, str]
    now: float
    body: JsonObject


class Rotation:
    """Scripts in order of announcement; the newest that fits a prompt wins."""

    def __init__(self, scenario: Scenario | None) -> None:
        self._default = scenario
        self._scripts: list[tuple[Scenario, str | None]] = []

    def add(self, scenario: Scenario, prompt: str | None) -> None:
        """Use `scenario` for the sessions to come whose prompt contains `prompt`."""
        self._scripts.append((scenario, prompt))

    def pick(self, prompt: str, mode: str) -> Scenario:
        """Return the scenario of a new session."""
        for scenario, wanted in reversed(self._scripts):
            if wanted is None or wanted in prompt:
                return scenario
        if self._default is not None:
            return self._default
        return Scenario.chat() if mode == "chat" else Scenario.generate()


@dataclass(slots=True, kw_only=True)
class ServiceState:
    """The state of the service."""

    settings: ServiceSettings
    moods: Moods
    seed: int
    rotation: Rotation
    ledger: Ledger
    storage: Storage
    sessions: dict[str, SimulatedSession] = field(default_factory=dict[str, SimulatedSession])
    session_order: list[SimulatedSession] = field(default_factory=list[SimulatedSession])
    videos: dict[str, SimulatedSession] = field(default_factory=dict[str, SimulatedSession])
    deleted_videos: set[str] = field(default_factory=set[str])
    recent_creates: deque[float] = field(default_factory=deque[float])
    video_order: list[str] = field(default_factory=list[str])
    assets: dict[str, StoredAsset] = field(default_factory=dict[str, StoredAsset])
    endpoints: dict[str, Endpoint] = field(default_factory=dict[str, Endpoint])
    webhook_queue: WebhookQueue = field(default_factory=WebhookQueue)
    _random: random.Random = field(init=False)
    _active: set[str] = field(default_factory=set[str])
    _changes: list[tuple[float, int, SimulatedSession]] = field(
        default_factory=list[tuple[float, int, SimulatedSession]]
    )
    _order: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def draw(self, rate: float) -> bool:
        """Return whether chance has it, at this rate; the same seed decides the same way."""
        return rate > 0 and self._random.random() < rate

    def mint(self, prefix: str) -> str:
        """Return a new id; the same seed gives the same ids."""
        return f"{prefix}_{self._random.getrandbits(64):016x}"

    def session(self, session_id: str) -> SimulatedSession:
        """
        Return the session of this id.

        Raises:
            Refusal: There is none.
        """
        try:
            return self.sessions[session_id]
        except KeyError:
            raise not_found("Session") from None

    def add_session(self, session: SimulatedSession) -> None:
        """Store a new session."""
        self.sessions[session.session_id] = session
        self.session_order.append(session)
        if session.promised_video_id:
            self._own(session.promised_video_id, session)

    def start_run(self, session: SimulatedSession, run: Run) -> None:
        """Begin a run, and give it a video if it renders one."""
        renders = any(step.status == "generating" for step in run.steps)
        if renders and session.scenario.video_at != "never":
            run.video_id = self._next_video(session)
        session.runs.append(run)
        self.track(session, run.began_at)
        self.expect(session)

    def expect(self, session: SimulatedSession) -> None:
        """Send webhooks at a session's end, if an address takes them."""
        if self.endpoints or session.callback_url is not None:
            self.webhook_queue.expect(session)

    def expect_all(self) -> None:
        """Send webhooks at the ends of all sessions in progress: there is an endpoint now."""
        for session_id in sorted(self._active):
            self.webhook_queue.expect(self.sessions[session_id])

    def track(self, session: SimulatedSession, now: float) -> None:
        """Count a session in or out of the jobs in progress, now and when it next changes."""
        if session.is_active(now):
            self._active.add(session.session_id)
        else:
            self._active.discard(session.session_id)
        change = session.next_change(now)
        if change < math.inf:
            heapq.heappush(self._changes, (change, next(self._order), session))

    def in_progress(self, now: float) -> int:
        """Return how many sessions are thinking or generating."""
        # Counting all sessions each time would make the ten-thousandth create ten thousand times slower.
        while self._changes and self._changes[0][0] <= now:
            self.track(heapq.heappop(self._changes)[2], now)
        return len(self._active)

    def balance(self, now: float) -> float:
        """Return the credit that is left: completed videos are paid for."""
        if not self.moods.price:
            return self.moods.balance
        seconds = math.fsum(session.scenario.video_seconds for session, _ in self._completed(now))
        return self.moods.balance - self.moods.price * seconds

    def completed_videos(self, now: float) -> list[str]:
        """Return the ids of the videos completed by `now`, oldest session first."""
        return [video_id for _, video_id in self._completed(now)]

    def _completed(self, now: float) -> Iterator[tuple[SimulatedSession, str]]:
        for session in self.session_order:
            for run in session.runs:
                if run.video_id and view_video(session, run.video_id, now).status == "completed":
                    yield session, run.video_id

    def _next_video(self, session: SimulatedSession) -> str:
        promised = session.promised_video_id
        if promised and all(run.video_id != promised for run in session.runs):
            return promised
        video_id = self.mint("vid")
        self._own(video_id, session)
        return video_id

    def _own(self, video_id: str, session: SimulatedSession) -> None:
        self.videos[video_id] = session
        self.video_order.append(video_id)


def page(
    call: OperationCall,
    items: Sequence[Item],
    show: Callable[[Item], JsonObject | None],
    *,
    default: int = 20,
    most: int = 100,
) -> HttpResponse:
    """
    Return one page of `items`, last one first; those shown as None are left out.

    The token names a position in the order of creation, so that what is created between two pages shifts nothing.

    Raises:
        Refusal: A limit out of range, or a token that this service did not give.
    """
    limit = _limit(call, default, most)
    shown: list[JsonObject] = []
    for index, value in _from(_start(call, len(items)), items, show):
        if len(shown) == limit:
            return page_response(shown, _token(call.operation, index))
        shown.append(value)
    return page_response(shown)


def _from(
    start: int, items: Sequence[Item], show: Callable[[Item], JsonObject | None]
) -> Iterator[tuple[int, JsonObject]]:
    for index in range(start, -1, -1):
        value = show(items[index])
        if value is not None:
            yield index, value


def _limit(call: OperationCall, default: int, most: int) -> int:
    text = call.request.query.get("limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= most):
        message = f"'limit' must be an integer from 1 to {most}."
        raise invalid("limit", message)
    return int(text)


def _start(call: OperationCall, count: int) -> int:
    token = call.request.query.get("token")
    if token is None:
        return count - 1
    try:
        operation, _, index = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
        start = int(index)
    except (ValueError, binascii.Error):
        raise invalid("token", "The token was not given by this service.") from None
    if operation != call.operation or not 0 <= start < max(count, 1):
        raise invalid("token", "The token belongs to another list.")
    return min(start, count - 1)


def _token(operation: str, index: int) -> str:
    return base64.urlsafe_b64encode(f"{operation}:{index}".encode()).decode()


def status_page(call: OperationCall, parameter: str, show: Callable[[str], JsonObject]) -> HttpResponse:
    """
    Return one entry for each id asked about.

    Raises:
        Refusal: No ids, or too many.
    """
    query = call.request.query
    ids, batch_ids = _split(query.get(parameter)), _split(query.get("batch_ids"))
    if not ids and not batch_ids:
        raise invalid(parameter, f"Give '{parameter}' or 'batch_ids'.")
    if len(ids) + len(batch_ids) > MAX_IDS:
        raise invalid(parameter, f"At most {MAX_IDS} ids, not {len(ids) + len(batch_ids)}.")
    entries = [show(one) for one in ids]
    return page_response(entries + [status_entry("not_found", batch_id=one) for one in batch_ids])


def status_entry(
    status: str, *, video_id: str | None = None, batch_id: str | None = None, error: JsonObject | None = None
) -> JsonObject:
    """Return one row of a bulk status answer; an asset's id comes as `video_id` too."""
    return {"video_id": video_id, "status": status, "batch_id": batch_id, "item_index": None, "error": error}


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]
