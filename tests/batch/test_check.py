"""`heygen.check`: what is wrong with jobs is found by free reads, before anything is paid for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from flows import Line, client
from heygen_async import AssetBase64, AssetId, Finding, HeyGen, InvalidArgument, Job, Rate, Unauthorized
from heygen_async.testing import MemoryAnswer, Simulator

each = pytest.mark.parametrize

HEADERS = {"content-type": "application/json"}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
# What the jobs of the corpus attach; a kilobyte tells the type of a file.
ATTACHMENTS = {
    "good.png": PNG,
    "good.jpg": b"\xff\xd8\xff\xe0" + bytes(100),
    "good.mp4": b"\0\0\0\x18ftypmp42" + bytes(100),
    "good.webm": b"\x1a\x45\xdf\xa3\x42\x82\x84webm" + bytes(100),
    "good.pdf": b"%PDF-1.7\n" + bytes(100),
    "good.wav": b"RIFF\x24\0\0\0WAVEfmt " + bytes(100),
    "good.mp3": b"ID3\x04\0\0\0\0\0\0" + bytes(100),
    "empty.png": b"",
    "login.png": b"<!DOCTYPE html><html><body>Log in",
    "script.docx": b"PK\x03\x04" + bytes(100),
    "logo.gif": b"GIF89a" + bytes(100),
    "notes.txt": b"Say hello.",
}


@pytest.fixture
def attachments(tmp_path: Path) -> Path:
    """A folder with them."""
    for name, data in ATTACHMENTS.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


class Altered(Line):
    """A line on which answers to some addresses are changed or replaced."""

    def __init__(self, service: Simulator, changes: Mapping[str, Callable[[Any], Any] | int]) -> None:
        super().__init__(service)
        self._changes = changes

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


async def test_each_id_is_read_once() -> None:
    """Two hundred jobs that name the same things cost a few reads."""
    service = Simulator()
    line = Line(service)
    async with client(service) as heygen:
        options = await good_options(heygen)
        asset = await heygen.assets.upload(PNG, filename="a.png")
    jobs = [Job(f"Job number {number}", files=[asset], **options) for number in range(200)]

    assert [] == await check(line, jobs)
    assert len(line.sent) <= 6


def corpus(name: str) -> list[dict[str, Any]]:
    """Return the lines of a corpus of jobs; see `jobs/README.md`."""
    text = (Path(__file__).parent / "jobs" / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def make_job(folder: Path, options: Mapping[str, Any]) -> Job:
    """Return a job of the corpus."""

    def file(item: Any) -> Any:
        if isinstance(item, str):
            return item
        if "path" in item:
            return folder / item["path"]
        return AssetId(**item) if "asset_id" in item else AssetBase64(**item)

    fields: dict[str, Any] = {**options, "files": [file(item) for item in options.get("files", ())]}
    return Job(**fields)


def with_flaws() -> Line:
    """Return a line to a service with a look that has no picture, and a voice that could not be made."""
    flaws: dict[str, Any] = {
        "looks/look_5": merge({"preview_image_url": None}),
        "voices/voice_30": merge({"status": "failed"}),
    }
    return Altered(Simulator(), flaws)


async def arguments_found(folder: Path, options: Mapping[str, Any]) -> list[str]:
    """Return the arguments that a job is refused for, by itself or by a check."""
    try:
        job = make_job(folder, options)
    except InvalidArgument as error:
        return [error.argument]
    return [finding.argument for finding in await check(with_flaws(), [job])]


async def test_bad_jobs_are_found_before_anything_is_sent(attachments: Path) -> None:
    """Of forty jobs that would be refused or fail, all are found but two that nobody can tell without paying."""
    bad = corpus("bad")
    missed = [
        entry["why"]
        for entry in bad
        if [entry["argument"]] != await arguments_found(attachments, entry["job"])
    ]

    assert 40 == len(bad)
    assert [
        "a link to a picture that nobody serves",
        "words that only the service's policy can tell",
    ] == missed


async def test_good_jobs_raise_no_alarm(attachments: Path) -> None:
    """Of two hundred different jobs with nothing wrong none has a finding."""
    jobs = [make_job(attachments, options) for options in corpus("good")]

    assert 200 == len(jobs)
    assert [] == await check(with_flaws(), jobs)


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
        ("avatars/looks/", {"status": "processing"}, "not ready"),
        ("avatars/looks/", {"preview_image_url": None}, "no picture"),
        ("avatars/looks/", {"preferred_orientation": "portrait"}, "made for portrait"),
        ("voices/", {"status": "failed"}, "not ready"),
    ],
    ids=["look-training", "look-without-a-picture", "look-orientation", "voice-failed"],
)
async def test_what_is_not_ready_is_found(part: str, change: dict[str, Any], problem: str) -> None:
    """An avatar or voice that exists and would fail in silence is found."""
    service = Simulator()
    async with client(service) as heygen:
        options = await good_options(heygen)
    line = Altered(service, {part: merge(change)})
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
    line = Altered(Simulator(), {"users/me": merge({"wallet": wallet})})
    findings = await check(line, [Job("A", max_seconds=40), Job("B", expected_seconds=40)], rate=rate)

    assert [0] * count == [finding.position for finding in findings]


async def test_what_cannot_be_read_is_a_warning() -> None:
    """A read that fails finds nothing wrong, and says so."""
    findings = await check(Altered(Simulator(), {"styles": 403, "users/me": 403}), [Job("A", style_id="x")])

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
