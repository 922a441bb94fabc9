"""
The careful client in the flows: what it claims is judged like any other client's claims.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heygen_async import HeyGenError
from hostile.claims import Claim, Claims
from hostile.dials import Echo, Hides, History, Leaving, Trust
from hostile.flows import Flow
from hostile.model import Creator, Line
from hostile.model_talk import Talk
from hostile.play import Run
from hostile.service import Service
from hostile.texts import APPROVAL, ATTACHMENT, EARLIER_PROMPT, PROMPT, REVISION

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostile.play import Row

FLOWS = (Flow.CREATE, Flow.SEND, Flow.APPROVE, Flow.CONVERSE)


def play(row: Row) -> Run:
    """Play a row with the careful client."""
    service = Service(row.dials)
    user = User(row, Line(service, trusts_keys=row.dials.trust is Trust.YES))
    user.play()
    return Run(row, service, user.claims)


class User:
    """Who uses the careful client."""

    def __init__(self, row: Row, line: Line) -> None:
        self._row = row
        self._line = line
        self._service = line.service
        is_incognito = row.dials.hides is Hides.INCOGNITO
        self._creator = Creator(line, is_incognito=is_incognito)
        self._options = {"incognito_mode": True} if is_incognito else {}
        has_files = row.dials.echo is Echo.ATTACHMENTS
        self._files = {"files": [{"type": "url", "url": ATTACHMENT}]} if has_files else {}
        self.claims = Claims()

    def play(self) -> None:
        """Play the flow."""
        if self._row.dials.history is History.SEASONED:
            self._earlier()
        if self._row.flow in {Flow.CREATE, Flow.CONVERSE}:
            self._service.arm()
        session_id = self._creator_claims()
        if session_id is not None:
            self._go_on(Talk(self._line, session_id), session_id)
        if self._row.dials.leaving is Leaving.LATER:
            self.claims.orphans = tuple(self._creator.search_again())

    def _earlier(self) -> None:
        for wait in (300.0, 3.0):
            session_id = self._creator.create(EARLIER_PROMPT, f"earlier-{wait}", **self._files)
            self._line.now += wait
            self._creator.learn(session_id, EARLIER_PROMPT)

    def _creator_claims(self) -> str | None:
        claim = Claim("create", PROMPT)
        self.claims.claims.append(claim)
        try:
            claim.session_id = self._creator.create(PROMPT, "the-create", **self._options, **self._files)
        except HeyGenError as error:
            claim.error = error
        return claim.session_id

    def _go_on(self, talk: Talk, session_id: str) -> None:
        flow = self._row.flow
        if flow is Flow.CREATE:
            self._claim("pause", "", session_id, talk.wait)
        elif flow is Flow.CONVERSE:
            self._claim("converse", "", session_id, lambda: self._converse(talk))
        else:
            talk.wait()
            self._line.now += 10.0
            self._service.arm()
            text = REVISION if flow is Flow.SEND else APPROVAL
            files = self._files if flow is Flow.SEND else {}
            if self._claim(flow.value, text, session_id, lambda: talk.send(text, f"the-{flow}", **files)):
                self._claim("pause" if flow is Flow.SEND else "video", "", session_id, talk.wait)

    def _converse(self, talk: Talk) -> None:
        answers = iter([REVISION, *[APPROVAL] * 5])
        while talk.wait() in {"reviewing", "waiting_for_input"}:
            text = next(answers)
            talk.send(text, f"the-answer-{text[:3]}-{self._line.now:.0f}")

    def _claim(self, intent: str, text: str, session_id: str, act: Callable[[], object]) -> bool:
        claim = Claim(intent, text, session_id)
        self.claims.claims.append(claim)
        try:
            act()
        except HeyGenError as error:
            claim.error = error
            return False
        session = self._service.ledger.sessions.get(session_id)
        if intent == "pause":
            claim.is_early = session is None or not session.is_paused(self._line.now)
        return True
