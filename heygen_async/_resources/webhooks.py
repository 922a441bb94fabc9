"""
`heygen.webhooks`: the addresses events are sent to, and the events that were sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._api import webhooks as webhook_api
from ._context import Group

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from ..webhooks import WebhookEndpoint, WebhookEvent, WebhookEventType, WebhookSecret
    from ._context import Core


class WebhookEndpoints(Group):
    """The account's registered endpoints; `heygen.webhooks.endpoints`."""

    async def create(
        self, url: str, *, events: Iterable[str] | None = None, entity_id: str | None = None
    ) -> WebhookEndpoint:
        """
        Register an address; keep the `secret` of what this returns, which the service returns only here.

        The service tries the address before it answers, with OPTIONS and GET: let both return 200 at once.

        Args:
            url: Your address, https.
            events: The types to send, such as `video_agent.success`; all when None.
            entity_id: Only events of this entity; of all when None.

        Raises:
            InvalidArgument: Something the service would refuse; nothing was sent.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        return (await self._core.api.call(webhook_api.create(url, events, entity_id))).data

    def list(self, *, page_size: int | None = None) -> AsyncIterator[WebhookEndpoint]:
        """
        Iterate over all endpoints; their secrets are not returned.

        Args:
            page_size: 1 to 100.

        Raises:
            InvalidArgument: A page size the service refuses.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        return self._core.pages(lambda token: webhook_api.endpoints(limit=page_size, token=token))

    async def update(
        self, endpoint_id: str, *, url: str | None = None, events: Iterable[str] | None = None
    ) -> WebhookEndpoint:
        """
        Change an endpoint; what is None stays.

        Args:
            endpoint_id: The endpoint.
            url: Its new address.
            events: The types to send from now on, in place of all before.

        Raises:
            InvalidArgument: Nothing to change, or something the service would refuse.
            NotFound: There is no such endpoint.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        return (await self._core.api.call(webhook_api.update(endpoint_id, url, events))).data

    async def delete(self, endpoint_id: str) -> None:
        """
        Remove an endpoint.

        Raises:
            InvalidArgument: Not an id.
            NotFound: There is no such endpoint.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        await self._core.api.call(webhook_api.delete(endpoint_id))

    async def rotate_secret(self, endpoint_id: str) -> WebhookSecret:
        """
        Give an endpoint a new secret; the old one is invalid at once, so verify with both until you know the new one.

        Raises:
            InvalidArgument: Not an id.
            NotFound: There is no such endpoint.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        return (await self._core.api.call(webhook_api.rotate_secret(endpoint_id))).data


class Webhooks(Group):
    """
    The addresses events are sent to; `heygen.webhooks`.

    Attributes:
        endpoints: The registered endpoints.
    """

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.endpoints: WebhookEndpoints = WebhookEndpoints(core)

    async def event_types(self) -> tuple[WebhookEventType, ...]:
        """
        Read which events can be subscribed to.

        Raises:
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        return (await self._core.api.call(webhook_api.event_types())).data

    def events(
        self, *, event_type: str | None = None, entity_id: str | None = None, page_size: int | None = None
    ) -> AsyncIterator[WebhookEvent]:
        """
        Iterate over the events that were sent, newest first: what was missed can be looked up here.

        Args:
            event_type: Only events of this type.
            entity_id: Only events of this entity.
            page_size: 1 to 100.

        Raises:
            InvalidArgument: A filter or page size the service refuses.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        return self._core.pages(
            lambda token: webhook_api.events(
                limit=page_size, token=token, event_type=event_type, entity_id=entity_id
            )
        )
