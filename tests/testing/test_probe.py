"""The probe: what it asks, what it finds, and what it never tells."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from heygen_async import Unauthorized
from heygen_async.errors import ConnectFailed
from heygen_async.testing import (
    MemoryAnswer,
    MemoryTransport,
    ProbeReport,
    Scenario,
    Simulator,
    describe_probe,
    probe,
)
from heygen_async.testing._probe.echo import describe_echo
from heygen_async.testing._probe.probe import make_report
from heygen_async.testing._probe.recorder import FileRequest
from heygen_async.testing._probe.texts import PROMPT, UNKNOWN
from heygen_async.testing._service.echo import ECHOES
from testing.probed import AlteredTransport, Change, probed, verdicts

if TYPE_CHECKING:
    import pathlib

    from heygen_async.testing._transports.memory import Outgoing

READ = "GET /v3/video-agents/sess"


async def altered(beginning: str, change: Change) -> ProbeReport:
    """The report on a simulator whose answers are changed where method and path begin so."""
    simulator = Simulator()
    transport = AlteredTransport(simulator, {beginning: change})
    return await probed(simulator, transport=transport)


def in_data(change: Callable[[dict[str, Any]], object]) -> Change:
    """Change what an answer is about."""

    def apply(answer: Any) -> Any:
        rows = answer["data"] if isinstance(answer.get("data"), list) else [answer.get("data")]
        for row in filter(None, rows):
            change(row)
        return answer

    return apply


def rename_id(row: dict[str, Any]) -> None:
    """Call a session's id another name."""
    if "messages" in row:
        row["id"] = row.pop("session_id")


def rename_event(row: dict[str, Any]) -> None:
    """Call the end of a session another name."""
    if row["event_type"] == "video_agent.success":
        row["event_type"] = "video_agent.completed"


def date_in_words(row: dict[str, Any]) -> None:
    """Show a time as text."""
    row["created_at"] = "2026-01-01T00:00:00Z"


def new_word(row: dict[str, Any]) -> None:
    """Have a status nobody knows."""
    if row.get("status") == "generating":
        row["status"] = "rendering"


class ShortPages(MemoryTransport):
    """A service whose voices come ten at a time."""

    async def send(self, request: Outgoing) -> MemoryAnswer:
        """Ask for ten where nothing else is asked for."""
        if request.url.endswith("/v3/voices"):
            request = FileRequest(f"{request.url}?limit=10", request.headers)
        return await super().send(request)


class Forbidding(MemoryTransport):
    """A service that says forbidden in place of not found."""

    async def send(self, request: Outgoing) -> MemoryAnswer:
        """Change status and code."""
        answer = await super().send(request)
        if answer.status == 404 and request.url.endswith(UNKNOWN):
            body = {"error": {"code": "forbidden", "message": "No."}}
            answer = replace(answer, status=403, body=json.dumps(body).encode())
        return answer


async def keys_honoured() -> ProbeReport:
    """Keys replay everywhere."""
    return await probed(Simulator(idempotency="honoured"))


async def echo_altered() -> ProbeReport:
    """The prompt comes back with other line ends."""
    simulator = Simulator()
    simulator.faults.add("altered_echo", how="line_ends")
    return await probed(simulator)


async def late_list() -> ProbeReport:
    """New sessions are listed late."""
    simulator = Simulator()
    simulator.faults.add("list_lags", seconds=3)
    return await probed(simulator)


async def other_pages() -> ProbeReport:
    """A page of voices has ten rows."""
    simulator = Simulator()
    return await probed(simulator, transport=ShortPages(simulator))


async def other_refusal() -> ProbeReport:
    """Unknown ids are forbidden."""
    simulator = Simulator()
    return await probed(simulator, transport=Forbidding(simulator))


MUTATIONS: dict[str, tuple[Callable[[], Any], dict[str, str], str]] = {
    "renamed field": (
        lambda: altered(READ, in_data(rename_id)),
        {"GET /v3/video-agents/{session_id}": "refuted"},
        "data.session_id is missing; new field data.id",
    ),
    "wrong type": (
        lambda: altered("GET /v3/videos/vid_", in_data(date_in_words)),
        {"GET /v3/videos/{video_id}": "refuted"},
        "data.created_at is string, not integer or null",
    ),
    "new enum word": (
        lambda: altered(READ, in_data(new_word)),
        {"GET /v3/video-agents/{session_id}": "new"},
        "new word rendering in data.status",
    ),
    "missing envelope": (
        lambda: altered("GET /v3/brand-kits", lambda answer: answer["data"][0]),
        {"GET /v3/brand-kits": "refuted"},
        "data is missing",
    ),
    "keys honoured": (
        keys_honoured,
        {
            "Keys are not known to be honoured on create": "new",
            "Keys are not known to be honoured on send": "new",
        },
        "keys are honoured",
    ),
    "echo altered": (
        echo_altered,
        {"What is echoed may differ from what was sent": "confirmed"},
        "line ends differ",
    ),
    "lag": (late_list, {"The list may lag behind creates": "confirmed"}, "the session was missing 1 s"),
    "clock off": (
        lambda: probed(Simulator(clock_skew=-600)),
        {"The service's clock agrees with this one": "new"},
        "600 s behind",
    ),
    "other page size": (
        other_pages,
        {"Lists have their default page sizes": "refuted"},
        "/v3/voices: 10 rows, not 20",
    ),
    "404 for 403": (
        other_refusal,
        {"An unknown id is refused with 404": "refuted"},
        "GET /v3/video-agents/{session_id} answers 403 forbidden",
    ),
    "lower rate": (
        lambda: probed(Simulator(requests_per_second=0.9)),
        {"2 requests a second are not too many": "new"},
        "refused with 429: Retry-After 1, rate_limit_exceeded",
    ),
    "event name changed": (
        lambda: altered("GET /v3/webhooks/event-types", in_data(rename_event)),
        {"The event types are those known": "refuted"},
        "video_agent.success is gone; new event video_agent.completed",
    ),
}


USUAL: dict[str, str] = {}


async def usual_verdicts() -> dict[str, str]:
    """The verdicts where nothing is changed; the same each time, so they are found once."""
    if not USUAL:
        USUAL.update(verdicts(await probed()))
    return USUAL


async def test_the_simulator_is_as_the_contract_says() -> None:
    """Nothing is refuted or new where nothing was changed."""
    report = await probed()

    assert () == report.findings
    assert "confirmed" == verdicts(report)["POST /v3/video-agents"]


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_each_mutation_is_named_and_nothing_else(mutation: str) -> None:
    """One change of the service changes the verdict on what it is about, says what it is, and changes no other."""
    probe_it, expected, words = MUTATIONS[mutation]
    usual, report = await usual_verdicts(), await probe_it()
    changed = {name: verdict for name, verdict in verdicts(report).items() if usual[name] != verdict}
    details = " ".join(row.details for row in report.rows if row.name in changed)

    assert expected == changed
    assert words in details


@pytest.mark.parametrize("pay", [False, True], ids=["free", "paid"])
async def test_it_keeps_to_its_caps(pay: bool) -> None:
    """It sends what it said at most, however slow the session is, and creates one session at most."""
    simulator = Simulator(scenario=Scenario.chat().timed(thinking=3000, generating=3000))
    transport = AlteredTransport(simulator, {})
    await probed(simulator, pay=pay, transport=transport)

    assert len(transport.requests) <= 60
    assert int(pay) == len(simulator.ledger.creates)
    assert ("one session" in describe_probe(pay=pay), "60 requests" in describe_probe(pay=pay)) == (pay, True)


async def test_a_service_that_answers_nothing_but_429_is_left_alone() -> None:
    """Refusals for their rate count against the cap, and what could not be asked is not seen."""
    simulator = Simulator(requests_per_second=0.01)
    transport = AlteredTransport(simulator, {})
    report = await probed(simulator, transport=transport)

    assert len(transport.requests) <= 60
    assert {"new", "not seen", "confirmed"} >= set(verdicts(report).values())


async def test_a_bad_key_ends_it() -> None:
    """The caller's own key, if refused, is an error after one request, and no report."""
    simulator = Simulator()
    transport = AlteredTransport(simulator, {})
    with pytest.raises(Unauthorized):
        await probe("another-key", base_url=simulator.base_url, transport=transport)

    assert 1 == len(transport.requests)


async def test_no_service_ends_it() -> None:
    """A service that cannot be reached is an error, and no report."""
    simulator = Simulator()
    simulator.faults.add("connect_refused", on="account", times=None)
    with pytest.raises(ConnectFailed):
        await probed(simulator)


async def test_a_key_refused_once_in_between_is_no_end() -> None:
    """Once the service has answered, there is a report, whatever it does then."""
    simulator = Simulator()
    simulator.faults.add("unauthorized_once", on="brand_kits")
    report = await probed(simulator)

    assert "not seen" == verdicts(report)["GET /v3/brand-kits"]
    assert "confirmed" == verdicts(report)["GET /v3/voices"]


async def test_an_approval_is_not_sent_twice_for_an_old_pause() -> None:
    """While reads still show the pause that was answered, nothing is answered again."""
    simulator = Simulator()
    simulator.faults.add("stale_status", polls=2, times=None)
    report = await probed(simulator)

    assert 1 == len(simulator.ledger.messages)
    assert "confirmed" == verdicts(report)["The link of a video needs no key, and takes ranges"]


async def test_a_create_that_is_refused_for_its_rate_is_tried_again() -> None:
    """The cap on creates is one on sessions: a 429 has made none."""
    simulator = Simulator()
    simulator.faults.add("rate_limit", on="create", after=1)  # the first has no prompt
    report = await probed(simulator)

    assert 1 == len(simulator.ledger.creates)
    assert "confirmed" == verdicts(report)["POST /v3/video-agents"]


async def test_a_create_without_an_answer_is_not_sent_again() -> None:
    """Nobody knows whether it was made, so no other is; what the session would have shown is not seen."""
    simulator = Simulator()
    simulator.faults.add("reset_after_processing", on="create", after=1)
    report = await probed(simulator)

    assert 1 == len(simulator.ledger.creates)
    assert "not seen" == verdicts(report)["POST /v3/video-agents/{session_id}"]


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_a_service_answers_there_is_a_report(seed: int) -> None:
    """Values of any type in any place end in a report within the caps, and in a cassette that can be judged again."""
    dice = random.Random(seed)
    junk: list[Any] = [None, 1, -1.5, "x", [], {}, [1], [{}], {"a": 1}, True, ["a"], [[]], 10**30]

    def spoil(value: Any) -> Any:
        if dice.random() < 0.05:
            return dice.choice(junk)
        if isinstance(value, dict):
            return {name: spoil(member) for name, member in cast("dict[str, Any]", value).items()}
        if isinstance(value, list):
            return [spoil(item) for item in cast("list[object]", value)]
        return value

    simulator = Simulator(seed=seed)
    transport = AlteredTransport(simulator, {"": spoil})
    report = await probed(simulator, transport=transport)

    assert len(transport.requests) <= 60
    assert len(simulator.ledger.creates) <= 1
    assert json.dumps(report.as_json())
    assert make_report(report.cassette.exchanges).as_text()


def plant(value: Any, name: str = "") -> Any:
    """Put a secret into every text of an answer that is not a word of the service's."""
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        planted = {key: plant(member, key) for key, member in members.items()}
        return {**planted, "surprise": "canary", "open": {"canary": "canary"}, "of canary 7": 1}
    if isinstance(value, list):
        return [plant(item, name) for item in cast("list[object]", value)]
    words = {
        "status",
        "type",
        "role",
        "code",
        "param",
        "event_type",
        "billing_type",
        "currency",
        "avatar_type",
    }
    words |= {
        "resource_type",
        "source_type",
        "aspect_ratio",
        "preferred_orientation",
        "created_at",
        "updated_at",
    }
    kept = words | {"next_token", "video_url"}
    is_id = name.endswith(("id", "ids"))
    return f"{value}-canary" if isinstance(value, str) and name not in kept and not is_id else value


async def test_nothing_of_the_accounts_is_told(tmp_path: pathlib.Path) -> None:
    """Neither report nor cassette has a secret, an id, a name, an address or a link of the account's."""
    simulator = Simulator(api_key="canary-api-key-123")
    simulator.faults.add("rate_limit", on="styles")
    transport = AlteredTransport(simulator, {"": plant})
    report = await probed(simulator, transport=transport)
    await report.save_cassette(tmp_path / "cassette.json")
    told = report.as_text() + json.dumps(report.as_json()) + (tmp_path / "cassette.json").read_text("utf-8")
    ids = [create.session_id for create in simulator.ledger.creates] + simulator.ledger.billed
    keys = [create.idempotency_key or "" for create in simulator.ledger.creates]
    unique = [simulator.api_key, "someone", *ids, *keys, "signature=", "127.0.0.1", "look_1", "grp_", "12.5"]

    assert 2 == len(ids)
    assert [] == [secret for secret in unique if secret in told]
    assert "canary" not in told
    assert "new field data[].surprise" in told


async def test_a_cassette_tells_what_was_recorded() -> None:
    """The report on a cassette is the report on what was recorded: what is replaced, is replaced alike."""
    report = await probed(Simulator(idempotency="honoured"))
    again = make_report(report.cassette.exchanges)

    assert verdicts(report) == verdicts(again)


def test_each_echo_is_described_in_its_own_words() -> None:
    """Every change of the caller's words that is known gets a description, and none quotes them."""
    altered = {name: describe_echo(PROMPT, change(PROMPT)) for name, change in ECHOES.items()}
    unchanged = {"attachments", "trimmed"}

    assert {""} == {altered[name] for name in unchanged}
    assert all(altered[name] for name in set(altered) - unchanged)
    assert not any("café" in words for words in altered.values())
    assert "spaces differ" == altered["spaces"]
    assert altered["cut"].startswith("it is cut after ")


def test_rows_are_named_once() -> None:
    """No two rows have the same name."""
    names = [row.name for row in make_report([]).rows]

    assert [] == [name for name, group in itertools.groupby(sorted(names)) if len(list(group)) > 1]
    assert {"not seen"} == {row.verdict for row in make_report([]).rows}
