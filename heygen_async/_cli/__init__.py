"""
The command `heygen-async` (extra `cli`): it uses what every user of the package can use, and nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

_MISSING = """\
The command `heygen-async` needs the extra `cli`, and {name} is not installed:

    pip install "heygen-async[cli]"
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command, or say how to get it; return its exit code.

    Args:
        arguments: The words after the command's name; those of this process when None.
    """
    try:
        from .app import main as run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"cyclopts", "rich"}:
            raise
        sys.stderr.write(_MISSING.format(name=error.name))
        return 2
    return run(arguments)
