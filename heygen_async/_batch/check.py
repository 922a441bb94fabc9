"""
`heygen.check(jobs)`: what would be refused, or fail in silence, found by free reads before anything is paid for.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from .._api import assets as asset_api
from .._api import catalog as catalog_api
from .._concurrency import concurrently
from .._files.media_types import HEAD_BYTES, SUFFIXES, media_type
from .._redact import clean
from ..errors import APIError, NotFound, TransportError, Unauthorized, UploadError
from ..models import Asset, AssetBase64, AssetId, AssetUrl
from .job_source import JobSource

if TYPE_CHECKING:
    from .._resources._context import Core
    from ..models import AvatarLook, File
    from .budget import Rate
    from .job import Job
    from .job_source import Jobs

T = TypeVar("T")

_LONG_PROMPT: Final = 2_500  # characters; longer ones have been seen to be followed in part only
_EMPTY: Final = 0.5  # a create is refused below it (contract.md, Errors)
_READY: Final = frozenset({None, "completed", "complete", "active", "ready"})
_READS_AT_ONCE: Final = 4
_ASPECTS: Final = {"16:9": "landscape", "9:16": "portrait"}
_PAGES: Final = (".html", ".htm", ".php", ".aspx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    Something that is wrong with a job, or may be.

    Attributes:
        position: The job's position in the input, counted from 1; 0 for what concerns all.
        key: The job's key; empty for what concerns all.
        argument: Which argument of `Job` it is about; empty for what concerns all.
        problem: What is wrong.
        is_warning: Whether the job may succeed all the same.
    """

    position: int
    key: str
    argument: str
    problem: str
    is_warning: bool = False

    def __str__(self) -> str:
        kind = "warning: " if self.is_warning else ""
        if not self.position:
            return f"{kind}{self.problem}"
        return f"{kind}job {self.position} ({self.key}): {self.argument} {self.problem}"


@dataclass(frozen=True, slots=True)
class _Use:
    """One job's use of something that is read once for all jobs."""

    position: int
    key: str
    argument: str
    orientation: str | None

    def finding(self, problem: str, *, is_warning: bool = False) -> Finding:
        return Finding(
            position=self.position,
            key=self.key,
            argument=self.argument,
            problem=clean(problem),
            is_warning=is_warning,
        )


@dataclass(slots=True)
class _Uses:
    """Who uses which id, file or list."""

    looks: dict[str, list[_Use]] = field(default_factory=dict[str, "list[_Use]"])
    voices: dict[str, list[_Use]] = field(default_factory=dict[str, "list[_Use]"])
    styles: dict[str, list[_Use]] = field(default_factory=dict[str, "list[_Use]"])
    brand_kits: dict[str, list[_Use]] = field(default_factory=dict[str, "list[_Use]"])
    glossaries: dict[str, list[_Use]] = field(default_factory=dict[str, "list[_Use]"])
    assets: dict[str, list[_Use]] = field(default_factory=dict[str, "list[_Use]"])
    paths: dict[str, list[_Use]] = field(default_factory=dict[str, "list[_Use]"])


async def check(core: Core, jobs: Jobs, *, rate: Rate | None = None) -> list[Finding]:
    """Return all findings, in the order of the jobs; see `HeyGen.check`."""
    return await _Check(core, rate).run(jobs)


class _Check:
    """One run: an id is read once, whatever the number of its jobs."""

    def __init__(self, core: Core, rate: Rate | None) -> None:
        self._core = core
        self._rate = rate
        self._uses = _Uses()
        self._findings: list[Finding] = []
        self._cost = 0.0
        self._creates = 0

    async def run(self, jobs: Jobs) -> list[Finding]:
        self._core.api.bind()
        source = JobSource(jobs, name_of=str)
        try:
            while (item := await source.next_item()) is not None:
                if item.error is not None:
                    use = _Use(item.position, item.key, item.error.argument, None)
                    self._findings.append(use.finding(str(item.error)))
                elif item.job is not None:
                    self._add(item.position, item.key, item.job)
        finally:
            await source.aclose()
        await concurrently(self._reads(), most=_READS_AT_ONCE)
        return sorted(self._findings, key=lambda finding: (finding.position, finding.is_warning))

    # -- what needs no read --

    def _add(self, position: int, key: str, job: Job) -> None:
        if job.ref is not None:
            return  # its session exists already
        self._creates += 1
        seconds = job.max_seconds if job.max_seconds is not None else job.expected_seconds
        if self._rate is not None and seconds is not None:
            self._cost += seconds * self._rate.per_second
        use = partial(_Use, position, key, orientation=job.orientation)
        self._check_prompt(use(argument="prompt"), job)
        for argument, value, users in (
            ("avatar_id", job.avatar_id, self._uses.looks),
            ("voice_id", job.voice_id, self._uses.voices),
            ("style_id", job.style_id, self._uses.styles),
            ("brand_kit_id", job.brand_kit_id, self._uses.brand_kits),
            ("brand_glossary_id", job.brand_glossary_id, self._uses.glossaries),
        ):
            if value is not None:
                users.setdefault(value, []).append(use(argument=argument))
        for number, file in enumerate(job.files):
            self._add_file(use(argument=f"files[{number}]"), file)

    def _check_prompt(self, use: _Use, job: Job) -> None:
        prompt = job.prompt.strip()
        if len(prompt) > _LONG_PROMPT:
            self._warn(use, f"has {len(prompt):,} characters; beyond {_LONG_PROMPT:,} parts may be left out")
        if job.mode == "generate" and prompt.endswith("?"):
            self._warn(use, "is a question: in generate mode the agent may answer it and make no video")

    def _add_file(self, use: _Use, file: File) -> None:
        match file:
            case Asset():
                self._uses.assets.setdefault(file.id, []).append(use)
            case AssetId():
                self._uses.assets.setdefault(file.asset_id, []).append(use)
            case AssetBase64() if file.media_type not in SUFFIXES:
                self._report([use], f"has the type {file.media_type}, which the service does not take")
            case AssetUrl():
                self._check_address(use, file.url)
            case str():
                self._check_address(use, file)
            case os.PathLike():
                self._uses.paths.setdefault(os.fspath(file), []).append(use)
            case _:
                pass

    def _check_address(self, use: _Use, url: str) -> None:
        path = url.partition("?")[0].lower()
        if path.endswith(_PAGES):
            self._warn(use, "seems to be a web page, which the service refuses")

    # -- reads --

    def _reads(self) -> list[Callable[[], Awaitable[None]]]:
        uses = self._uses
        reads: list[Callable[[], Awaitable[None]]] = [
            *(partial(self._check_look, one, users) for one, users in uses.looks.items()),
            *(partial(self._check_voice, one, users) for one, users in uses.voices.items()),
            *(partial(self._check_asset, one, users) for one, users in uses.assets.items()),
            *(partial(self._check_path, one, users) for one, users in uses.paths.items()),
        ]
        if uses.styles:
            reads.append(self._check_styles)
        if uses.brand_kits:
            kits = self._core.pages(lambda token: catalog_api.brand_kits(limit=100, token=token))
            reads.append(partial(self._check_listed, kits, "brand_kit_id", uses.brand_kits, "brand kit"))
        if uses.glossaries:
            glossaries = self._core.pages(lambda token: catalog_api.brand_glossaries(limit=100, token=token))
            reads.append(
                partial(
                    self._check_listed, glossaries, "brand_glossary_id", uses.glossaries, "brand glossary"
                )
            )
        if self._creates:
            reads.append(self._check_credit)
        return reads

    async def _check_look(self, look_id: str, users: list[_Use]) -> None:
        read = partial(self._core.api.call, catalog_api.look(look_id))
        if (answer := await self._read(read, users)) is not None:
            self._judge_look(answer.data, users)
        elif await self._is_group(look_id):
            self._replace_last(users, f"{look_id!r} is an avatar's id; give the id of one of its looks")

    def _judge_look(self, look: AvatarLook, users: list[_Use]) -> None:
        if look.status not in _READY:
            self._report(users, f"{look.id!r} is not ready: its status is {look.status}")
        preferred = look.preferred_orientation
        for use in users:
            if use.orientation and preferred in _ASPECTS.values() and preferred != use.orientation:
                self._warn(use, f"{look.id!r} is made for {preferred}, the job is {use.orientation}")

    async def _is_group(self, group_id: str) -> bool:
        try:
            await self._core.api.call(catalog_api.avatar(group_id))
        except Unauthorized:
            raise
        except (APIError, TransportError):
            return False
        return True

    async def _check_voice(self, voice_id: str, users: list[_Use]) -> None:
        answer = await self._read(partial(self._core.api.call, catalog_api.voice(voice_id)), users)
        if answer is not None and answer.data.status not in _READY:
            self._report(users, f"{voice_id!r} is not ready: its status is {answer.data.status}")

    async def _check_asset(self, asset_id: str, users: list[_Use]) -> None:
        answer = await self._read(partial(self._core.api.call, asset_api.read(asset_id)), users)
        if answer is None:
            return
        asset = answer.data
        if asset.mime_type is not None and asset.mime_type not in SUFFIXES:
            self._report(
                users, f"{asset_id!r} has the type {asset.mime_type}, which the service does not take"
            )
        if asset.status == "failed":
            self._report(users, f"{asset_id!r} could not be processed by the service")

    async def _check_path(self, path: str, users: list[_Use]) -> None:
        try:
            media_type(await anyio.to_thread.run_sync(_head, path))
        except UploadError as error:
            self._report(users, f"{path}: {error}")
        except OSError as error:
            self._report(users, f"{path} cannot be read: {error.strerror}")

    async def _check_styles(self) -> None:
        pages = self._core.pages(lambda token: catalog_api.styles(limit=100, token=token))
        styles = await self._list(pages, self._uses.styles)
        if styles is None:
            return
        aspects = {style.style_id: style.aspect_ratio for style in styles}
        for style_id, users in self._uses.styles.items():
            if style_id not in aspects:
                self._report(users, f"{style_id!r} is no style of this account")
                continue
            made_for = _ASPECTS.get(aspects[style_id] or "")
            for use in users:
                if use.orientation and made_for and made_for != use.orientation:
                    self._warn(use, f"{style_id!r} is made for {made_for}, the job is {use.orientation}")

    async def _check_listed(
        self, pages: AsyncIterator[object], name: str, used: dict[str, list[_Use]], noun: str
    ) -> None:
        items = await self._list(pages, used)
        if items is None:
            return
        known = {getattr(item, name) for item in items}
        for one, users in used.items():
            if one not in known:
                self._report(users, f"{one!r} is no {noun} of this account")

    async def _check_credit(self) -> None:
        try:
            wallet = (await self._core.api.call(catalog_api.account())).data.wallet
        except Unauthorized:
            raise
        except (APIError, TransportError) as error:
            self._report_all(f"The balance could not be read: {error}", is_warning=True)
            return
        balance = None if wallet is None else wallet.remaining_balance
        if wallet is None or balance is None:
            return
        needed = max(self._cost, _EMPTY)
        if balance < needed:
            self._report_all(f"The wallet has {balance:g} {wallet.currency}; these jobs may cost {needed:g}.")

    # -- findings --

    async def _read(self, read: Callable[[], Awaitable[T]], users: list[_Use]) -> T | None:
        """Read; None when what is used does not exist, or could not be read, which is reported."""
        try:
            return await read()
        except Unauthorized:
            raise
        except NotFound:
            self._report(users, "does not exist, or is not this account's")
        except (APIError, TransportError) as error:
            for use in users:
                self._warn(use, f"could not be checked: {error}")
        return None

    async def _list(self, pages: AsyncIterator[T], used: dict[str, list[_Use]]) -> list[T] | None:
        async def take() -> list[T]:
            return [item async for item in pages]

        return await self._read(take, [use for users in used.values() for use in users])

    def _report(self, users: list[_Use], problem: str) -> None:
        self._findings += [use.finding(problem) for use in users]

    def _warn(self, use: _Use, problem: str) -> None:
        self._findings.append(use.finding(problem, is_warning=True))

    def _report_all(self, problem: str, *, is_warning: bool = False) -> None:
        self._findings.append(
            Finding(position=0, key="", argument="", problem=problem, is_warning=is_warning)
        )

    def _replace_last(self, users: list[_Use], problem: str) -> None:
        """Say better what a read that found nothing has reported."""
        about = {(use.position, use.argument) for use in users}
        self._findings = [one for one in self._findings if (one.position, one.argument) not in about]
        self._report(users, problem)


def _head(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - what the caller gave is a path or what stands for one
        return file.read(HEAD_BYTES)
