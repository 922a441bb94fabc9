"""HeyGen's Video Agent as a function from a request and a moment to an answer: no socket, no clock, no async."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import formatdate
from typing import TYPE_CHECKING

from ..errors._arguments import check_count, check_text, check_type, given
from ._arguments import check_optional
from ._expectations import find_records
from ._faults.schedule import Faults, Rule
from ._http import EMPTY, Exchange, HttpRequest, HttpResponse, JsonObject, Refusal, as_object, json_response
from ._moods import Moods
from ._scenario import Scenario
from ._service.admission import Admission
from ._service.assets import UPLOAD_PREFIX
from ._service.files import answer as file_answer
from ._service.files import is_file
from ._service.idempotency import AGENT_POSTS, Replays, check_idempotency, check_key
from ._service.ledger import CreateRecord, Ledger, MessageRecord
from ._service.routes import Route, find
from ._service.state import (
    DAY_SECONDS,
    Contract,
    Idempotency,
    OperationCall,
    Rotation,
    ServiceSettings,
    ServiceState,
)
from ._service.validation import parse_object
from ._service.webhook_queue import PlannedWebhook, QueuedWebhook
from ._storage.links import Storage
from ._storage.media import PREFIX

if TYPE_CHECKING:
    from ._service.timeline import SessionSnapshot
    from ._service.webhook_queue import Notice

LEDGER_PATH = "/_simulator/ledger"
_OK = 200


class Simulator:
    """
    The simulated service: its state, its faults, and its books.

    Give it to a skin: `MemoryTransport` for one process, `SimulatorServer` for sockets. The same requests at the same
    moments with the same seed give the same answers. A `WebhookSender` carries its webhooks.

    Attributes:
        faults: What goes wrong.
        moods: How the service behaves where its documents leave it open.
        ledger: The books.
        storage: Where the files are.
        listeners: Called after each request, which may have put webhooks on their way.
    """

    def __init__(
        self,
        *,
        api_key: str = "test-key",
        access_token: str | None = None,
        max_jobs: int = 10,
        seed: int = 0,
        contract: Contract = "openapi",
        idempotency: Idempotency = "ignored",
        scenario: Scenario | None = None,
        latency: float = 0.0,
        clock_skew: float = 0.0,
        requests_per_second: float | None = None,
        base_url: str = "http://127.0.0.1:8080",
        speed: float = 1.0,
        link_ttl: float = DAY_SECONDS,
        moods: Moods | None = None,
    ) -> None:
        """
        Start with an empty account.

        Args:
            api_key: The one key that is accepted.
            access_token: The one bearer token that is accepted, if any.
            max_jobs: How many sessions may think or generate at once.
            seed: Decides ids and random faults.
            contract: `openapi` refuses `auto_proceed`, `guide` takes it.
            idempotency: Whether the Video Agent calls honour `Idempotency-Key`, or which of them do; the documented
                ones always do.
            scenario: The life of every session; None for the default of its mode.
            latency: Seconds the service takes to answer anything.
            clock_skew: Seconds the service's clock is ahead of the caller's.
            requests_per_second: Requests beyond this rate answer 429; None for no limit.
            base_url: Where links in answers lead; a server sets it.
            speed: How many times faster than life sessions go.
            link_ttl: Seconds a video's link stays good.
            moods: How the service behaves where its documents leave it open.

        Raises:
            InvalidArgument: One of them is not what it should be.
        """
        check_optional(Scenario, "a scenario", scenario=scenario)
        check_optional(Moods, "moods", moods=moods)
        settings = ServiceSettings(
            api_key=api_key,
            access_token=access_token,
            max_jobs=max_jobs,
            contract=contract,
            idempotency=check_idempotency(idempotency),
            base_url=base_url,
            speed=speed,
            latency=latency,
            clock_skew=clock_skew,
            requests_per_second=requests_per_second,
            link_ttl=link_ttl,
        )
        self.faults: Faults = Faults(seed)
        self.moods: Moods = moods or Moods()
        self.ledger: Ledger = Ledger(self._list_billed)
        self.storage: Storage = Storage(secret=api_key)
        self._state = ServiceState(
            settings=settings,
            moods=self.moods,
            seed=seed,
            rotation=Rotation(scenario),
            ledger=self.ledger,
            storage=self.storage,
        )
        self._replays = Replays()
        self._records: dict[tuple[str, str, str], CreateRecord | MessageRecord] = {}
        self.listeners: list[Callable[[], None]] = []
        self._now = 0.0
        self._admission = Admission(settings)
        self._request_number = 0

    def __repr__(self) -> str:
        """Say where it is and how full, without the key."""
        return f"<Simulator {self.base_url} sessions={len(self.ledger.creates)}>"

    @property
    def api_key(self) -> str:
        """The key that is accepted."""
        return self._state.settings.api_key

    @property
    def base_url(self) -> str:
        """Where links in answers lead."""
        return self._state.settings.base_url

    @base_url.setter
    def base_url(self, value: str) -> None:
        self._state.settings.base_url = value.rstrip("/")

    @property
    def idempotency(self) -> Idempotency:
        """Whether the Video Agent calls honour `Idempotency-Key`, or which of them do; set it at any time."""
        return self._state.settings.idempotency

    @idempotency.setter
    def idempotency(self, value: Idempotency) -> None:
        self._state.settings.idempotency = check_idempotency(value)

    def rotate_access_token(self, token: str | None) -> None:
        """
        Accept another bearer token from now on; the old one answers 401.

        Raises:
            InvalidArgument: It is neither text nor None.
        """
        check_text(**given(token=token))
        self._state.settings.access_token = token

    def script(self, scenario: Scenario, *, prompt: str | None = None) -> None:
        """
        Give the sessions to come a life; the newest script that fits a prompt wins.

        Args:
            scenario: The life.
            prompt: Only sessions whose prompt contains this; None for all.

        Raises:
            InvalidArgument: One of them is not what it should be.
        """
        check_type(Scenario, "a scenario", scenario=scenario)
        check_optional(str, "a string", prompt=prompt)
        self._state.rotation.add(scenario, prompt)

    def expect_create(
        self, text: str | None = None, *, times: int = 1, **fields: object
    ) -> list[CreateRecord]:
        """
        Return the creates the service accepted, and fail unless there were so many.

        Args:
            text: Only those whose prompt contains this; None for all.
            times: How many there must be.
            **fields: Only those whose request had these values, such as `mode="chat"`.

        Raises:
            AssertionError: There were more or fewer; it lists all there were.
            InvalidArgument: `text` is no text, or `times` no whole number.
        """
        __tracebackhide__ = True
        return find_records(self.ledger.creates, "create(s)", text, fields, times)

    def expect_message(
        self, text: str | None = None, *, times: int = 1, **fields: object
    ) -> list[MessageRecord]:
        """
        Return the messages that reached a session, and fail unless there were so many.

        Args:
            text: Only those that contain this; None for all.
            times: How many there must be.
            **fields: Only those whose request had these values, such as `avatar_id="look_1"`.

        Raises:
            AssertionError: There were more or fewer; it lists all there were.
            InvalidArgument: `text` is no text, or `times` no whole number.
        """
        __tracebackhide__ = True
        return find_records(self.ledger.messages, "message(s)", text, fields, times)

    def expect_billed(self, times: int) -> list[str]:
        """
        Return the ids of the videos that were paid for, and fail unless there were so many.

        Args:
            times: How many there must be.

        Raises:
            AssertionError: There were more or fewer.
            InvalidArgument: `times` is no whole number.
        """
        __tracebackhide__ = True
        check_count(0, times=times)
        billed = self.ledger.billed
        if len(billed) != times:
            raise AssertionError(f"expected {times} billed video(s), found {len(billed)}\n{self.ledger}")
        return billed

    def exchange(self, request: HttpRequest, now: float) -> Exchange:
        """
        Answer one request.

        Args:
            request: The request.
            now: The caller's clock, in Unix seconds.
        """
        moment = now + self._state.settings.clock_skew
        self._now = max(self._now, moment)
        if request.path == LEDGER_PATH:
            return self._stamp(Exchange(json_response({"data": self.ledger.as_json()})), moment)
        exchange = self._exchange_with_faults(request, moment)
        for listener in list(self.listeners):
            listener()
        return self._stamp(exchange, moment)

    # -- webhooks --

    def notices(self, now: float) -> list[Notice]:
        """Return the webhooks to be posted by `now`, the caller's clock; each once."""
        moment = now + self._state.settings.clock_skew
        return self._state.webhook_queue.take(self._state.endpoints.values(), self._plan_webhook, moment)

    def next_notice(self) -> float:
        """Return when the next webhook is due by the caller's clock; infinity for never."""
        return self._state.webhook_queue.next_at() - self._state.settings.clock_skew

    def record_answer(self, notice: Notice, status: int, now: float) -> None:
        """
        Record how a webhook was received; it is posted again unless it was accepted.

        Args:
            notice: The webhook.
            status: The HTTP status; 0 for no answer.
            now: The caller's clock.
        """
        settings = self._state.settings
        moment = now + settings.clock_skew
        self._state.webhook_queue.record_answer(notice, status, self.ledger, moment, settings.speed)

    def _plan_webhook(self, webhook: QueuedWebhook) -> list[PlannedWebhook]:
        rule = next(self.faults.strikes("webhook"), None)
        if rule is None:
            return [PlannedWebhook(webhook)]
        self.ledger.faults[rule.fault.name] += 1
        return rule.plan(webhook)

    def _exchange_with_faults(self, request: HttpRequest, now: float) -> Exchange:
        operation, route, params = self._operation(request)
        rules = list(self.faults.strikes(operation)) if operation != "unmatched" else []
        wire = next((rule for rule in rules if rule.fault.stage != "session"), None)
        if wire is not None and wire.is_unprocessed:
            exchange = wire.replace_answer(now)
            self.ledger.record(operation, exchange, _code(exchange.response))
            return exchange
        before = self._snapshot(params, now)
        answer = self._answer(request, route, params, now)
        self._apply_to_session(rules, params, answer, before, now)
        exchange = self._spoil(wire, answer, now)
        if operation == "media":
            self.storage.sent_bytes += exchange.sent_bytes
        if exchange.fault == "dead_link":
            self.storage.kill(request)
        key = request.headers.get("idempotency-key")
        if key is not None and exchange.delay:
            self._replays.hold((operation, request.path, key), now, exchange.delay)
        self._enter_in_ledger(operation, request, exchange, answer)
        return exchange

    def _operation(self, request: HttpRequest) -> tuple[str, Route | Refusal | None, Mapping[str, str]]:
        if request.at_storage not in {None, is_file(request.path)}:
            self.ledger.unmatched.append(f"{request.method} {request.path}")
            return "unmatched", Refusal(404, "not_found", "This is at the other origin."), {}
        if request.path.startswith(PREFIX):
            return "media", None, {}
        if request.path.startswith(UPLOAD_PREFIX):
            return "upload", None, {}
        try:
            route, params = find(request.method, request.path)
        except Refusal as refusal:
            self.ledger.unmatched.append(f"{request.method} {request.path}")
            return "unmatched", refusal, {}
        return route.operation, route, params

    def _answer(
        self, request: HttpRequest, route: Route | Refusal | None, params: Mapping[str, str], now: float
    ) -> HttpResponse:
        """Return the service's own answer."""
        try:
            if isinstance(route, Refusal):
                raise route
            if route is None:
                return file_answer(self._state, request, now)
            self._admission.admit(request, now)
            return self._answer_or_replay(request, route, params, now)
        except Refusal as refusal:
            return refusal.response()

    def _answer_or_replay(
        self, request: HttpRequest, route: Route, params: Mapping[str, str], now: float
    ) -> HttpResponse:
        """Answer, or give the first answer to the same key again."""
        key = request.headers.get("idempotency-key")
        if key is None or not (route.declared_idempotent or self._honours(route.operation)):
            return self._handle(request, route, params, now)
        check_key(key)
        scope = (route.operation, request.path, key)
        first = self._replays.find(scope, now)
        if first is not None:
            if scope in self._records:
                self._records[scope].replayed += 1
            return first
        answer = self._handle(request, route, params, now)
        if answer.status == _OK:
            self._replays.keep(scope, answer, now)
            self._link_record(scope)
        return answer

    def _honours(self, operation: str) -> bool:
        """Return whether the keys of an undeclared operation are honoured."""
        which = self.idempotency
        return operation in (AGENT_POSTS if which == "honoured" else () if which == "ignored" else which)

    def _link_record(self, scope: tuple[str, str, str]) -> None:
        if scope[0] == "create":
            self._records[scope] = self.ledger.creates[-1]
        elif scope[0] == "send":
            self._records[scope] = self.ledger.messages[-1]

    def _handle(
        self, request: HttpRequest, route: Route, params: Mapping[str, str], now: float
    ) -> HttpResponse:
        body: JsonObject = {}
        if route.body == "required" or (route.body == "optional" and request.body):
            body = parse_object(request.body)
        return route.handler(self._state, OperationCall(route.operation, request, params, now, body))

    def _snapshot(self, params: Mapping[str, str], now: float) -> SessionSnapshot | None:
        session = self._state.sessions.get(params.get("session_id", ""))
        return None if session is None else session.snapshot(now)

    def _apply_to_session(
        self,
        rules: list[Rule],
        params: Mapping[str, str],
        answer: HttpResponse,
        before: SessionSnapshot | None,
        now: float,
    ) -> None:
        """Let the faults of sessions change the session this request created or named."""
        lasting = [rule for rule in rules if rule.fault.stage == "session"]
        if not lasting or answer.status != _OK:
            return
        session_id = params.get("session_id") or str(json.loads(answer.body)["data"]["session_id"])
        session = self._state.sessions[session_id]
        for rule in lasting:
            if rule.change(session, before, now):
                self.ledger.faults[rule.fault.name] += 1

    def _spoil(self, rule: Rule | None, answer: HttpResponse, now: float) -> Exchange:
        exchange = Exchange(answer)
        if rule is not None and rule.fault.stage == "before":
            exchange = rule.replace_answer(now)
        elif rule is not None:
            exchange = rule.spoil(answer, self.faults.random)
        return replace(exchange, delay=exchange.delay + self._state.settings.latency)

    def _enter_in_ledger(
        self, operation: str, request: HttpRequest, exchange: Exchange, answer: HttpResponse
    ) -> None:
        self.ledger.record(operation, exchange, _code(exchange.response))
        if exchange.fault is None or answer.status != _OK:
            return
        key = request.headers.get("idempotency-key")
        if operation == "create" and self.ledger.creates[-1].idempotency_key == key:
            self.ledger.creates[-1].fault = exchange.fault
        elif operation == "send" and self.ledger.messages[-1].idempotency_key == key:
            self.ledger.messages[-1].fault = exchange.fault

    def _stamp(self, exchange: Exchange, now: float) -> Exchange:
        """Add what every answer carries."""
        if exchange.response is EMPTY:
            return exchange
        self._request_number += 1
        stamps = {"x-request-id": f"req_{self._request_number:08d}"}
        if self.moods.sends_date:
            stamps["date"] = formatdate(now, usegmt=True)
        response = exchange.response
        return replace(exchange, response=replace(response, headers={**response.headers, **stamps}))

    def _list_billed(self) -> list[str]:
        return self._state.completed_videos(self._now)


def _code(response: HttpResponse) -> str | None:
    """Return the error code of a refusal."""
    if response.status < 400 or not response.headers.get("content-type", "").startswith("application/json"):
        return None
    try:
        body: object = json.loads(response.body)
    except ValueError:
        return None  # a fault has spoiled it
    error = as_object((as_object(body) or {}).get("error")) or {}
    return str(error["code"]) if "code" in error else None
