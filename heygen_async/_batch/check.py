"""
`heygen.check(jobs)`: what would be refused, or fail in silence, found by free reads before anything is paid for.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from .._concurrency import concurrently
from .._files.media_types import SUFFIXES
from .._files.upload_source import open_source
from .._redact import clean
from .._resources.assets import Assets
from .._resources.catalog import Account, Avatars, BrandGlossaries, BrandKits, Styles, Voices
from .._sessions.attachments import is_uploaded
from ..errors import APIError, HeyGenError, InvalidArgument, NotFound, TransportError, Unauthorized
from ..errors._arguments import check_type
from ..models import Asset, AssetBase64, AssetId, AssetUrl
from .budget import Rate
from .job_source import check_jobs, read_jobs
from .second_tries import EMPTY

if TYPE_CHECKING:
    from .._resources._context import Core
    from ..models import File
    from .job import Job
    from .job_source import Jobs

_LONG_PROMPT: Final = 2_500  # characters; longer ones have been seen to be followed in part only
_READY: Final = frozenset({None, "completed", "complete", "active", "ready"})
_READS_AT_ONCE: Final = 4
_PAGE: Final = 100
_ASPECTS: Final = {"16:9": "landscape", "9:16": "portrait"}
_PAGES: Final = (".html", ".htm", ".php", ".aspx")
# What a job names, and what it is: each id is read alone, or found in a list that is read once.
_NOUNS: Final = {
    "avatar_id": "look",
    "voice_id": "voice",
    "style_id": "style",
    "brand_kit_id": "brand kit",
    "brand_glossary_id": "brand glossary",
}


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
    problem: str = ""
    is_warning: bool = False

    def __str__(self) -> str:
        kind = "warning: " if self.is_warning else ""
        if not self.position:
            return f"{kind}{self.problem}"
        return f"{kind}job {self.position} ({self.key}): {self.argument} {self.problem}"


@dataclass(frozen=True, slots=True)
class _Judgement:
    """What a read finds out: what is wrong, if anything, and which orientation the thing is made for, if any."""

    problem: str = ""
    is_warning: bool = False
    orientation: str | None = None


_LISTS: Final[Mapping[str, type[Styles | BrandKits | BrandGlossaries]]] = {
    "style_id": Styles,
    "brand_kit_id": BrandKits,
    "brand_glossary_id": BrandGlossaries,
}
# Of each id: findings to be, and their jobs' orientations.
_Uses = dict[str, list[tuple[Finding, str | None]]]
_Read = Callable[[], Awaitable[Mapping[str, _Judgement]]]


async def check(core: Core, jobs: Jobs, *, rate: Rate | None = None) -> list[Finding]:
    """Return all findings, in the order of the jobs; see `HeyGen.check`."""
    check_jobs(jobs)
    check_type(Rate | None, "a Rate", rate=rate)
    core.api.bind()
    check = _Check(core, rate)
    async with aclosing(read_jobs(jobs)) as items:
        async for item in items:
            if item.error is not None:
                finding = Finding(position=item.position, key=item.key, argument=item.error.argument)
                check.report(finding, str(item.error))
            elif item.job is not None and item.job.ref is None:  # else its session exists already
                check.add(item.job, Finding(position=item.position, key=item.key, argument=""))
    await concurrently(check.reads(), most=_READS_AT_ONCE)
    return sorted(check.findings, key=lambda finding: (finding.position, finding.is_warning))


class _Check:
    """One run: an id is read once, whatever the number of its jobs."""

    def __init__(self, core: Core, rate: Rate | None) -> None:
        self.findings: list[Finding] = []
        self._core = core
        self._rate = rate
        self._uses: defaultdict[str, _Uses] = defaultdict(lambda: defaultdict(list))
        self._cost: float | None = None  # None without a job that is created

    def report(self, finding: Finding, problem: str, *, is_warning: bool = False) -> None:
        self.findings.append(replace(finding, problem=clean(problem), is_warning=is_warning))

    # -- what needs no read --

    def add(self, job: Job, finding: Finding) -> None:
        """Find what is wrong with the job itself, and record what is to be read."""
        about_prompt = replace(finding, argument="prompt")
        seconds = job.max_seconds if job.max_seconds is not None else job.expected_seconds
        price = 0.0 if self._rate is None else self._rate.per_second
        self._cost = (self._cost or 0.0) + (seconds or 0.0) * price
        prompt = job.prompt.strip()
        if len(prompt) > _LONG_PROMPT:
            problem = f"has {len(prompt):,} characters; beyond {_LONG_PROMPT:,} parts may be left out"
            self.report(about_prompt, problem, is_warning=True)
        if job.mode == "generate" and prompt.endswith("?"):
            problem = "is a question: in generate mode the agent may answer it and make no video"
            self.report(about_prompt, problem, is_warning=True)
        for argument in _NOUNS:
            if (one := getattr(job, argument)) is not None:
                self._uses[argument][one].append((replace(finding, argument=argument), job.orientation))
        for number, file in enumerate(job.files):
            self._add_file(replace(finding, argument=f"files[{number}]"), file)

    def _add_file(self, finding: Finding, file: File) -> None:
        match file:
            case Asset(id=asset_id) | AssetId(asset_id=asset_id):
                self._uses["asset"][asset_id].append((finding, None))
            case os.PathLike() | str() if is_uploaded(file):
                self._uses["path"][os.fspath(file)].append((finding, None))
            case AssetBase64() if file.media_type not in SUFFIXES:
                self.report(finding, f"has the type {file.media_type}, which the service does not take")
            case AssetUrl() | str():
                url = file if isinstance(file, str) else file.url
                if url.partition("?")[0].partition("#")[0].lower().endswith(_PAGES):
                    self.report(finding, "seems to be a web page, which the service refuses", is_warning=True)
            case _:
                pass

    # -- reads --

    def reads(self) -> list[Callable[[], Awaitable[None]]]:
        """Return what is to be read: each id that is used, each list that has some, and the balance."""
        reads: list[Callable[[], Awaitable[None]]] = []
        for kind, uses in self._uses.items():
            if kind in _LISTS:
                reads.append(partial(self._judge, kind, uses, partial(self._read_list, kind)))
            else:
                reads += [
                    partial(self._judge, kind, {one: users}, partial(self._read_one, kind, one))
                    for one, users in uses.items()
                ]
        if self._cost is not None:
            reads.append(partial(self._check_credit, self._cost))
        return reads

    async def _judge(self, kind: str, uses: _Uses, read: _Read) -> None:
        """Report what a read finds out about ids."""
        try:
            found = await read()
        except Unauthorized:
            raise
        except (InvalidArgument, NotFound):
            found = {}
        except (APIError, TransportError) as error:
            found = dict.fromkeys(uses, _Judgement(f"could not be checked: {error}", is_warning=True))
        for one, users in uses.items():
            unknown = _Judgement(f"{one!r} is no {_NOUNS.get(kind, kind)} of this account")
            judgement = found.get(one, unknown)
            for finding, orientation in users:
                if judgement.problem:
                    self.report(finding, judgement.problem, is_warning=judgement.is_warning)
                elif orientation and judgement.orientation and orientation != judgement.orientation:
                    problem = f"{one!r} is made for {judgement.orientation}, the job is {orientation}"
                    self.report(finding, problem, is_warning=True)

    async def _read_list(self, kind: str) -> Mapping[str, _Judgement]:
        """Judge each item of a list, by its id."""
        return {
            getattr(item, kind): _Judgement(
                orientation=_ASPECTS.get(getattr(item, "aspect_ratio", None) or "")
            )
            async for item in _LISTS[kind](self._core).list(page_size=_PAGE)
        }

    async def _read_one(self, kind: str, one: str) -> Mapping[str, _Judgement]:
        match kind:
            case "avatar_id":
                judgement = await self._judge_look(one)
            case "voice_id":
                judgement = _Judgement(_unready(one, (await Voices(self._core).get(one)).status))
            case "asset":
                judgement = _Judgement(_asset_problem(await Assets(self._core).get(one)))
            case _:
                try:
                    async with open_source(one) as source:
                        source.media_type()
                    judgement = _Judgement()
                except HeyGenError as error:
                    judgement = _Judgement(str(error))
        return {one: judgement}

    async def _judge_look(self, look_id: str) -> _Judgement:
        avatars = Avatars(self._core)
        try:
            look = await avatars.look(look_id)
        except NotFound:
            await avatars.get(look_id)
            return _Judgement(f"{look_id!r} is an avatar's id; give the id of one of its looks")
        made_for = look.preferred_orientation
        orientation = made_for if made_for in _ASPECTS.values() else None
        # contract.md, Observed behaviour, 11
        bare = "" if look.preview_image_url else f"{look_id!r} has no picture: its videos fail silently"
        return _Judgement(_unready(look_id, look.status) or bare, orientation=orientation)

    async def _check_credit(self, cost: float) -> None:
        of_all, needed = Finding(position=0, key="", argument=""), max(cost, EMPTY)
        try:
            wallet = (await Account(self._core).me()).wallet
        except Unauthorized:
            raise
        except (APIError, TransportError) as error:
            self.report(of_all, f"The balance could not be checked: {error}", is_warning=True)
            return
        balance = None if wallet is None else wallet.remaining_balance
        if wallet is not None and balance is not None and balance < needed:
            problem = f"The wallet has {balance:g} {wallet.currency}; these jobs may cost {needed:g}."
            self.report(of_all, problem)


def _asset_problem(asset: Asset) -> str:
    if asset.mime_type is not None and asset.mime_type not in SUFFIXES:
        return f"{asset.id!r} has the type {asset.mime_type}, which the service does not take"
    return f"{asset.id!r} could not be processed by the service" if asset.status == "failed" else ""


def _unready(one: str, status: str | None) -> str:
    return "" if status in _READY else f"{one!r} is not ready: its status is {status}"
