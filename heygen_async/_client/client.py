"""
`HeyGen`: owns the parts and hands out the groups; it decides nothing itself.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Literal, Self

from .. import _config
from .._config import RetryPolicy, Timeouts
from .._polling.backplane import Backplane
from .._version import __version__
from ..cadence import Cadence, PollContext
from ..errors import InsufficientCredit, InvalidArgument, Unauthorized
from ..errors._arguments import check_callable, check_count, check_positive, check_type, given

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import aiohttp

    from .._batch import Batch, Finding, Rate
    from .._batch.job_runner import OnEvent
    from .._batch.job_source import Jobs
    from .._http.auth import AccessToken
    from .._http.hooks import OnRequest, OnRetry, OnTransition
    from .._http.proxies import Proxies
    from .._http.transport import Transport
    from .._resources.assets import Assets
    from .._resources.catalog import Account, Avatars, BrandGlossaries, BrandKits, Styles, Voices
    from .._resources.videos import Videos
    from .._resources.webhooks import Webhooks
    from .._sessions.session import BatchReviewer
    from .._sessions.sessions import Sessions
    from ..models import Statistics
    from ..webhooks import UnverifiedEvent, WebhookEvent


class HeyGen:
    """
    A client of HeyGen's Video Agent.

    Make one, use it from one event loop, close it with `async with` or `aclose()`. Making it does no I/O and needs
    no loop; it is bound to the loop of its first call, and to a new one when that loop is closed. The first client of
    a process loads the modules it is made of, and its first request loads aiohttp: make it when the process starts.

    Args:
        api_key: From the service's settings; `HEYGEN_API_KEY` when None.
        access_token: An OAuth token, or a callable (sync or async) that returns one and is asked again, once, when
            the service refuses it with 401. Not together with api_key.
        base_url: `HEYGEN_API_BASE`, else the service's address, when None. Plain http only to this machine.
        timeouts: How long to wait for what.
        retry: When to try again.
        cadence: When to poll watched sessions; adaptive when None.
        max_connections: Exchanges under way at once; further ones wait in line.
        requests_per_second: Polls a second at most, spread evenly; no limit when None.
        trust_env: Whether to use the proxies of the environment, as they are now: `HTTP_PROXY`, `HTTPS_PROXY`, else
            `ALL_PROXY`, with or without a scheme; `NO_PROXY` takes names, suffixes, ports and networks. Not SOCKS.
        http: Your own `aiohttp.ClientSession`, used and never closed; or another `Transport`.
        on_request: Called with a `RequestEvent` after each exchange, sync or async, like the next two. What a hook
            raises is logged and disturbs nothing; an async one goes on by itself, and `aclose` gives it ten seconds.
        on_retry: Called with a `RetryEvent` when a call has failed and will be made again.
        on_transition: Called with a `TransitionEvent` when a session is seen to change its status.
        backplane: Where the processes of your account meet, so that they poll each session once for all of them: see
            `heygen_async.backplane`.
        rng: Where jitter comes from: give a seeded one to have a test run the same each time.

    Raises:
        ConfigError: No credential, two, an address that is not safe, or a proxy that cannot be used.
        InvalidArgument: A limit that is not positive.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        access_token: AccessToken | None = None,
        base_url: str | None = None,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        cadence: Callable[[PollContext], float] | None = None,
        max_connections: int = 100,
        requests_per_second: float | None = None,
        trust_env: bool = False,
        http: aiohttp.ClientSession | Transport | None = None,
        on_request: OnRequest | None = None,
        on_retry: OnRetry | None = None,
        on_transition: OnTransition | None = None,
        backplane: Backplane | None = None,
        rng: random.Random | None = None,
    ) -> None:
        # Here, not above: the first client pays for the event loop, HTTP and polling, a program without one does not.
        from .._http import auth, client, hooks, proxies
        from .._polling import notify, planner, scheduler, watched
        from .._resources import _context, assets, catalog, videos, webhooks
        from .._sessions import create, sessions

        check_type(Timeouts, "Timeouts", timeouts=timeouts)
        check_type(RetryPolicy, "a RetryPolicy", retry=retry)
        check_callable(
            **given(cadence=cadence, on_request=on_request, on_retry=on_retry, on_transition=on_transition)
        )
        check_type(random.Random | None, "a random.Random", rng=rng)
        if http is not None and not (hasattr(http, "send") or hasattr(http, "request")):
            raise InvalidArgument("http", "must be an aiohttp.ClientSession or a Transport")
        check_type(Backplane | None, "a backplane, such as RedisBackplane(url)", backplane=backplane)
        check_count(max_connections=max_connections)
        check_positive(**given(requests_per_second=requests_per_second))

        self._hooks = hooks.Hooks(on_request, on_retry, on_transition)
        environment = proxies.read_proxies() if trust_env else None
        address, credential = _config.base_url(base_url), auth.credential(api_key, access_token)
        api = client.ApiClient(
            identity=auth.Authenticator(credential, __version__),
            open_transport=lambda: _open_transport(http, timeouts, max_connections, environment),
            base_url=address,
            timeouts=timeouts,
            retry=retry,
            hooks=self._hooks,
            rng=rng or random.Random(),
        )
        self._core = core = _context.Core(
            api,
            scheduler.PollScheduler(
                api,
                cadence or Cadence.adaptive(),
                max_connections,
                requests_per_second,
                watched.Trackers(self._hooks.report_transition if on_transition else None),
                backplane.share_polls(credential, address) if backplane else lambda _: planner.SharedPolls(),
            ),
        )
        self._factory = create.SessionFactory(core)
        self._notices = notify.EventNotifier(api, core.scheduler)
        self.sessions: Sessions = sessions.Sessions(self._factory)
        self.videos: Videos = videos.Videos(core)
        self.assets: Assets = assets.Assets(core)
        self.styles: Styles = catalog.Styles(core)
        self.avatars: Avatars = catalog.Avatars(core)
        self.voices: Voices = catalog.Voices(core)
        self.brand_kits: BrandKits = catalog.BrandKits(core)
        self.brand_glossaries: BrandGlossaries = catalog.BrandGlossaries(core)
        self.webhooks: Webhooks = webhooks.Webhooks(core)
        self.account: Account = catalog.Account(core)

    def notify(self, event: WebhookEvent | UnverifiedEvent) -> bool:
        """
        Poll now the session or video a webhook is about, if it is watched; return whether it is.

        Nothing else in the event is believed: the watchers get what the poll finds. However many events come, each
        session is polled about once a second at most. Where verified events have shown that they announce the end
        of a rendering, the default schedule relies on them and polls rarely; when they cease it polls as before.
        This does no I/O itself; call it from the client's event loop.

        Args:
            event: From `heygen_async.webhooks`: what `verify` or `parse_unverified` returned.

        Raises:
            InvalidArgument: It is no event.
            ClientStateError: This is not the client's event loop.
        """
        return self._notices.take(event)

    def batch(
        self,
        jobs: Jobs,
        *,
        max_in_flight: int = 10,
        max_paused: int = 100,
        reviewer: BatchReviewer | None = None,
        on_event: OnEvent | None = None,
        download_to: str | os.PathLike[str] | None = None,
        stop_on: type[Exception] | tuple[type[Exception], ...] = (Unauthorized, InsufficientCredit),
        on_exit: Literal["detach", "stop"] = "detach",
        min_balance: float | None = None,
        progress: bool = False,
        max_spend: float | None = None,
        rate: Rate | None = None,
        retry_failed: int = 0,
    ) -> Batch:
        """
        Make many videos, some at a time, with one outcome for each job.

        Use it with `async with` and `async for`; nothing happens before. The number in progress follows what the
        service takes: its cap counts jobs in progress, those of other processes too. A refusal for want of room
        (429) is never an outcome: the job waits, however long it takes.

        Args:
            jobs: `Job`s, or prompts as text; any sync or async iterable, taken from as slots become free; of a
                finished job only its key is kept. Duplicate keys are refused, naming both positions.
            max_in_flight: Jobs in progress at once, at most. A session paused for its reviewer holds no slot.
            max_paused: Sessions waiting for their reviewers at once; with so many nothing new is created.
            reviewer: Answers the pauses of jobs without a reviewer of their own: a callable as for
                `session.converse`, or `Approve()`, `Reply(...)` (sent once, then approved) or `Stop()`. Without one, a
                paused session ends its job with `SessionPaused`.
            on_event: Called with each `BatchEvent`, sync or async; see there what its exceptions do.
            download_to: A folder, made if need be, or an address in an object store (`s3://bucket/folder`, `gs://…`,
                `az://container/…`; see `Video.copy_to`): each video is saved as it is finished, named by its key.
            stop_on: Errors after which nothing more is created: what is in flight goes on, the rest comes back as
                `not_started`. `RateLimited` here means an exhausted quota.
            on_exit: Whether sessions in flight go on or are stopped when the block is left early.
            min_balance: Refuse to begin unless the wallet has this much, in its currency.
            progress: Emit `state` also on new progress and new messages, not only on transitions. Costs requests:
                sessions that render are otherwise polled together.
            max_spend: Spend no more than this, in the currency of `rate`. Each job reserves the price of its
                `max_seconds` (else `expected_seconds`) before it is created, and again for each `Reply`; when it
                ends, what its video cost takes that place. A job waits while money that is reserved may come back,
                and comes back as `not_started` when it cannot. The budget holds as far as videos keep to their
                length; a session that was left without a known end counts with what it reserved.
            rate: What a second of video costs: needed with `max_spend`.
            retry_failed: How often a job is made again, after a pause and within the budget, whose session failed
                before it had a video, for no reason of policy, credit or input. Second tries end once the wallet,
                where there is one and a `rate`, fell by more than was delivered and reserved. `Outcome.failures`
                has the attempts before.

        Raises:
            InvalidArgument: An argument out of range; entering raises it when there is no wallet to check.
            InsufficientCredit: Upon entering: the wallet has less than `min_balance`.
            DownloadError: Upon entering: the folder cannot be made, or the object store cannot be used.
            ConfigError: An address of an object store without the extra `storage`, or without an account.
        """
        # Here, like what `check` needs: a program without batches does not pay for them when it starts.
        from .._batch import Batch
        from .._batch.budget import Budget
        from .._batch.job_runner import LocalBatchOptions
        from .._batch.output_folder import OutputFolder

        options = LocalBatchOptions(
            max_in_flight=max_in_flight,
            max_paused=max_paused,
            reviewer=reviewer,
            on_event=on_event,
            folder=None if download_to is None else OutputFolder(download_to),
            stop_on=stop_on if isinstance(stop_on, tuple) else (stop_on,),
            on_exit=on_exit,
            min_balance=min_balance,
            progress=progress,
            budget=Budget(max_spend, rate),
            retry_failed=retry_failed,
        )
        return Batch(self._factory, jobs, options)

    async def check(self, jobs: Jobs, *, rate: Rate | None = None) -> list[Finding]:
        """
        Find what is wrong with jobs before anything is paid for; nothing is created, uploaded or changed.

        By free reads, one for each id: that avatars are looks and ready, that voices, styles, brand kits, glossaries
        and attachments exist and fit, and that there is credit. A job without a finding may still fail.

        Args:
            jobs: As for `batch`; they are read to their end.
            rate: With it the wallet is compared with what the jobs may cost by their lengths.

        Returns:
            All findings at once, in the order of the jobs; what concerns all of them first.

        Raises:
            InvalidArgument: `jobs` is no iterable of jobs.
            Unauthorized: The service refuses the credential.
        """
        from .._batch.check import check

        return await check(self._core, jobs, rate=rate)

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, object]:
        """
        Call an endpoint this release has no method for, with its retries, errors and limits.

        A `POST` or `PATCH` is never repeated when it may have been done. Pages are not followed: the answer has
        `has_more` and `next_token`.

        Args:
            method: `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
            path: Such as `/v3/video-translations`.
            json: The body.
            params: The query; what is None is not sent.
            idempotency_key: Your own key, 1 to 255 of A-Z a-z 0-9 _ : . -; a new one for POST and PATCH when None.

        Returns:
            The whole body, `data` and all; empty when there was none.

        Raises:
            InvalidArgument: Something that cannot be sent; nothing was.
            OutcomeUnknown: A POST or PATCH may have been done: its answer was lost.
            TransportError: The service could not be asked.
            APIError: The service refused.
        """
        from .._api import raw

        call = raw.request(method, path, json=json, params=params, idempotency_key=idempotency_key)
        return (await self._core.api.call_without_recovery(call)).data

    def statistics(self) -> Statistics:
        """Return what the client has done so far."""
        return self._core.scheduler.statistics()

    async def stop_watching(self) -> None:
        """
        End all watches cleanly and begin nothing new; to be called before `aclose` where a service shuts down.

        An iteration of `watch` ends after the state that is still unread, as if it were the last. `wait`, `video` and
        `converse` raise `ClientStateError`, and so do a watch and a create that begin later, and a create that waits
        for room. Writes under way go on.
        """
        self._core.scheduler.stop()
        self._core.api.create_queue.stop()

    async def aclose(self) -> None:
        """End all watches with `ClientStateError` and close the connections; twice is the same as once."""
        if not self._core.api.is_closed:
            await self._core.scheduler.aclose()
            await self._factory.aclose()
            await self._core.scheduler.leave()
            await self._core.api.aclose()
            await self._hooks.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        core = getattr(self, "_core", None)  # none when its arguments were refused
        return f"<HeyGen {'closed' if core is None or core.api.is_closed else 'open'}>"


def _open_transport(
    http: aiohttp.ClientSession | Transport | None, timeouts: Timeouts, limit: int, proxies: Proxies | None
) -> Transport:
    # Not with the client either, but with its first request: the HTTP library is most of what there is to import.
    from .._http import aiohttp_transport

    return aiohttp_transport.open_transport(http, timeouts, limit, proxies)
