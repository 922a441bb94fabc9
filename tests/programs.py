"""Programs that tests start as processes of their own: none outlives its test, however the test ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import Process
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType


class Programs:
    """The processes of one test, each with what it starts in turn in a group of its own."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[str] | Process] = []

    def start(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Start a program and leave the loop alone; options are those of `subprocess.Popen`."""
        process = subprocess.Popen(command, text=True, start_new_session=True, **options)
        self._started.append(process)
        return process

    async def open(self, *command: str, **options: Any) -> Process:
        """Start a program whose pipes the loop reads; options are those of `create_subprocess_exec`."""
        process = await create_subprocess_exec(*command, start_new_session=True, **options)
        self._started.append(process)
        return process

    def kill(self) -> None:
        """Kill what is left of them, and close the pipes to them."""
        for process in self._started:
            _kill_group(process)
            if isinstance(process, subprocess.Popen):
                with process:
                    pass


def _kill_group(process: subprocess.Popen[str] | Process) -> None:
    with suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def restore_ctrl_c() -> None:
    """
    See that Ctrl-C reaches what this process starts, although it may be told to ignore it itself.

    `nohup` and scripts that put a command in the background have it ignore Ctrl-C, and so would all its children. A
    handler that does nothing ignores it as well, and is not inherited.
    """

    def ignore(_number: int, _frame: FrameType | None) -> None:
        pass

    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, ignore)
