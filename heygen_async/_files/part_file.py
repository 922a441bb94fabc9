"""
A file that is not whole yet: `NAME.part`, with a record beside it of what it is a part of.

Everything here blocks and is called in a worker thread. The final name appears by a rename, after the bytes are on
the disk; a process killed at any moment leaves a beginning that the next one can go on from.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import msgspec

from . import byte_ranges
from .byte_ranges import PartInfo
from .media_types import HEAD_BYTES

_NAME_BYTES = 255  # what file systems take
_INFO_BYTES = 64 * 1024  # a record is far smaller; what is larger is not ours


class PartFile:
    """
    The half file of one download, open and locked.

    Attributes:
        info: What it is a part of.
        size: How many of its bytes are good.
    """

    def __init__(self, target: Path, of: str, *, resume: bool, overwrite: bool) -> None:
        """
        Open it, with what an earlier run left if that is wanted and of the same file.

        Raises:
            OSError: It cannot be opened or written; `BlockingIOError` when another download has it.
        """
        self.target = target
        self._resume, self._overwrite = resume, overwrite
        self._path = target.with_name(_part_name(target.name))
        self._info_path = target.with_name(f"{self._path.name}.json")
        self._file = os.fdopen(_open_plain(self._path, os.O_RDWR | os.O_CREAT), "r+b")
        try:
            self._lock()
            left = self._read_info() if resume else None
            self.info = left if left is not None and left.of == of else PartInfo(of=of)
            self.size = os.fstat(self._file.fileno()).st_size if self.info.validator else 0
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        """Exclude other downloads into the same file, where the system can."""
        if sys.platform == "win32":  # it lets no other process rename or remove what is open
            return
        import fcntl

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            return  # a file system without locks
        # Between our open and our lock another download may have renamed this very file to its final name.
        if not os.path.samestat(os.fstat(self._file.fileno()), self._path.stat()):
            raise BlockingIOError

    def _read_info(self) -> PartInfo | None:
        try:
            with open(self._info_path, "rb", opener=_open_plain) as file:
                return byte_ranges.read(file.read(_INFO_BYTES))
        except FileNotFoundError:
            return None

    def forget(self) -> None:
        """Trust nothing that is here; the next start begins a new version."""
        self.info, self.size = PartInfo(of=self.info.of), 0

    def start(self, info: PartInfo, at: int) -> None:
        """
        Get ready to write from a place on; a place of 0 begins a new version of the file.

        Raises:
            OSError: The disk refused.
        """
        # In this order: a kill in between leaves an empty file, never new bytes under an old record.
        self._file.truncate(at)
        if at == 0:
            with open(self._info_path, "wb", opener=_open_plain) as file:
                file.write(msgspec.json.encode(info))
        self.info = info
        self.size = self._file.seek(at)

    def write(self, chunks: Iterable[bytes]) -> None:
        """
        Add bytes.

        Raises:
            OSError: The disk refused; what it took before that is good.
        """
        try:
            self._file.writelines(chunks)
            self._file.flush()
        finally:
            self.size = os.fstat(self._file.fileno()).st_size

    def read_head(self) -> bytes:
        """
        Return the first kilobyte.

        Raises:
            OSError: The disk refused.
        """
        at = self._file.tell()
        self._file.seek(0)
        head = self._file.read(HEAD_BYTES)
        self._file.seek(at)
        return head

    def finish(self) -> None:
        """
        Give the whole file its name.

        Raises:
            OSError: The disk refused; `FileExistsError` when there is one by now that must stay.
        """
        os.fsync(self._file.fileno())
        if not self._overwrite and os.path.lexists(self.target):
            raise FileExistsError(self.target)
        self._file.close()
        self._path.replace(self.target)
        self._info_path.unlink(missing_ok=True)
        _sync_folder(self.target.parent)

    def close(self) -> None:
        """Close it; keep it only if a later run is to go on with it, and can."""
        if self._file.closed:
            return  # it has its name
        with suppress(OSError):
            self._file.close()
        if not (self._resume and self.size and self.info.validator):
            for path in (self._path, self._info_path):
                with suppress(OSError):
                    path.unlink(missing_ok=True)


def _part_name(name: str) -> str:
    """Return `NAME.part`; a name that leaves no room for the endings is cut and made unique by a digest."""
    if len(os.fsencode(f"{name}.part.json")) <= _NAME_BYTES:
        return f"{name}.part"
    digest = blake2b(os.fsencode(name), digest_size=8).hexdigest()
    return f"{os.fsencode(name)[:200].decode(errors='ignore')}.{digest}.part"


def _open_plain(path: str | os.PathLike[str], flags: int) -> int:
    """
    Open a file that is here and only here: links and pipes left in a shared folder lead elsewhere.

    Raises:
        OSError: It is something else.
    """
    # A pipe without a reader must not block, and nothing may be cut off before it is known whose it is.
    kept = flags & ~os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(path, kept | getattr(os, "O_BINARY", 0), 0o666)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            raise OSError(errno.EINVAL, f"{os.fspath(path)} is a link or no plain file")
        if flags & os.O_TRUNC:
            os.ftruncate(handle, 0)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where folders can be synced at all."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
