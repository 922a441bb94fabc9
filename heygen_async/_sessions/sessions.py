"""
`heygen.sessions`: make sessions, find them again.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from .._api import calls
from .._api import sessions as session_api
from .._api.sessions import CreateRequest, check_begun_at
from ..errors._arguments import check_number, given
from .attachments import upload_files

if TYPE_CHECKING:
    from datetime import datetime

    from ..models import File, Mode, Orientation, SessionSummary
    from .create import Orphans, SessionFactory
    from .session import Session


class Sessions:
    """The account's Video Agent sessions; `heygen.sessions`."""

    def __init__(self, factory: SessionFactory) -> None:
        self._factory = factory

    @property
    def orphans(self) -> Orphans:
        """Sessions that no caller has got, because their `create()` was cancelled: take them with `pop` or `drain`."""
        return self._factory.orphans

    async def create(
        self,
        prompt: str,
        *,
        mode: Mode = "chat",
        avatar_id: str | None = None,
        voice_id: str | None = None,
        style_id: str | None = None,
        brand_kit_id: str | None = None,
        brand_glossary_id: str | None = None,
        orientation: Orientation | None = None,
        files: Iterable[File] = (),
        auto_proceed: bool | None = None,
        incognito_mode: bool | None = None,
        callback_url: str | None = None,
        callback_id: str | None = None,
        extra: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
        begun_at: datetime | None = None,
        max_wait: float | None = None,
    ) -> Session:
        """
        Start a session; this is what costs money, and it happens once.

        When the answer is lost the account's newest sessions are looked through and the one this call made is
        taken over; only when it is not there is the request sent again, with the same key. A cancelled create is
        finished in the background for at most `Timeouts.write` before the cancel proceeds, and its session is in
        `orphans`.

        Args:
            prompt: What to make, 1 to 10,000 characters.
            mode: `chat` pauses for review, `generate` does not.
            avatar_id: A look's id; not sent when None, like all options.
            voice_id: The narration voice.
            style_id: A visual style.
            brand_kit_id: A brand kit.
            brand_glossary_id: A brand glossary: how names are spoken and translated.
            orientation: `landscape` or `portrait`.
            files: Up to 20 attachments: `Asset`, `AssetId`, `AssetUrl`, `AssetBase64`, an https address, or a
                `Path`, which is uploaded first; the same content once for this client.
            auto_proceed: Only for services that still take it.
            incognito_mode: True: no memory is read or written for this session.
            callback_url: Where the service reports the end.
            callback_id: Echoed in that report; needs callback_url.
            extra: Fields this release does not know; the service gains fields faster than it gains releases.
            idempotency_key: Your own key, 1 to 255 of A-Z a-z 0-9 _ : . -; a new one when None. Creates with one key
                in one client get one session: while it is being made, and for an hour after.
            begun_at: When an earlier process first may have sent this create, with this `idempotency_key`, without
                learning what became of it. The session it may have made is looked for, for at least
                `RetryPolicy.settle_time`, before anything is sent. Attach the sessions you know first: they are
                not taken for it.
            max_wait: Seconds to wait for room when the account has as many jobs in progress as it may; 0 to get the
                `RateLimited` at once. When None, as long as the retry policy allows.

        Raises:
            InvalidArgument: Something the service would refuse; nothing was sent.
            UploadError: A file could not be uploaded; no session was made.
            OutcomeUnknown: A session may exist, and looking could not settle which; see its `candidates`.
            TransportError: It was not made.
            APIError: The service refused: `InsufficientCredit`, `RateLimited` with its pace, ...
            ClientStateError: The client is closed or belongs to another loop.
        """
        check_begun_at(begun_at, idempotency_key)
        check_number(0, math.inf, **given(max_wait=max_wait))
        request = CreateRequest(
            prompt,
            mode=mode,
            avatar_id=avatar_id,
            voice_id=voice_id,
            style_id=style_id,
            brand_kit_id=brand_kit_id,
            brand_glossary_id=brand_glossary_id,
            orientation=orientation,
            files=files,
            auto_proceed=auto_proceed,
            incognito_mode=incognito_mode,
            callback_url=callback_url,
            callback_id=callback_id,
            extra=extra,
        )
        build = partial(session_api.create, request, idempotency_key=idempotency_key)
        call = await upload_files(self._factory.core, files, build)
        return await self._factory.create(call, prompt, mode, begun_at=begun_at, max_wait=max_wait)

    def attach(self, session_id: str) -> Session:
        """
        Return a handle of a session made elsewhere, without asking for it.

        Raises:
            InvalidArgument: Not an id.
        """
        calls.segment("session_id", session_id)
        return self._factory.attach(session_id)

    def restore(self, ref: bytes | str) -> Session:
        """
        Return the session of a `Session.ref()`, or of an error's `ref`; messages delivered before do not come again.

        Whoever had it may have gone on with it, so its state is read before it is shown, also when it is watched here.

        Raises:
            InvalidArgument: Not a ref, or one of a later release.
        """
        return self._factory.restore(ref)

    def list(self, *, page_size: int | None = None) -> AsyncIterator[SessionSummary]:
        """
        Iterate over all sessions of the account, newest first, page by page as needed.

        Args:
            page_size: 1 to 100; the service's own (20) when None.

        Raises:
            InvalidArgument: A page size the service refuses.
            TransportError: The service could not be asked.
            APIError: The service refused.
        """
        return self._factory.core.pages(lambda token: session_api.sessions(limit=page_size, token=token))
