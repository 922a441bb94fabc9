"""What a job costs its database, in statements: the same on any machine, however busy."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from durable.campaign import campaign, ended, films, service

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Generator

pytestmark = pytest.mark.durable

JOBS = 10


@contextmanager
def counted() -> Generator[Counter[str]]:
    """Count the statements of a block, by what they do to which table."""
    counts: Counter[str] = Counter()

    def count(_connection: object, _cursor: object, statement: str, *_: Any) -> None:
        words = statement.replace('"', "").replace("main.", "").split()
        match words[0]:
            case "UPDATE":
                counts[f"update {words[1]}"] += 1
            case "INSERT":
                counts[f"insert {words[2]}"] += 1
            case "SELECT" if words[1].startswith("heygen_"):
                counts["read"] += 1
            case _:
                pass

    event.listen(sa.Engine, "before_cursor_execute", count)
    try:
        yield counts
    finally:
        event.remove(sa.Engine, "before_cursor_execute", count)


async def cost(url: str, mode: str = "generate", **options: Any) -> Counter[str]:
    """Return what jobs cost that are there when a process comes to work."""
    async with campaign(url, service(), work=False) as batch:
        await batch.submit(films(JOBS, mode=mode))
    with counted() as counts:
        async with campaign(url, service(), **options) as batch:
            assert JOBS == len(await ended(batch))
    return counts


async def test_a_job_is_changed_four_times_and_has_two_steps(sqlite: str) -> None:
    """A job is announced, sent, owned and ended, each change in one statement; the engine records two steps of it."""
    counts = await cost(sqlite)

    assert 4 * JOBS == counts["update heygen_jobs"]
    assert JOBS == counts["insert heygen_sessions"]
    assert 2 * JOBS == counts["insert operation_outputs"]


async def test_a_video_that_is_saved_costs_one_step_more(sqlite: str, tmp_path: pathlib.Path) -> None:
    """What was made is recorded before it is saved, and the engine has a third step."""
    counts = await cost(sqlite, download_to=tmp_path / "films")

    assert 5 * JOBS == counts["update heygen_jobs"]
    assert 3 * JOBS == counts["insert operation_outputs"]
