"""
A service that keeps contract.md and takes no side: request and time in, answer out.

It has no socket, no clock and no chance: what it does is in its dials, what it did is in its ledger.
"""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import unquote

from hostile.agent import Agent, Pace, approves
from hostile.dials import Hides, Ids, Keys, Shown, When, Write
from hostile.exchange import Answer, data, refusal
from hostile.gateway import Gateway
from hostile.history import US, Message, Session
from hostile.ledger import Accepted, Ledger
from hostile.neighbours import THEM, UNRELATED, theirs
from hostile.views import Views

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostile.dials import Dials
    from hostile.exchange import Request

ROOT: Final = "/v3/video-agents"
CREATE_FIELDS: Final = frozenset(
    {"prompt", "mode", "avatar_id", "voice_id", "style_id", "brand_kit_id", "brand_glossary_id"}
    | {"orientation", "files", "callback_url", "callback_id", "incognito_mode"}
)
SEND_FIELDS: Final = frozenset({"message", "avatar_id", "voice_id", "brand_kit_id", "files"})
FAILING: Final = 2.5  # of settle_time
JUST: Final = 0.05  # seconds
BUSY: Final = 0.5  # of settle_time
IN_PROGRESS: Final = refusal(409, "request_in_progress", "The first request is under way.")


class Service:
    """
    One service with its own state.

    Its sessions are called *name* and a number. Until `arm()` writes go through undisturbed, so that a test can set
    its scene; reads are as the dials say.
    """

    def __init__(self, dials: Dials, pace: Pace | None = None, name: str = "sess") -> None:
        self.dials: Final = dials
        self.pace: Final = pace or Pace()
        self.ledger: Final = Ledger()
        self._agent = Agent(self.pace, is_chatty=dials.shown is Shown.CHATTY, videos=self.ledger.videos)
        self._views = Views(dials, self.pace)
        self._gateway = Gateway(dials)
        self._replays: dict[tuple[str, str], tuple[float, Answer]] = {}
        self._coming: list[tuple[float, Callable[[float], None]]] = []
        self._name = name
        self._is_armed = False
        self._writes = 0
        self._made = 0
        self._has_written = False
        self._fails_until = 0.0
        self._has_moved_rows = False

    def arm(self) -> None:
        """From now on answers break and other processes get in the way."""
        self._is_armed = True

    def handle(self, request: Request, now: float) -> Answer:
        """Answer one request at a time in true seconds."""
        self._catch_up(now)
        answer = self._answer(request, now)
        headers = {**answer.headers, "x-request-id": f"req{sum(self.ledger.requests.values())}"}
        if self._views.has_clock:
            headers["date"] = formatdate(self._views.clock(now), usegmt=True)
        return Answer(answer.status, answer.body, headers, answer.cut)

    def _catch_up(self, now: float) -> None:
        due = [one for one in self._coming if one[0] <= now]
        self._coming = [one for one in self._coming if one[0] > now]
        for at, happen in sorted(due, key=lambda one: one[0]):
            happen(at)

    # -- routes --

    def _answer(self, request: Request, now: float) -> Answer:
        if not {"x-api-key", "authorization"} & request.headers.keys():
            return refusal(401, "unauthorized", "No credential.")
        segments = [unquote(part) for part in request.path.removeprefix("/v3/").split("/")]
        answer = self._post(request, segments, now) if request.method == "POST" else None
        answer = answer or (self._get(request, segments, now) if request.method == "GET" else None)
        return answer or self._fault(refusal(404, "not_found", "No such route."), request)

    def _post(self, request: Request, segments: list[str], now: float) -> Answer | None:
        match segments:
            case ["video-agents"]:
                return self._write(request, Write.CREATE, "create", now)
            case ["video-agents", session_id]:
                return self._post_message(request, session_id, now)
            case ["video-agents", session_id, "stop"]:
                return self._stop(session_id, now)
            case _:
                return None

    def _get(self, request: Request, segments: list[str], now: float) -> Answer | None:
        match segments:
            case ["video-agents"]:
                return self._list(request, now)
            case ["video-agents", session_id]:
                return self._read("session", lambda: self._session(session_id, now))
            case ["video-agents", session_id, "videos"]:
                return self._read("session videos", lambda: self._session_videos(session_id, now))
            case ["videos", "statuses"]:
                return self._read("statuses", lambda: self._statuses(request, now))
            case ["videos", video_id]:
                return self._read("video", lambda: self._video(video_id, now))
            case _:
                return None

    def _fault(self, answer: Answer, request: Request) -> Answer:
        code = json.loads(answer.body)["error"]["code"]
        self.ledger.refused.append(f"{request.method} {request.path}: {answer.status} {code}")
        return answer

    # -- writes --

    def _post_message(self, request: Request, session_id: str, now: float) -> Answer:
        session = self.ledger.sessions.get(session_id)
        if session is None:
            return self._fault(refusal(404, "not_found", "No such session."), request)
        if session.mode != "chat":
            return self._fault(refusal(400, "invalid_parameter", "Not a chat session."), request)
        body = _object(request)
        write = Write.APPROVE if approves(str(body.get("message", "")), body) else Write.SEND
        return self._write(request, write, session_id, now)

    def _write(self, request: Request, write: Write, scope: str, now: float) -> Answer:
        self.ledger.requests[write] += 1
        if self._is_armed and write is self.dials.write and not self._has_written:
            self._has_written = True
            self._fails_until = now + FAILING * self.pace.settle
            self._let_others_in(request, scope, now)
        if self._is_armed and self._gateway.strikes(write, request.key, When.BEFORE):
            self._writes += 1
            return self._gateway.broken(None)
        known = self._known(scope, request.key, now)
        answer = known or self._process(request, write, scope, now)
        if known is None and answer.status == 200 and self._honours(write):
            self._replays[scope, request.key] = (now, answer)
        self._writes += self._is_armed
        if self._is_armed and answer.status == 200 and self._gateway.strikes(write, request.key, When.AFTER):
            return self._gateway.broken(answer)
        return answer

    def _known(self, scope: str, key: str, now: float) -> Answer | None:
        if (scope, key) not in self._replays:
            return None
        at, answer = self._replays[scope, key]
        if self.dials.keys is Keys.IN_PROGRESS and now < at + BUSY * self.pace.settle:
            return Answer(409, IN_PROGRESS.body, {**IN_PROGRESS.headers, "retry-after": "2"})
        return answer

    def _honours(self, write: Write) -> bool:
        return {
            Keys.NEVER: False,
            Keys.ALWAYS: True,
            Keys.MIDWAY: self._writes > 0,
            Keys.CREATE_ONLY: write is Write.CREATE,
            Keys.SEND_ONLY: write is not Write.CREATE,
            Keys.IN_PROGRESS: self._is_armed,
        }[self.dials.keys]

    def _process(self, request: Request, write: Write, scope: str, now: float) -> Answer:
        body = _object(request)
        flaw = self._flaw(body, CREATE_FIELDS if write is Write.CREATE else SEND_FIELDS)
        if flaw is not None:
            return flaw if "auto_proceed" in body else self._fault(flaw, request)
        if write is Write.CREATE:
            session = self._make(body, request.key, US, now)
            made: dict[str, object] = {
                "session_id": session.id,
                "status": "thinking",
                "video_id": None,
                "created_at": self._views.clock(now),
            }
            return data(made)
        self._accept(scope, body, request.key, US, now)
        return data({"session_id": scope, "run_id": f"run{len(self.ledger.messages):04d}", "title": None})

    def _flaw(self, body: dict[str, object], known: frozenset[str]) -> Answer | None:
        words = body.get("prompt") if "prompt" in known else body.get("message")
        if not isinstance(words, str) or not 1 <= len(words) <= 10_000:
            return refusal(400, "invalid_parameter", "Out of range.", param="prompt or message")
        unknown = body.keys() - known
        if unknown <= {"auto_proceed"} and "auto_proceed" in unknown:
            return {
                "refused": refusal(400, "invalid_parameter", "Not allowed.", param="auto_proceed"),
                "unnamed": refusal(400, "invalid_parameter", "Extra inputs are not permitted."),
                "no-code": refusal(422, None, "Unprocessable."),
                "taken": None,
            }[self.dials.auto_proceed]
        if unknown:
            return refusal(400, "invalid_parameter", "Unknown field.", param=min(unknown))
        return None

    def _make(self, body: dict[str, object], key: str, owner: str, now: float) -> Session:
        self._made += 1  # not a count of those that are left: a deleted one's id must not come again
        name = f"{self._name}{self._made:04d}"
        session = Session(
            {Ids.PLAIN: name, Ids.SLASH: f"a/{name}", Ids.ODD: f"a {name}?é"}[self.dials.ids],
            key,
            owner,
            str(body["prompt"]),
            now,
            mode=str(body.get("mode", "generate")),
            is_incognito=body.get("incognito_mode") is True,
        )
        self.ledger.sessions[session.id] = session
        self._agent.begin(session, _attachments(body))
        return session

    def _accept(self, session_id: str, body: dict[str, object], key: str, owner: str, now: float) -> None:
        session = self.ledger.sessions[session_id]
        text = str(body["message"])
        self.ledger.messages.append(Accepted(session_id, text, key, owner, now, session.is_paused(now)))
        message = Message(now, "user", text, _attachments(body))
        self._agent.take(session, message, is_approval=approves(text, body), owner=owner)

    def _stop(self, session_id: str, now: float) -> Answer:
        self.ledger.requests["stop"] += 1
        self.ledger.sessions[session_id].forget_plans(now)
        return data({"session_id": session_id})

    # -- other processes --

    def _let_others_in(self, request: Request, scope: str, now: float) -> None:
        body = _object(request)
        ours = str(body.get("prompt", body.get("message", "")))
        if self.dials.hides is Hides.BOUNDARY and scope == "create":
            for _ in range(3):  # ours becomes the first row of the second page
                self._later(now + 0.1, scope, {"prompt": UNRELATED, "mode": "chat"})
        found = theirs(self.dials.others, ours)
        if found is not None:
            when, text = found
            changed = {**body, ("prompt" if scope == "create" else "message"): text}
            # What was read a moment ago stays true: a message before ours comes after the pause we answer.
            self._later(now + (when if scope == "create" else max(when, -JUST)), scope, changed)
        self._catch_up(now)

    def _later(self, at: float, scope: str, body: dict[str, object]) -> None:
        def happen(at: float) -> None:
            if scope == "create":
                self._make(body, "theirs", THEM, at)
            else:
                self._accept(scope, body, "theirs", THEM, at)

        self._coming.append((at, happen))

    # -- reads --

    def _read(self, name: str, answer: Callable[[], Answer]) -> Answer:
        self.ledger.requests[name] += 1
        return self._gateway.spoils_read() or answer()

    def _list(self, request: Request, now: float) -> Answer:
        self.ledger.requests["list"] += 1
        if not 1 <= int(request.query.get("limit", "20")) <= 100:
            return self._fault(refusal(400, "invalid_parameter", "Out of range.", param="limit"), request)
        if self.dials.hides is Hides.FAILING and now < self._fails_until:
            return refusal(500, "internal_error", "The list is down.")
        listed = self._views.listed(self.ledger.sessions.values(), now)
        is_second_page = request.query.get("token", "0") != "0"
        if self.dials.hides is Hides.BOUNDARY and is_second_page and not self._has_moved_rows:
            # Another process deletes one of its own, and all rows after it move up.
            self._has_moved_rows = True
            gone = next((one for one in listed if one.prompt == UNRELATED), None)
            if gone is not None:
                del self.ledger.sessions[gone.id]
                listed.remove(gone)
        return Answer(
            200,
            json.dumps(self._views.page(listed, request.query, now)).encode(),
            {"content-type": "application/json"},
        )

    def _session(self, session_id: str, now: float) -> Answer:
        session = self.ledger.sessions.get(session_id)
        if session is None:
            return refusal(404, "not_found", "No such session.")
        return data(self._views.session(session, now))

    def _session_videos(self, session_id: str, now: float) -> Answer:
        videos = [one for one in self.ledger.videos.values() if one.session_id == session_id]
        return data([self._views.video(one, now) for one in videos[::-1]], has_more=False, next_token=None)

    def _video(self, video_id: str, now: float) -> Answer:
        video = self.ledger.videos.get(video_id)
        if video is None:
            return refusal(404, "video_not_found", "No such video.")
        return data(self._views.video(video, now))

    def _statuses(self, request: Request, now: float) -> Answer:
        rows: list[dict[str, object]] = []
        for video_id in request.query.get("video_ids", "").split(","):
            video = self.ledger.videos.get(video_id)
            status = "not_found" if video is None else self._views.video(video, now)["status"]
            rows.append({"video_id": video_id, "status": status})
        return data(rows, has_more=False, next_token=None)


def _object(request: Request) -> dict[str, object]:
    return cast("dict[str, object]", json.loads(request.body))


def _attachments(body: dict[str, object]) -> tuple[str, ...]:
    files = cast("list[dict[str, str]]", body.get("files") or [])
    return tuple(one.get("url", "a file").rpartition("/")[2] for one in files)
