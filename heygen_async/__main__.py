"""`python -m heygen_async`: the command, or how to get it."""

import sys

from ._cli import main as main  # noqa: PLC0414 - the console script is looked up here

if __name__ == "__main__":
    sys.exit(main())
