"""HeyGen's Video Agent as a function from a request and a moment to an answer: no socket, no clock, no async."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import formatdate
from typing import TYPE_CHECKING

from ._faults.effects import EMPTY, Before, afflict, afterwards, instead
from ._faults.schedule import Faults, Rule
from ._http import Exchange, JsonObject, Refusal, Request, Response, as_object, json_response
from ._service.assets import UPLOAD_PREFIX
from ._service.files import answer as file_answer
from ._service.files import is_file
from ._service.idempotency import Replays, check_key
from ._service.ledger import CreateRecord, Ledger, MessageRecord
from ._service.routes import Route, find
from ._service.state import DAY_SECONDS, Call, Contract, Idempotency, Rotation, ServiceState, Settings
from ._service.timeline import view_video
from ._service.validation import parse_object
from ._storage.links import Storage
from ._storage.media import PREFIX

if TYPE_CHECKING:
    from ._scenario import Scenario
    from ._service.webhook_queue import Notice

LEDGER_PATH = "/_simulator/ledger"
_AGENT_POSTS = frozenset({"create", "send", "stop"})
_OK = 200


class Simulator:
    """
    The simulated service: its state, its faults, and its books.

    Give it to a skin: `MemoryTransport` for one process, `SimulatorServer` for sockets. The same requests at the same
    moments with the same seed give the same answers. A `WebhookSender` carries its webhooks.

    Attributes:
        faults: What goes wrong.
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
        idempotency: Idempotency = "honoured",
        scenario: Scenario | None = None,
        latency: float = 0.0,
        clock_skew: float = 0.0,
        requests_per_second: float | None = None,
        base_url: str = "http://127.0.0.1:8080",
        speed: float = 1.0,
        link_ttl: float = DAY_SECONDS,
    ) -> None:
        """
        Start with an empty account.

        Args:
            api_key: The one key that is accepted.
            access_token: The one bearer token that is accepted, if any.
            max_jobs: How many sessions may think or generate at once.
            seed: Decides ids and random faults.
            contract: `openapi` refuses `auto_proceed`, `guide` takes it.
            idempotency: Whether the Video Agent calls honour `Idempotency-Key`; the documented ones always do.
            scenario: The life of every session; None for the default of its mode.
            latency: Seconds the service takes to answer anything.
            clock_skew: Seconds the service's clock is ahead of the caller's.
            requests_per_second: Requests beyond this rate answer 429; None for no limit.
            base_url: Where links in answers lead; a server sets it.
            speed: How many times faster than life sessions go.
            link_ttl: Seconds a video's link stays good.
        """
        settings = Settings(
            api_key=api_key,
            access_token=access_token,
            max_jobs=max_jobs,
            contract=contract,
            idempotency=idempotency,
            base_url=base_url,
            speed=speed,
            latency=latency,
            clock_skew=clock_skew,
            requests_per_second=requests_per_second,
            link_ttl=link_ttl,
        )
        self.faults: Faults = Faults(seed)
        self.ledger: Ledger = Ledger(self._billed)
        self.storage: Storage = Storage(secret=api_key)
        self._world = ServiceState(
            settings=settings,
            seed=seed,
            rotation=Rotation(scenario),
            ledger=self.ledger,
            storage=self.storage,
        )
        self._replays = Replays()
        self._records: dict[tuple[str, str, str], CreateRecord | MessageRecord] = {}
        self.listeners: list[Callable[[], None]] = []
        self._now = 0.0
        self._allowance = (0.0, 0.0)
        self._request_number = 0

    def __repr__(self) -> str:
        """Say where it is and how full, without the key."""
        return f"<Simulator {self.base_url} sessions={len(self.ledger.creates)}>"

    @property
    def api_key(self) -> str:
        """The key that is accepted."""
        return self._world.settings.api_key

    @property
    def base_url(self) -> str:
        """Where links in answers lead."""
        return self._world.settings.base_url

    @base_url.setter
    def base_url(self, value: str) -> None:
        self._world.settings.base_url = value.rstrip("/")

    def rotate_access_token(self, token: str | None) -> None:
        """Accept another bearer token from now on; the old one answers 401."""
        self._world.settings.access_token = token

    def script(self, scenario: Scenario, *, prompt: str | None = None) -> None:
        """
        Give the sessions to come a life; the newest script that fits a prompt wins.

        Args:
            scenario: The life.
            prompt: Only sessions whose prompt contains this; None for all.
        """
        self._world.rotation.add(scenario, prompt)

    def exchange(self, request: Request, now: float) -> Exchange:
        """
        Answer one request.

        Args:
            request: The request.
            now: The caller's clock, in Unix seconds.
        """
        moment = now + self._world.settings.clock_skew
        self._now = max(self._now, moment)
        if request.path == LEDGER_PATH:
            return self._stamp(Exchange(json_response({"data": self.ledger.as_json()})), moment)
        exchange = self._disturbed(request, moment)
        for listener in list(self.listeners):
            listener()
        return self._stamp(exchange, moment)

    # -- webhooks --

    def notices(self, now: float) -> list[Notice]:
        """Return the webhooks to be posted by `now`, the caller's clock; each once."""
        return self._world.outbox.take(self._world, self.faults, now + self._world.settings.clock_skew)

    def next_notice(self) -> float:
        """Return when the next webhook is due by the caller's clock; infinity for never."""
        return self._world.outbox.next_at() - self._world.settings.clock_skew

    def answered(self, notice: Notice, status: int, now: float) -> None:
        """
        Take note of how a webhook was received; it is posted again unless that was well.

        Args:
            notice: The webhook.
            status: The HTTP status; 0 for no answer.
            now: The caller's clock.
        """
        settings = self._world.settings
        moment = now + settings.clock_skew
        self._world.outbox.answered(notice, status, self.ledger, moment, settings.speed)

    def _disturbed(self, request: Request, now: float) -> Exchange:
        """Answer through the faults in force."""
        operation, route, params = self._operation(request)
        rules = list(self.faults.strikes(operation)) if operation != "unmatched" else []
        wire = next((rule for rule in rules if rule.fault.stage != "session"), None)
        if wire is not None and wire.unprocessed:
            wire.used += 1
            exchange = instead(wire.fault.name, wire.params, now)
            self.ledger.record(operation, exchange, _code(exchange.response))
            return exchange
        before = self._before(params, now)
        answer = self._answer(request, route, params, now)
        self._afflict(rules, params, answer, before, now)
        exchange = self._spoil(wire, answer, now)
        if operation == "media":
            self.storage.sent_bytes += exchange.sent_bytes
        if exchange.fault == "dead_link":
            self.storage.kill(request)
        key = request.headers.get("idempotency-key")
        if key is not None and exchange.delay:
            self._replays.hold((operation, request.path, key), now, exchange.delay)
        self._book(operation, request, exchange, answer)
        return exchange

    def _operation(self, request: Request) -> tuple[str, Route | Refusal | None, Mapping[str, str]]:
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
        self, request: Request, route: Route | Refusal | None, params: Mapping[str, str], now: float
    ) -> Response:
        """Return the service's own answer."""
        try:
            if isinstance(route, Refusal):
                raise route
            if route is None:
                return file_answer(self._world, request, now)
            self._admit(request, now)
            return self._replayed(request, route, params, now)
        except Refusal as refusal:
            return refusal.response()

    def _admit(self, request: Request, now: float) -> None:
        settings = self._world.settings
        key, bearer = request.headers.get("x-api-key"), request.headers.get("authorization")
        if key is not None and bearer is not None:
            raise Refusal(
                400, "invalid_parameter", "Send x-api-key or Authorization, not both.", param="authorization"
            )
        token = settings.access_token
        good = _same(key, settings.api_key) or (token is not None and _same(bearer, f"Bearer {token}"))
        if not good:
            raise Refusal(401, "authentication_failed", "The credential is missing or not valid.")
        self._check_rate(now)

    def _check_rate(self, now: float) -> None:
        rate = self._world.settings.requests_per_second
        if rate is None:
            return
        saved, at = self._allowance
        saved = min(max(1.0, rate), saved + (now - at) * rate)
        self._allowance = (saved - 1 if saved >= 1 else saved, now)
        if saved < 1:
            raise Refusal(429, "rate_limit_exceeded", "Too many requests.", headers={"retry-after": "1"})

    def _replayed(self, request: Request, route: Route, params: Mapping[str, str], now: float) -> Response:
        """Answer, or give the first answer to the same key again."""
        key = request.headers.get("idempotency-key")
        settings = self._world.settings
        honoured = route.declared_idempotent or (
            settings.idempotency == "honoured" and route.operation in _AGENT_POSTS
        )
        if key is None or not honoured:
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
            self._remember(scope)
        return answer

    def _remember(self, scope: tuple[str, str, str]) -> None:
        if scope[0] == "create":
            self._records[scope] = self.ledger.creates[-1]
        elif scope[0] == "send":
            self._records[scope] = self.ledger.messages[-1]

    def _handle(self, request: Request, route: Route, params: Mapping[str, str], now: float) -> Response:
        body: JsonObject = {}
        if route.body == "required" or (route.body == "optional" and request.body):
            body = parse_object(request.body)
        return route.handler(self._world, Call(route.operation, request, params, now, body))

    def _before(self, params: Mapping[str, str], now: float) -> Before | None:
        session = self._world.sessions.get(params.get("session_id", ""))
        if session is None:
            return None
        return Before(session.status(now), session.progress(now), session.video_id(now))

    def _afflict(
        self,
        rules: list[Rule],
        params: Mapping[str, str],
        answer: Response,
        before: Before | None,
        now: float,
    ) -> None:
        """Let the faults of sessions change the session this request created or named."""
        striking = [rule for rule in rules if rule.fault.stage == "session"]
        if not striking or answer.status != _OK:
            return
        session_id = params.get("session_id") or str(json.loads(answer.body)["data"]["session_id"])
        session = self._world.sessions[session_id]
        for rule in striking:
            if afflict(rule.fault.name, rule.params, session, before, now):
                rule.used += 1
                self.ledger.faults[rule.fault.name] += 1

    def _spoil(self, rule: Rule | None, answer: Response, now: float) -> Exchange:
        delay = self._world.settings.latency
        if rule is None:
            return Exchange(answer, delay=delay)
        name = rule.fault.name
        spoiled: Exchange | None
        if rule.fault.stage == "before":
            spoiled = instead(name, rule.params, now)
        else:
            spoiled = afterwards(name, rule.params, answer, self.faults.random)
        if spoiled is None:
            return Exchange(answer, delay=delay)
        rule.used += 1
        return replace(spoiled, delay=spoiled.delay + delay)

    def _book(self, operation: str, request: Request, exchange: Exchange, answer: Response) -> None:
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
        stamps = {"x-request-id": f"req_{self._request_number:08d}", "date": formatdate(now, usegmt=True)}
        response = exchange.response
        return replace(exchange, response=replace(response, headers={**response.headers, **stamps}))

    def _billed(self) -> list[str]:
        return [
            run.video_id
            for session in self._world.session_order
            for run in session.runs
            if run.video_id and view_video(session, run.video_id, self._now).status == "completed"
        ]


def _same(given: str | None, wanted: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), wanted.encode())


def _code(response: Response) -> str | None:
    """Return the error code of a refusal."""
    if response.status < 400 or not response.headers.get("content-type", "").startswith("application/json"):
        return None
    try:
        body: object = json.loads(response.body)
    except ValueError:
        return None  # a fault has spoiled it
    error = as_object((as_object(body) or {}).get("error")) or {}
    return str(error["code"]) if "code" in error else None
