"""`heygen.webhooks`: endpoints, their secrets, and what was sent."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest

from flows import Line, all_of, pass_time
from heygen_async import HeyGen, InvalidArgument, NotFound, WebhookEvent
from heygen_async._resources.webhooks import WebhookEndpoints
from heygen_async.testing import Scenario, Simulator

URL = "https://example.test/hook?token=hidden"


async def test_an_endpoint_lives(heygen: HeyGen) -> None:
    """An endpoint is registered, found, changed and removed."""
    endpoints = heygen.webhooks.endpoints
    first = await endpoints.create(URL)
    second = await endpoints.create("https://example.test/2", events=["video_agent.fail"])
    changed = await endpoints.update(
        second.endpoint_id, url="https://example.test/3", events=["video_agent.success"]
    )

    assert (None, ("video_agent.fail",)) == (first.events, second.events)
    assert ("https://example.test/3", ("video_agent.success",)) == (changed.url, changed.events)
    listed = await all_of(endpoints.list(page_size=1))
    assert {first.endpoint_id, second.endpoint_id} == {endpoint.endpoint_id for endpoint in listed}
    await endpoints.delete(first.endpoint_id)
    assert [second.endpoint_id] == [endpoint.endpoint_id async for endpoint in endpoints.list()]
    with pytest.raises(NotFound):
        await endpoints.delete(first.endpoint_id)


async def test_secrets_are_told_once_and_never_shown(heygen: HeyGen) -> None:
    """A secret comes with the create and with each rotation, not with a list, and no repr shows it."""
    made = await heygen.webhooks.endpoints.create(URL)
    rotated = await heygen.webhooks.endpoints.rotate_secret(made.endpoint_id)
    listed = await all_of(heygen.webhooks.endpoints.list())

    assert made.secret
    assert made.secret != rotated.secret
    assert [None] == [endpoint.secret for endpoint in listed]
    shown = f"{made} {made!r} {rotated} {rotated!r} {listed}"
    assert not any(text in shown for text in (made.secret, rotated.secret, "hidden"))


@pytest.mark.parametrize("fault", ["reset_after_processing", "error_500", "rate_limit"])
async def test_a_lost_answer_registers_once(heygen: HeyGen, service: Simulator, fault: str) -> None:
    """When the answer to a create is lost it is asked for again under the same key: one endpoint, and its secret."""
    service.faults.add(fault, on="endpoint_create")
    made = await heygen.webhooks.endpoints.create(URL)

    assert made.secret
    assert 1 == len(await all_of(heygen.webhooks.endpoints.list()))


async def test_an_entity_is_named_to_the_letter(heygen: HeyGen, line: Line) -> None:
    """The id of an entity stands in the body as it was given, without the escapes that a path would need."""
    await heygen.webhooks.endpoints.create(URL, entity_id="ent/1 é")

    assert "ent/1 é" == json.loads(line.sent[-1].body or b"")["entity_id"]


async def test_what_was_sent_can_be_looked_up(heygen: HeyGen, service: Simulator) -> None:
    """The history has what an endpoint missed, as events that `notify` takes."""
    service.script(Scenario.failing("generating"), prompt="doomed")
    await heygen.webhooks.endpoints.create(URL)
    well = await heygen.sessions.create("A tour", mode="generate")
    ill = await heygen.sessions.create("doomed", mode="generate")
    await pass_time(3600)
    events = await all_of(heygen.webhooks.events(page_size=1))
    failures = await all_of(heygen.webhooks.events(event_type="video_agent.fail", entity_id=ill.id))

    assert {"video_agent.success": well.id, "video_agent.fail": ill.id} == {
        event.type: event.session_id for event in events
    }
    assert [ill.id] == [event.session_id for event in failures]
    assert all(isinstance(event, WebhookEvent) and event.created for event in events)
    assert not heygen.notify(events[0])


async def test_the_types_can_be_looked_up(heygen: HeyGen) -> None:
    """All types that can be subscribed to come with a description."""
    types = await heygen.webhooks.event_types()

    assert {"video_agent.success", "video_agent.fail"} <= {each.event_type for each in types}
    assert all(each.description for each in types)


MISTAKES: dict[str, tuple[str, Callable[[WebhookEndpoints], Awaitable[object]]]] = {
    "plain http": ("url", lambda endpoints: endpoints.create("http://example.test/hook")),
    "no host": ("url", lambda endpoints: endpoints.create("https://")),
    "not an address": ("url", lambda endpoints: endpoints.create("https://[")),
    "not text": ("url", lambda endpoints: endpoints.create(b"https://a.test")),  # type: ignore[arg-type]
    "half a character": ("url", lambda endpoints: endpoints.create("https://a.test/\ud800")),
    "one string": ("events", lambda endpoints: endpoints.create(URL, events="video_agent.fail")),
    "no events": ("events", lambda endpoints: endpoints.update("ep_1", events=[])),
    "nothing": ("url", lambda endpoints: endpoints.update("ep_1")),
    "a path": ("endpoint_id", lambda endpoints: endpoints.delete("..")),
    "empty": ("endpoint_id", lambda endpoints: endpoints.rotate_secret("")),
    "entity": ("entity_id", lambda endpoints: endpoints.create(URL, entity_id="")),
    "page": ("page_size", lambda endpoints: all_of(endpoints.list(page_size=101))),
}


@pytest.mark.parametrize(("argument", "call"), MISTAKES.values(), ids=MISTAKES.keys())
async def test_mistakes_are_named(
    heygen: HeyGen, line: Line, argument: str, call: Callable[[WebhookEndpoints], Awaitable[object]]
) -> None:
    """What the service would refuse is refused before anything is sent, and the argument is named."""
    with pytest.raises(InvalidArgument) as refused:
        await call(heygen.webhooks.endpoints)

    assert argument == refused.value.argument
    assert [] == line.sent


async def test_filters_are_checked(heygen: HeyGen, line: Line) -> None:
    """A filter that cannot be sent is refused."""
    with pytest.raises(InvalidArgument):
        await all_of(heygen.webhooks.events(entity_id=""))

    assert [] == line.sent


async def test_nothing_unasked_is_sent(heygen: HeyGen, line: Line) -> None:
    """A body has what was given and nothing else."""
    await heygen.webhooks.endpoints.create(URL)

    assert {"url": URL} == json.loads(line.sent[0].body or b"")
