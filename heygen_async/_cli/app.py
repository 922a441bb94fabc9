"""
The command `heygen-async`: its subcommands, and the exit code of every error.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import pathlib
import shlex
import sys
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any, Final

from cyclopts import App, CycloptsError, MissingArgumentError, UnusedCliTokensError

from heygen_async import HeyGenError, __version__

from . import catalog, session
from .batch import batch
from .durable import worker
from .durable_admin import durable
from .exit_codes import Exit, UsageError, exit_of, hint_of, message_of
from .interrupt import run_interruptible
from .job_files import STDIN
from .output import Output, Terminal, brief
from .probe import probe
from .simulate import simulate

_HELP: Final = "HeyGen's Video Agent from the command line: from a prompt, or a file of prompts, to videos."
_EPILOGUE: Final = """\
The key is read from HEYGEN_API_KEY, and the address from HEYGEN_API_BASE when it is set.

Exit codes: 0 all done, 1 something failed, 2 usage, 3 key or credit, 4 timed out, 130 interrupted."""
_QUOTED: Final = {"run": 0, "send": 1, "approve": 1}  # where the words begin that belong in quotes
_STDIN_COMMANDS: Final = frozenset({"batch", "run", "send"})
_KEY_HINT: Final = "A key is read from HEYGEN_API_KEY only: as an argument, every process here could see it."

app = App(
    name="heygen-async",
    help=_HELP,
    help_epilogue=_EPILOGUE,
    help_format="markdown",
    version=__version__,
    exit_on_error=False,
    print_error=False,
    result_action="return_value",
)
session.add_to(app)
catalog.add_to(app)
app.command(batch)
app.command(worker)
app.command(durable)
app.command(simulate)
app.command(probe)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command; return its exit code.

    Args:
        arguments: The words after the command's name; those of this process when None.
    """
    tokens = sys.argv[1:] if arguments is None else list(arguments)
    _open_missing_streams()
    # Errors are shown in words; a raw line of the log would break the board.
    logging.getLogger("heygen_async").addHandler(logging.NullHandler())
    try:
        result = begin(tokens)
        code = result if isinstance(result, int) else asyncio.run(run_interruptible(perform(tokens, result)))
        sys.stdout.flush()
    except BrokenPipeError:
        return _end_quietly()
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return code


def begin(tokens: Sequence[str]) -> int | Coroutine[Any, Any, int]:
    """
    Understand the words; return the exit code, or the work that is to be awaited.

    Args:
        tokens: The words after the command's name.
    """
    # By itself, - would be an option without a name.
    arguments = [STDIN if word == "-" and not _STDIN_COMMANDS.isdisjoint(tokens) else word for word in tokens]
    try:
        command, bound, _ = app.parse_args(arguments, console=Terminal(sys.stdout))
    except CycloptsError as error:
        return _report_misuse(tokens, error)
    result = command(*bound.args, **bound.kwargs)
    return result if inspect.iscoroutine(result) else int(result or 0)


async def perform(tokens: Sequence[str], work: Coroutine[Any, Any, int]) -> int:
    """
    Await the work; return the exit code, with every error shown in words.

    Args:
        tokens: The words after the command's name.
        work: What came of them.
    """
    try:
        return await work
    except BrokenPipeError:
        return _end_quietly()
    except UsageError as error:
        _output(tokens).error(str(error), hint=error.hint, kind=type(error).__name__)
        return Exit.USAGE
    except HeyGenError as error:
        _output(tokens).error(message_of(error), hint=hint_of(error), kind=type(error).__name__)
        return exit_of(error)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        hint = "\n".join(getattr(error, "__notes__", ()))
        _output(tokens).error(f"{place}{error.strerror or error}", hint=hint, kind="OSError")
        return Exit.FAILED


def _report_misuse(tokens: Sequence[str], error: CycloptsError) -> int:
    command = next((token for token in tokens if not token.startswith("-")), "")
    message, hint = str(error), f"heygen-async {command} --help" if command in app else "heygen-async --help"
    if isinstance(error, UnusedCliTokensError):
        unused = [brief(token) for token in error.unused_tokens or () if not token.startswith("-")]
        message = f"Words are left over: {' '.join(unused)}"
        if command in _QUOTED:
            hint = f"Put all of it in quotes: {_quoted(command, tokens)}"
    if isinstance(error, MissingArgumentError) and error.argument is not None and not error.tokens_so_far:
        message = f"{error.argument.name} is missing."
    for token in tokens:
        name = token.partition("=")[0]
        if name.startswith("--") and ("key" in name or "token" in name):
            message, hint = f"Unknown option: {name}.", _KEY_HINT  # whatever stands beside it is not repeated
    _output(tokens).error(message, hint=hint, kind="UsageError")
    return Exit.USAGE


def _quoted(command: str, tokens: Sequence[str]) -> str:
    """Return a command as it was meant: its words, up to the first option, as one."""
    words = list(takewhile(lambda token: not token.startswith("-"), tokens[tokens.index(command) + 1 :]))
    before, meant = words[: _QUOTED[command]], words[_QUOTED[command] :]
    return shlex.join(["heygen-async", command, *before, brief(" ".join(meant), 200)])


def _output(tokens: Sequence[str]) -> Output:
    return Output(is_json="--json" in tokens)


def _open_missing_streams() -> None:
    """Open the null device for streams that were closed before the start: a journal must not become standard output."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, pathlib.Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - it stays


def _end_quietly() -> int:
    """Leave without a word: the reader of the output has gone, and flushing it at the end would fail again."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.NO_READER
