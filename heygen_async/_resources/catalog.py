"""
The read-only lists: styles, avatars and looks, voices, brand kits and glossaries; and the account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .._api import catalog as catalog_api
from ..errors import InsufficientCredit, InvalidArgument
from ._context import Group

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..models import AvatarGroup, AvatarLook, BrandGlossary, BrandKit, Style, User, Voice, VoiceDetail
    from ._context import Core

Ownership = Literal["public", "private"]


class Styles(Group):
    """Curated visual styles; `heygen.styles`."""

    def list(self, *, tag: str | None = None, page_size: int | None = None) -> AsyncIterator[Style]:
        """
        Iterate over all styles.

        Args:
            tag: Only those with this tag, such as `cinematic`.
            page_size: 1 to 100.

        Raises:
            InvalidArgument: A page size the service refuses.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        return self._core.pages(lambda token: catalog_api.styles(limit=page_size, token=token, tag=tag))


class Avatars(Group):
    """Avatars and their looks; `heygen.avatars`."""

    def list(
        self, *, ownership: Ownership | None = None, page_size: int | None = None
    ) -> AsyncIterator[AvatarGroup]:
        """
        Iterate over all avatar groups; a group's id is not an `avatar_id`, see `looks`.

        Args:
            ownership: `public` presets or `private` own ones; both when None.
            page_size: 1 to 50.

        Raises:
            InvalidArgument: A page size the service refuses.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        return self._core.pages(
            lambda token: catalog_api.avatars(limit=page_size, token=token, ownership=ownership)
        )

    def looks(
        self,
        *,
        group_id: str | None = None,
        avatar_type: Literal["studio_avatar", "digital_twin", "photo_avatar"] | None = None,
        ownership: Ownership | None = None,
        page_size: int | None = None,
    ) -> AsyncIterator[AvatarLook]:
        """
        Iterate over all looks; a look's `id` is the `avatar_id` to pass.

        Args:
            group_id: Only looks of this group.
            avatar_type: Only looks of this type.
            ownership: `public` presets or `private` own ones; both when None.
            page_size: 1 to 50.

        Raises:
            InvalidArgument: A page size the service refuses.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        return self._core.pages(
            lambda token: catalog_api.looks(
                limit=page_size, token=token, group_id=group_id, avatar_type=avatar_type, ownership=ownership
            )
        )

    async def get(self, group_id: str) -> AvatarGroup:
        """
        Read one avatar group; its id is not an `avatar_id`, see `look`.

        Raises:
            InvalidArgument: Not an id.
            NotFound: There is no such group.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        return (await self._core.api.call(catalog_api.avatar(group_id))).data

    async def look(self, look_id: str) -> AvatarLook:
        """
        Read one look: whether its id can be an `avatar_id`, and is ready.

        A look whose `status` is not `completed`, or without `preview_image_url`, makes videos fail without a reason.

        Raises:
            InvalidArgument: Not an id.
            NotFound: There is no such look; the id of a group is none.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        return (await self._core.api.call(catalog_api.look(look_id))).data


class Voices(Group):
    """Narration voices; `heygen.voices`."""

    def list(
        self,
        *,
        type: Literal["public", "private"] | None = None,  # noqa: A002 - the service's word
        engine: str | None = None,
        language: str | None = None,
        gender: str | None = None,
        page_size: int | None = None,
    ) -> AsyncIterator[Voice]:
        """
        Iterate over all voices.

        Args:
            type: Which library; the service's default is `public`.
            engine: Only voices of this engine.
            language: Only this language, such as `English`.
            gender: `male` or `female`.
            page_size: 1 to 100.

        Raises:
            InvalidArgument: A page size the service refuses.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        filters = {"type": type, "engine": engine, "language": language, "gender": gender}
        return self._core.pages(lambda token: catalog_api.voices(limit=page_size, token=token, **filters))

    async def get(self, voice_id: str) -> VoiceDetail:
        """
        Read one voice.

        Raises:
            InvalidArgument: Not an id.
            NotFound: There is no such voice.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        return (await self._core.api.call(catalog_api.voice(voice_id))).data


class BrandGlossaries(Group):
    """Brand glossaries; `heygen.brand_glossaries`."""

    def list(self, *, page_size: int | None = None) -> AsyncIterator[BrandGlossary]:
        """
        Iterate over all brand glossaries; the id of one is the `brand_glossary_id` to pass.

        Args:
            page_size: 1 to 100.

        Raises:
            InvalidArgument: A page size the service refuses.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        return self._core.pages(lambda token: catalog_api.brand_glossaries(limit=page_size, token=token))


class BrandKits(Group):
    """Brand kits; `heygen.brand_kits`."""

    def list(self, *, page_size: int | None = None) -> AsyncIterator[BrandKit]:
        """
        Iterate over all brand kits.

        Args:
            page_size: 1 to 100.

        Raises:
            InvalidArgument: A page size the service refuses.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        return self._core.pages(lambda token: catalog_api.brand_kits(limit=page_size, token=token))


class Account(Group):
    """The caller's account; `heygen.account`."""

    async def me(self) -> User:
        """
        Read profile, balance and billing.

        Raises:
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        return (await self._core.api.call(catalog_api.account())).data


async def check_wallet(core: Core, least: float) -> None:
    """
    Refuse to go on with less in the wallet.

    Raises:
        InsufficientCredit: There is less.
        InvalidArgument: There is no wallet.
    """
    wallet = (await core.api.call(catalog_api.account())).data.wallet
    balance = None if wallet is None else wallet.remaining_balance
    if wallet is None or balance is None:
        raise InvalidArgument("min_balance", "this account has no wallet to check")
    if balance < least:
        raise InsufficientCredit(
            f"The wallet has {balance:g} {wallet.currency}, less than min_balance={least:g}.", status=402
        )
