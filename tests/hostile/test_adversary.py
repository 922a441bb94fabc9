"""The adversary itself: it keeps the contract, its dials do something, and its verdicts can fail."""

from __future__ import annotations

import itertools
import json
import random

import pytest

from contract.book import Book, Exchange
from hostile import evidence, rows
from hostile.claims import Claim, Claims
from hostile.covering import Array
from hostile.dials import Dials, Echo, Hides, Symptom, Times, When, parse
from hostile.echo import shown
from hostile.exchange import Answer, Cut, Request
from hostile.flows import Flow
from hostile.neighbours import similar
from hostile.play import Row, Run, play
from hostile.service import Service
from hostile.texts import APPROVAL, EARLIER_PROMPT, OTHER_PROMPT, PROMPT, REVISION
from hostile.verdict import Fault, judge

STRICT = Book("openapi.strict.yaml")
each = pytest.mark.parametrize


def post(service: Service, key: str, now: float, path: str = "", **body: str) -> Answer:
    """Write something by hand."""
    headers = {"x-api-key": "a-key", "idempotency-key": key}
    return service.handle(
        Request("POST", f"/v3/video-agents{path}", {}, headers, json.dumps(body).encode()), now
    )


def created(service: Service, key: str, now: float) -> Answer:
    """Create a chat session by hand."""
    return post(service, key, now, prompt=PROMPT, mode="chat")


def faults(run: Run) -> set[Fault]:
    """What was wrong with a run."""
    return {finding.fault for finding in judge(run)}


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Exchange]:
    """What passes between clients and services from now on."""
    exchanges: list[Exchange] = []
    handle = Service.handle

    def record(service: Service, request: Request, now: float) -> Answer:
        answer = handle(service, request, now)
        query = "&".join(f"{name}={value}" for name, value in request.query.items())
        url = f"https://api.heygen.com{request.path}" + (f"?{query}" if query else "")
        exchanges.append(
            Exchange(
                request.method, url, dict(request.headers), request.body or None, answer.status, answer.body
            )
        )
        return answer

    monkeypatch.setattr(Service, "handle", record)
    return exchanges


@each("flow", [Flow.CREATE, Flow.SEND, Flow.APPROVE, Flow.CONVERSE, Flow.BATCH], ids=str)
def test_its_answers_are_by_the_strict_book(flow: Flow, recorded: list[Exchange]) -> None:
    """What it answers when nothing breaks is what the contract says."""
    dials = Dials(symptom=Symptom.LOST, when=When.AFTER, write=rows.row_of(flow, {}).dials.write)
    play(Row(flow, dials))

    assert len(recorded) > 3
    for exchange in recorded:
        STRICT.check_answer(exchange)


@each("text", [PROMPT, OTHER_PROMPT, EARLIER_PROMPT, REVISION, APPROVAL], ids=lambda text: text[:6])
def test_every_echo_alters_every_text(text: str) -> None:
    """Whatever is said comes back otherwise, unless the echo is exact; no two echoes are the same."""
    heard = {echo: shown(text, echo) for echo in Echo if echo is not Echo.ATTACHMENTS}

    assert text == heard.pop(Echo.EXACT)
    assert text not in heard.values()
    assert len(set(heard.values())) == len(heard)


def test_the_similar_text_is_told_apart_by_its_end() -> None:
    """What another process says is like ours up to the last word."""
    theirs = similar(PROMPT)

    assert theirs != PROMPT
    assert shown(theirs, Echo.CUT) == shown(PROMPT, Echo.CUT)


BREAKS = [Dials(symptom=symptom, when=when) for symptom in Symptom for when in When]
WAYS_TO_BREAK = [
    dials
    for dials in BREAKS
    if dials.symptom is not Symptom.NONE and rows.is_sensible(Row(Flow.CREATE, dials))
]


@each("dials", WAYS_TO_BREAK, ids=str)
def test_a_broken_answer_tells_nothing(dials: Dials) -> None:
    """A broken answer names no session, and the session is there if and only if it broke afterwards."""
    service = Service(dials)
    service.arm()
    answer = created(service, "a", 1000.0)

    made = service.ledger.made(PROMPT)
    assert (dials.when is When.AFTER) == bool(made)
    is_told = answer.cut is None and b"sess0001" in answer.body
    assert is_told == (dials.symptom is Symptom.ONLY_ID)


@each(
    ("times", "broken"),
    [(Times.ONCE, 1), (Times.TWICE, 2), (Times.FIRST_ATTEMPT, 2), (Times.ALWAYS, 5)],
    ids=["once", "twice", "first-attempt", "always"],
)
def test_it_breaks_as_often_as_it_says(times: Times, broken: int) -> None:
    """Of five creates with two keys those break that the dial names."""
    service = Service(Dials(symptom=Symptom.LOST, times=times))
    service.arm()
    answers = [created(service, key, 1000.0) for key in ("a", "a", "b", "b", "b")]

    assert broken == sum(answer.cut is Cut.CLOSED for answer in answers)


def test_its_list_hides_the_row_on_the_boundary_once() -> None:
    """While pages are read rows move: the row that stood first on the second page is on neither, the first time."""
    service = Service(Dials(hides=Hides.BOUNDARY, symptom=Symptom.LOST, when=When.AFTER))
    service.arm()
    created(service, "a", 1000.0)

    def listed() -> list[str]:
        found: list[str] = []
        token: str | None = "0"
        while token is not None:
            request = Request("GET", "/v3/video-agents", {"token": token}, {"x-api-key": "a-key"})
            page = json.loads(service.handle(request, 1001.0).body)
            found += [row["session_id"] for row in page["data"]]
            token = page["next_token"]
        return found

    assert "sess0001" not in listed()
    assert "sess0001" in listed()


def test_paying_twice_is_found() -> None:
    """Who sends a create again without a look is told so, and that nobody knows of the first session."""
    service = Service(Dials(symptom=Symptom.LOST, when=When.AFTER))
    service.arm()
    created(service, "the-create", 1000.0)
    again = json.loads(created(service, "the-create", 1001.0).body)["data"]["session_id"]
    claims = Claims([Claim("create", PROMPT, session_id=again)])

    assert {Fault.SESSION_TWICE, Fault.SILENT_ORPHAN} == faults(
        Run(Row(Flow.CREATE, service.dials), service, claims)
    )


def test_answering_an_old_pause_is_found() -> None:
    """Who approves what was approved is told so, and a message that never arrived is no success."""
    service = Service(Dials())
    session_id = json.loads(created(service, "a", 1000.0).body)["data"]["session_id"]
    row = Row(Flow.APPROVE, service.dials)
    claims = Claims([Claim("approve", APPROVAL, session_id=session_id)])

    assert {Fault.LOST} == faults(Run(row, service, claims))
    post(service, "b", 1010.0, f"/{session_id}", message=APPROVAL)
    assert set() == faults(Run(row, service, claims))
    post(service, "c", 1020.0, f"/{session_id}", message=APPROVAL)
    assert {Fault.MESSAGE_TWICE} == faults(Run(row, service, claims))
    assert 2 == len(service.ledger.billed(session_id))


@each("flow", list(Flow), ids=str)
def test_nothing_is_wrong_when_nothing_is_turned(flow: Flow) -> None:
    """Against the service as one would wish it every flow is done, and nothing is found."""
    run = play(rows.row_of(flow, {}))

    assert [] == judge(run)
    assert [None] * len(run.claims.claims) == [claim.error for claim in run.claims.claims]


@each("strength", [2, 3])
def test_a_covering_array_covers(strength: int) -> None:
    """Every tuple of values that a sensible row can have is in a row, and no row is not sensible."""
    values = {name: tuple(range(size)) for name, size in zip("abcde", (4, 3, 3, 2, 2), strict=True)}

    def is_sensible(row: object) -> bool:
        assert isinstance(row, dict)
        return not (row["a"] == 3 and row["b"] == 2)

    array = Array(values, is_sensible, strength, random.Random(1))
    made = list(array.rows())

    covered = {few for row in made for few in itertools.combinations(row.items(), strength)}
    possible = {
        tuple(zip(names, few, strict=True))
        for names in itertools.combinations(values, strength)
        for few in itertools.product(*(values[name] for name in names))
        if not {("a", 3), ("b", 2)} <= set(zip(names, few, strict=True))
    }
    assert all(map(is_sensible, made))
    assert possible == covered
    assert len(made) < 4 * 3 * 3 * 2 * 2


def test_a_row_is_read_as_it_is_written() -> None:
    """The command that reproduces a row plays that row."""
    for row in itertools.islice(rows.at_random(1), 200):
        assert parse(str(row.dials).split()) == row.dials or not row.dials.turned()


def test_all_of_a_clear_row_is_clear() -> None:
    """Where only the truth is right nothing else is accepted of any intent."""
    for row in rows.covering(Flow.CREATE, clear=True):
        assert evidence.CLEAR == evidence.of(row, "create")
