"""What is logged has names and fields that a program may rely on, and the guide tells them."""

from __future__ import annotations

import ast
import logging
import re
from typing import TYPE_CHECKING, Final

from heygen_async import HeyGen, RetryPolicy
from heygen_async.testing import MemoryTransport, Simulator, run
from repository import house

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

PAGE: Final = (house.GUIDES / "logs.md").read_text(encoding="utf-8")
CLIENT: Final = [
    path
    for path in house.sources("heygen_async")
    if path.relative_to(house.PACKAGE).parts[0] not in {"durable", "testing", "_cli"}
]


def told() -> dict[str, tuple[str, set[str]]]:
    """The events of the guide: name, level, fields."""
    table = PAGE.partition("| `event` | Level | Fields |\n")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]
    return {name.strip("`"): (level, set(re.findall(r"`(\w+)`", fields))) for name, level, fields in rows}


def logged() -> Iterator[tuple[str, set[str]]]:
    """The events of the client's code with the fields beside them."""
    for path in CLIENT:
        for node in ast.walk(house.tree(path)):
            if isinstance(node, ast.Dict):
                keys = [key.value if isinstance(key, ast.Constant) else "" for key in node.keys]
                if "event" in keys and isinstance(value := node.values[keys.index("event")], ast.Constant):
                    yield str(value.value), {str(key) for key in keys} - {"event", ""}


def test_every_event_is_in_the_guide() -> None:
    """Who filters by a name or reads a field finds it told."""
    assert [] == [(name, fields - told()[name][1]) for name, fields in logged() if fields - told()[name][1]]


def test_every_event_of_the_guide_is_logged() -> None:
    """A name on the page is one that the client says."""
    assert {name for name, _ in logged()} == set(told())


def test_nothing_is_logged_without_a_name() -> None:
    """Every record of the client can be told by its event."""
    assert [] == [
        f"{house.relative(path)}:{node.lineno}"
        for path in CLIENT
        for node in ast.walk(house.tree(path))
        if isinstance(node, ast.Call)
        and re.fullmatch(r"log\.(debug|info|warning|error|exception)", ast.unparse(node.func))
        and not any(each.arg == "extra" for each in node.keywords)
    ]


def test_a_record_has_the_fields_of_its_event(caplog: pytest.LogCaptureFixture) -> None:
    """A retry is one record with its name, its level and all its fields."""

    async def twice() -> None:
        simulator = Simulator()
        simulator.faults.add("reset_before", on="account")
        async with HeyGen(
            simulator.api_key, http=MemoryTransport(simulator), retry=RetryPolicy(max_attempts=2)
        ) as heygen:
            await heygen.account.me()

    with caplog.at_level(logging.INFO, logger="heygen_async"):
        run(twice)
    level, fields = told()["retry"]

    assert [("retry", level)] == [(vars(each)["event"], each.levelname.lower()) for each in caplog.records]
    assert fields <= vars(caplog.records[0]).keys()
