"""
`files=`: files on this machine or in an object store are uploaded before the session or message they are for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, TypeGuard, TypeVar

from .._concurrency import concurrently
from .._files.object_store import is_stored
from .._files.upload import upload
from .._files.upload_source import open_source
from .._http.retry import is_refused_for_all
from ..errors import APIError, TransportError, UploadError
from ..errors._arguments import list_of
from ..models import AssetId

if TYPE_CHECKING:
    from .._api.calls import Call
    from .._resources._context import Core
    from ..models import Asset, File

T = TypeVar("T")

_AT_ONCE = 4


async def upload_files(core: Core, files: Iterable[File], build: Callable[..., Call[T]]) -> Call[T]:
    """
    Build a call with its files, once those that it cannot read itself are at the service.

    It is built with placeholder ids first, so that what else is wrong with it is raised before anything is uploaded.

    Raises:
        InvalidArgument: Something the service would refuse.
        UploadError: A file could not be uploaded; the message says which.
        APIError: The service refuses the credential.
    """
    items = list_of("files", files)
    call = build(files=with_placeholders(items))
    paths = {number: item for number, item in enumerate(items) if is_uploaded(item)}
    if not paths:
        return call
    core.api.bind()
    assets: dict[int, Asset] = {}

    async def upload_one(number: int, path: os.PathLike[str] | str) -> None:
        try:
            async with open_source(path) as source:
                await source.digest()
                assets[number] = await core.uploads.once(source.sha256, partial(upload, core.api, source))
        except UploadError as error:
            raise UploadError(f"files[{number}]: {error}", hint=error.hint) from error
        except (APIError, TransportError) as error:
            if is_refused_for_all(error):
                raise  # it is not about this file
            raise UploadError(f"files[{number}]: {os.fspath(path)} could not be uploaded: {error}") from error

    await concurrently([partial(upload_one, number, path) for number, path in paths.items()], most=_AT_ONCE)
    return build(files=[assets.get(number, item) for number, item in enumerate(items)])


def with_placeholders(files: Iterable[File]) -> list[File]:
    """Return files as they will be once those that the service cannot read are uploaded, as far as can be checked."""
    return [AssetId(asset_id="-") if is_uploaded(item) else item for item in files]


def is_uploaded(item: object) -> TypeGuard[os.PathLike[str] | str]:
    """Return whether a file is on this machine, or in an object store."""
    return isinstance(item, os.PathLike) or is_stored(item)
