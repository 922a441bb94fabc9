"""
`heygen_async.testing` as users write their own tests with it; never run, only read by type checkers.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import assert_type

from heygen_async import HeyGen, Transport
from heygen_async.testing import (
    FAULTS,
    OPERATIONS,
    VIRTUAL_TIME,
    CreateRecord,
    Deadlock,
    Exchange,
    Fault,
    Faults,
    HttpRequest,
    HttpResponse,
    Ledger,
    Line,
    MemoryAnswer,
    MemoryStream,
    MemoryTransport,
    MessageRecord,
    Moods,
    Notice,
    ProbeReport,
    ProbeRow,
    ResponseDelivery,
    Scenario,
    Simulator,
    SimulatorServer,
    Step,
    Storage,
    VirtualLoop,
    WebhookSender,
    describe_probe,
    probe,
    run,
)
from heygen_async.testing.pytest_plugin import heygen_client, heygen_simulator


def scenarios() -> list[Scenario]:
    """Lives of sessions, ready made, changed and of one's own."""
    mine = Scenario(
        opening=(
            Step(status="thinking", seconds=5, progress=(0, 10), says=(Line(content="Hm", pictures=1),)),
            Step(status="reviewing"),
        ),
    )
    assert_type(mine.opening_run(proceed=True), tuple[Step, ...])
    assert_type(mine.run_for("reviewing", "go ahead", proceed=False), tuple[Step, ...])
    return [
        mine.timed(thinking=1, generating=2).at_speed(60),
        mine.with_video_at("create").with_lag(video=10, url=5),
        mine.with_video_seconds(30),
        mine.fails(at="thinking", with_reason=False).muted(),
        Scenario.chat(),
        Scenario.question(),
        Scenario.generate(),
        Scenario.failing("generating", mode="chat"),
        Scenario.stuck(),
    ]


def mine_run() -> tuple[Step, ...]:
    """One run of a session."""
    return (Step(status="generating", seconds=5),)


def service() -> Simulator:
    """The service: its faults, its books, its files."""
    simulator = Simulator(seed=1, max_jobs=3, scenario=Scenario.chat(), requests_per_second=10, speed=60)
    simulator.script(Scenario.stuck(), prompt="stuck")
    simulator.rotate_access_token("another")
    assert_type(simulator.api_key, str)
    assert_type(simulator.base_url, str)
    assert_type(simulator.faults, Faults)
    assert_type(simulator.moods, Moods)
    assert_type(simulator.expect_create("bakery", times=1, mode="chat"), list[CreateRecord])
    assert_type(simulator.expect_message("Approve", times=1, avatar_id="look_1"), list[MessageRecord])
    assert_type(simulator.expect_billed(1), list[str])
    simulator.idempotency = frozenset({"create"})
    simulator.moods = Moods(billing="subscription", burst=13, deleted_videos="status")
    assert_type(Scenario.chat().can_fail(at="generating"), bool)
    assert_type(Scenario.chat().cut_run(mine_run()), tuple[Step, ...])
    Scenario.conversational().with_more_thinking(5)
    Scenario.credit_runs_out().with_failure_reason("No credit.", code="OTHER")
    Scenario.silent_failure()
    assert_type(simulator.ledger, Ledger)
    assert_type(simulator.storage, Storage)
    simulator.faults.add("rate_limit", on="create", times=2, after=1, retry_after=3)
    simulator.faults.mix(0.1, seed=7, only=("reset_before",))
    simulator.faults.clear()
    assert_type(FAULTS["rate_limit"], Fault)
    assert_type(sorted(OPERATIONS), list[str])
    simulator.storage.video = b"..."
    simulator.storage.ranges = False
    return simulator


def books(ledger: Ledger) -> None:
    """What tests assert on."""
    assert_type(ledger.creates, list[CreateRecord])
    assert_type(ledger.messages, list[MessageRecord])
    assert_type(ledger.sessions, list[str])
    assert_type(ledger.billed, list[str])
    assert_type(ledger.polls, Counter[str])
    assert_type(ledger.requests, dict[str, Counter[int]])
    assert_type(ledger.duplicate_creates, int)
    assert_type(ledger.duplicate_messages, int)
    assert_type(ledger.total_requests, int)
    assert_type(ledger.key_leaks, list[str])
    assert_type(ledger.deliveries, dict[str, Counter[int]])


async def skins(simulator: Simulator) -> None:
    """In memory, or on a socket."""
    transport = MemoryTransport(simulator, latency=0.02)
    assert_type(transport.max_in_flight, int)
    carried: Transport = transport
    async with HeyGen(simulator.api_key, http=carried) as heygen:
        assert_type(heygen, HeyGen)
    async with SimulatorServer(simulator, host="127.0.0.1", port=0) as server:
        assert_type(server, SimulatorServer)
        assert_type(server.url, str)
        assert_type(server.connections, int)
        assert_type(await server.aclose(), None)


def exchange(simulator: Simulator) -> None:
    """Without any skin at all."""
    answered = simulator.exchange(HttpRequest("GET", "/v3/users/me"), 0.0)
    assert_type(answered, Exchange)
    assert_type(answered.response, HttpResponse)
    assert_type(answered.delivery, ResponseDelivery)
    assert_type(answered.sent_bytes, int)


async def receive(notice: Notice) -> int:
    """An endpoint for webhooks."""
    assert_type(notice.headers, Mapping[str, str])
    assert_type(notice.body, bytes)
    assert_type((notice.url, notice.event_id, notice.event_type, notice.attempt), tuple[str, str, str, int])
    return 200


async def delivered(simulator: Simulator) -> None:
    """Webhooks, carried to a function or by hand."""
    async with WebhookSender(simulator, receive) as postman:
        assert_type(postman, WebhookSender)
    await WebhookSender(simulator, lambda _: None).aclose()
    assert_type(simulator.next_notice(), float)
    for notice in simulator.notices(0.0):
        simulator.record_answer(notice, 200, 0.0)
    simulator.listeners.append(books_are_kept)


def books_are_kept() -> None:
    """Called after each request."""


async def streamed(answer: MemoryAnswer, stream: MemoryStream) -> None:
    """What the memory transport hands back."""
    assert_type(answer.body, bytes)
    assert_type(stream.chunks(), AsyncIterator[bytes])


async def probed(simulator: Simulator) -> None:
    """The service compared with the contract, and played from the record."""
    print(describe_probe(pay=True))
    report = await probe("key", base_url=simulator.base_url, pay=True, transport=MemoryTransport(simulator))
    assert_type(report, ProbeReport)
    assert_type(report.rows, tuple[ProbeRow, ...])
    assert_type(report.findings, tuple[ProbeRow, ...])
    for row in report.refuted:
        print(row.name, row.contract, row.verdict, row.severity, row.details, row.words)
    print(report.summary(), report.as_text(), report.as_json(), report.requests, report.paid, report.version)
    await report.save_cassette("cassette.json")
    assert_type(Scenario.from_cassette("cassette.json"), Scenario)


async def forty_two() -> int:
    """Anything that takes time."""
    return 42


def virtual_time() -> None:
    """Waiting costs nothing."""
    with contextlib.suppress(Deadlock):
        assert_type(run(forty_two), int)
    loop = VirtualLoop()
    assert_type(loop.time(), float)
    assert_type(loop.wall_time(), float)
    assert_type(VIRTUAL_TIME, tuple[str, dict[str, object]])
    assert callable(heygen_client)
    assert callable(heygen_simulator)
