"""`heygen.check`: what is wrong with jobs is found by free reads, before anything is paid for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from flows import Line, client
from heygen_async import AssetBase64, AssetId, Finding, HeyGen, Job, Rate, Unauthorized
from heygen_async.testing import MemoryAnswer, Simulator

each = pytest.mark.parametrize

HEADERS = {"content-type": "application/json"}


class Altered(Line):
    """A line on which answers to some addresses are changed or replaced."""

    def __init__(self, service: Simulator, **changes: Callable[[Any], Any] | int) -> None:
        super().__init__(service)
        self._changes = {name.replace("_", "/"): change for name, change in changes.items()}

    async def send(self, request: Any) -> MemoryAnswer:
        """Change the data of an answer, or fail with a status."""
        answer = await super().send(request)
        for part, change in self._changes.items():
            if request.method == "GET" and part in request.url:
                if isinstance(change, int):
                    error = {"code": "failed", "message": "no"}
                    return MemoryAnswer(change, HEADERS, json.dumps({"error": error}).encode())
                body = json.loads(answer.body)
                body["data"] = change(body["data"])
                return MemoryAnswer(answer.status, HEADERS, json.dumps(body).encode())
        return answer


def merge(fields: dict[str, Any]) -> Callable[[Any], Any]:
    """Return a change of some fields of the data."""

    def change(data: dict[str, Any]) -> dict[str, Any]:
        return data | fields

    return change


async def first(items: AsyncIterator[Any]) -> Any:
    """Return the first item."""
    async for item in items:
        return item
    raise AssertionError


async def check(line: Line | Simulator, jobs: Any, **options: Any) -> list[Finding]:
    """Check jobs with a client of their own, which creates and changes nothing."""
    line = line if isinstance(line, Line) else Line(line)
    async with client(line) as heygen:
        findings = await heygen.check(jobs, **options)
    assert {"GET"} >= {sent.method for sent in line.sent}
    return findings


async def good_options(heygen: HeyGen) -> dict[str, Any]:
    """Return options that exist at the service."""
    look = await first(heygen.avatars.looks())
    voice = await first(heygen.voices.list())
    style = await first(heygen.styles.list())
    kit = await first(heygen.brand_kits.list())
    return {
        "avatar_id": look.id,
        "voice_id": voice.voice_id,
        "style_id": style.style_id,
        "brand_kit_id": kit.brand_kit_id,
    }


async def test_good_jobs_raise_no_alarm(tmp_path: Path) -> None:
    """Of two hundred jobs with nothing wrong none has a finding, and each id is read once."""
    service = Simulator()
    picture = tmp_path / "a.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    line = Line(service)
    async with client(service) as heygen:
        options = await good_options(heygen)
        asset = await heygen.assets.upload(picture)
    jobs = [
        Job(
            f"Job number {number}",
            mode="generate",
            files=[asset, picture, "https://example.com/a.pdf"],
            **options,
        )
        for number in range(200)
    ]

    assert [] == await check(line, jobs)
    assert len(line.sent) <= 6


@each(
    ("options", "argument"),
    [
        ({"avatar_id": "nobody"}, "avatar_id"),
        ({"voice_id": "nobody"}, "voice_id"),
        ({"style_id": "nothing"}, "style_id"),
        ({"brand_kit_id": "nothing"}, "brand_kit_id"),
        ({"brand_glossary_id": "nothing"}, "brand_glossary_id"),
        ({"files": [AssetId(asset_id="nothing")]}, "files[0]"),
        ({"files": [AssetBase64(media_type="text/html", data="eA==")]}, "files[0]"),
        ({"files": [Path("/nowhere/a.png")]}, "files[0]"),
        ({"files": ["https://example.com/index.html?x=1"]}, "files[0]"),
        ({"prompt": "Can you say hello?"}, "prompt"),
        ({"prompt": "word " * 600}, "prompt"),
    ],
    ids=[
        *("look", "voice", "style", "brand-kit", "glossary", "asset", "inline-type", "missing-file", "page"),
        *("question", "long"),
    ],
)
async def test_what_does_not_exist_or_fit_is_found(options: Any, argument: str) -> None:
    """Each fault is named with its job and argument; a job beside it has none."""
    options = {"prompt": "A tour", "mode": "generate", "key": "bad", **options}
    [finding] = await check(Simulator(), [Job("A tour", key="good"), Job(**options)])

    assert (2, "bad", argument) == (finding.position, finding.key, finding.argument)
    assert f"job 2 (bad): {argument}" in str(finding)


async def test_a_group_given_as_an_avatar_is_explained() -> None:
    """The id of an avatar in place of one of its looks is said to be just that."""
    service = Simulator()
    async with client(service) as heygen:
        group = await first(heygen.avatars.list())
    [finding] = await check(service, [Job("A tour", avatar_id=group.id)])

    assert "one of its looks" in finding.problem


@each(
    ("part", "change", "problem"),
    [
        ("avatars_looks_", {"status": "processing"}, "not ready"),
        ("avatars_looks_", {"preferred_orientation": "portrait"}, "made for portrait"),
        ("voices_", {"status": "failed"}, "not ready"),
    ],
    ids=["look-training", "look-orientation", "voice-failed"],
)
async def test_what_is_not_ready_is_found(part: str, change: dict[str, str], problem: str) -> None:
    """An avatar or voice that exists and would fail in silence is found."""
    service = Simulator()
    async with client(service) as heygen:
        options = await good_options(heygen)
    changed: dict[str, Any] = {part: merge(change)}
    line = Altered(service, **changed)
    job = Job("A tour", avatar_id=options["avatar_id"], voice_id=options["voice_id"], orientation="landscape")
    [finding] = await check(line, [job])

    assert problem in finding.problem


async def test_all_findings_come_at_once() -> None:
    """One run names every fault of every job, items that are no jobs included."""
    jobs = [Job("A", avatar_id="x", voice_id="y"), "", Job("B", avatar_id="x"), Job("Why?", mode="generate")]
    findings = await check(Simulator(), jobs)

    assert [1, 1, 2, 3, 4] == [finding.position for finding in findings]
    assert [False, False, False, False, True] == [finding.is_warning for finding in findings]


@each(
    ("balance", "rate", "count"),
    [(0.1, None, 1), (100.0, None, 0), (3.0, Rate(per_second=0.1), 1), (9.0, Rate(per_second=0.1), 0)],
    ids=["empty", "enough", "less-than-the-sum", "the-sum"],
)
async def test_the_wallet_is_compared(balance: float, rate: Rate | None, count: int) -> None:
    """Too little credit for one create, or with a rate for the sum, is a finding for all."""
    wallet = {"currency": "usd", "remaining_balance": balance}
    line = Altered(Simulator(), users_me=merge({"wallet": wallet}))
    findings = await check(line, [Job("A", max_seconds=40), Job("B", expected_seconds=40)], rate=rate)

    assert [0] * count == [finding.position for finding in findings]


async def test_what_cannot_be_read_is_a_warning() -> None:
    """A read that fails finds nothing wrong, and says so."""
    findings = await check(Altered(Simulator(), styles=403, users_me=403), [Job("A", style_id="x")])

    assert [True, True] == [finding.is_warning for finding in findings]
    assert "could not be checked" in findings[1].problem


async def test_a_refused_credential_is_raised() -> None:
    """With a key the service refuses nothing can be checked."""
    async with client(Line(Simulator()), api_key="another-key") as heygen:
        with pytest.raises(Unauthorized):
            await heygen.check([Job("A", avatar_id="x")])


async def test_a_session_that_exists_is_not_checked() -> None:
    """A job that continues a session has been paid for."""
    service = Simulator()
    async with client(service) as heygen:
        ref = (await heygen.sessions.create("A tour")).ref()

    assert [] == await check(Line(service), [Job("A", avatar_id="x", ref=ref)])
