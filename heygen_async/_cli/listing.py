"""
`heygen-async sessions`: the account's newest sessions.
"""

from __future__ import annotations

from itertools import count
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.text import Text

from .exits import Exit
from .options import Json, client
from .shown import brief
from .voice import Voice


async def sessions(
    *, limit: Annotated[int, Parameter(validator=Number(gte=1))] = 20, json: Json = False
) -> int:
    """
    List the account's sessions, newest first.

    Parameters
    ----------
    limit
        How many.
    """
    voice = Voice(is_json=json)
    number = count(1)
    async with client(None) as heygen:
        async for summary in heygen.sessions.list(page_size=min(limit, 100)):
            created = f"{summary.created:%Y-%m-%d %H:%M:%S}" if summary.created else "?"
            title = brief(summary.title or "", 70)
            if json:
                fields = {"session_id": summary.session_id, "created_at": summary.created_at}
                voice.say("session", **fields, title=summary.title)
            else:
                voice.show(Text(f"{brief(summary.session_id)}  {created}  {title}".rstrip()))
            if next(number) >= limit:
                break
    return Exit.DONE
