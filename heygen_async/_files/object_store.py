"""
Files in an object store: written in parts as they come, there only when whole, and read where they are wanted.

The library for it is in the extra `storage` and is loaded with the first address. It takes credentials from the
environment, as the stores' own tools do; an address holds none.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from contextlib import AsyncExitStack, contextmanager, suppress
from mimetypes import guess_type
from typing import IO, TYPE_CHECKING, Final, TypeGuard, cast

import anyio

from .._concurrency import is_cancelled
from .._redact import clean
from ..errors import ConfigError, DownloadError, HeyGenError, InvalidArgument
from .byte_ranges import PartInfo
from .media_types import HEAD_BYTES

if TYPE_CHECKING:
    from obstore import Attributes
    from obstore.store import ObjectStore

_STORES: Final = {"s3": "S3Store", "gs": "GCSStore", "az": "AzureStore"}
_ADDRESS: Final = re.compile(r"(s3|gs|az)://([A-Za-z0-9][A-Za-z0-9._-]*)(?:/+([^?]*))?")
_HINT: Final = (
    "Check the bucket's name, and the credentials in the environment: AWS_ACCESS_KEY_ID and the like for s3://, "
    "GOOGLE_SERVICE_ACCOUNT for gs://, AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY for az://."
)
_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
# So much of a video is in memory, three times: the part that fills, and those on their way.
_PART_BYTES: Final = 5 * 1024 * 1024  # the least that stores take; the library gives each half a minute
_AT_ONCE: Final = 2
_ABORT_SECONDS: Final = 10.0  # that an upload which was given up has to remove its parts


def is_address(target: object) -> TypeGuard[str]:
    """Return whether something is meant as an address and not as a path."""
    return isinstance(target, str) and "://" in target


def is_stored(file: object) -> TypeGuard[str]:
    """Return whether something is the address of an object and neither a path nor a web address."""
    return isinstance(file, str) and file.startswith(("s3://", "gs://", "az://"))


@contextmanager
def translate_errors(kind: type[HeyGenError], what: str) -> Generator[None]:
    """Have errors of the library come out as one of ours, without signed addresses and pages of detail."""
    try:
        yield
    except (HeyGenError, FileExistsError):
        raise  # of our own making
    except Exception as error:
        text, code = str(error).partition("\n")[0], _CODE.search(str(error))
        reason = clean(text if code is None else f"{code[1]}: {text.partition(': <')[0]}")
        error.args = (reason,)  # a traceback shows it below ours
        raise kind(f"The object store refused {what}: {reason}", hint=_HINT) from error


class StoredObject:
    """
    An object, or a folder of them, in a store; and what a download wants of a `PartFile`.

    What is written is an upload in parts that is finished last, or given up with all its parts. Nothing of it is left
    for another process to go on with. Errors are the library's: see `translate_errors`.

    Attributes:
        info: What is written.
        size: How many bytes were handed over.
    """

    def __init__(self, name: str, address: str, *, of: str = "", overwrite: bool = False) -> None:
        """
        Find the store; blocks for a moment, and asks it nothing.

        Args:
            name: The argument that has the address, for messages.
            address: Such as `s3://bucket/folder/name`.
            of: What is to be written there.
            overwrite: Whether to replace what is there.

        Raises:
            InvalidArgument: It is no address that can be used.
            ConfigError: The library is not installed, or the environment does not say which account to use.
        """
        if (found := _ADDRESS.fullmatch(address)) is None:  # not quoted: it may hold credentials
            problem = "must be a path, or s3://bucket/folder, gs://… or az://… without a query"
            raise InvalidArgument(name, problem)
        try:
            from obstore import store as stores
        except ModuleNotFoundError:
            problem, hint = "an object store needs the package obstore", "pip install heygen-async[storage]"
            raise ConfigError(f"{name}: {problem}.", hint=hint) from None
        with translate_errors(ConfigError, address):
            self._store: ObjectStore = getattr(stores, _STORES[found[1]])(found[2])
        self._address, self._path = address, found[3] or ""
        self._overwrite = overwrite
        self._upload = AsyncExitStack()  # holds the writer: what leaves it by an error is given up
        self.info, self.size = PartInfo(of=of), 0

    async def check_bucket(self) -> None:
        """
        Find out whether the store can be used; only a list tells a bucket that is missing from an object that is.

        Raises:
            DownloadError: It cannot.
        """
        with translate_errors(DownloadError, self._address):
            listing = self._store.list(self._path, chunk_size=1)  # pyright: ignore[reportUnknownMemberType]
            await anext(aiter(listing), None)

    async def exists(self) -> bool:
        """
        Return whether it is there.

        Raises:
            DownloadError: The store refused to say.
        """
        with translate_errors(DownloadError, self._address), suppress(FileNotFoundError):
            await self._store.head_async(self._path)
            return True
        return False

    def open(self) -> IO[bytes]:
        """Open it to read and seek in; blocks, and so does what this returns."""
        import obstore

        return cast("IO[bytes]", obstore.open_reader(self._store, self._path, buffer_size=_PART_BYTES))

    # -- on its way --

    def forget(self) -> None:
        """Trust nothing that was written; the next start begins anew."""
        self.info, self.size = PartInfo(of=self.info.of), 0

    async def start(self, info: PartInfo, at: int) -> None:
        """
        Get ready to write from a place on; a place of 0 begins the upload anew.

        Raises:
            FileExistsError: There is an object of that name, which must stay.
        """
        if at == 0:
            import obstore

            if not self._overwrite and await self.exists():
                raise FileExistsError(self._address)
            await self.close()
            self.size, self._head = 0, b""
            kind: Attributes = {"Content-Type": guess_type(self._path)[0] or "application/octet-stream"}
            self._writer = obstore.open_writer_async(
                self._store, self._path, attributes=kind, buffer_size=_PART_BYTES, max_concurrency=_AT_ONCE
            )
            await self._upload.enter_async_context(self._writer)
        # What comes once more is left out.
        self.info, self._skipped = info, self.size - at

    async def write(self, chunks: Iterable[bytes]) -> None:
        """Hand bytes over, at the pace of the store; none of what is given up, which is worth nothing."""
        if not is_cancelled():
            new, self._skipped = b"".join(chunks)[self._skipped :], 0
            self._head = (self._head + new[:HEAD_BYTES])[:HEAD_BYTES]
            await self._writer.write(new)
            self.size += len(new)

    async def read_head(self) -> bytes:
        """Return the first kilobyte."""
        return self._head

    async def finish(self) -> None:
        """Have the object appear."""
        await self._upload.aclose()

    async def close(self) -> None:
        """Give up what is not finished, and have the store remove its parts."""
        given_up = ConnectionAbortedError()
        # What the store makes of it changes nothing.
        with anyio.move_on_after(_ABORT_SECONDS), suppress(Exception):
            await self._upload.__aexit__(type(given_up), given_up, None)
