"""
What messages refer to: read, and taken home.
"""

from __future__ import annotations

from .._api import sessions as session_api
from .._files.download import Downloadable, RemoteFile
from .._files.names import file_name, suffix_of
from .._resources._context import core_of
from ..models import ResourceInfo


class Resource(ResourceInfo, Downloadable, frozen=True, kw_only=True, dict=True):
    """
    Something a message refers to: a storyboard picture, a draft, a video.

    Pickles as plain values; a copy from elsewhere has no client and is read again with `session.resource`.
    """

    def _file(self) -> RemoteFile:
        api = core_of(self, "Read it with session.resource(resource.resource_id).").api
        session_id: str = self.__dict__["_session_id"]

        async def refresh() -> str | None:
            return (await api.call(session_api.resource(session_id, self.resource_id))).data.url

        return RemoteFile(
            api=api,
            what=f"resource {self.resource_id}",
            name=file_name(self.resource_type, self.resource_id, suffix_of(self.url, "")),
            url=self.url,
            refresh=refresh,
        )
