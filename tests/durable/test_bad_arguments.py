"""Every argument of a durable batch is tried with what it may not be: the error is ours and names it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

import pytest

from heygen_async import HeyGenError, InvalidArgument
from heygen_async.durable import DurableBatch

if TYPE_CHECKING:
    from pathlib import Path

ODD: Final = {"None": None, "5": 5, "'5'": "5", "object()": object()}
# What may be meant: None where it is the default, any number of seconds or jobs, any text, any truth.
TAKES: Final = {
    "url": {"'5'"},
    "name": {"'5'"},
    "max_in_flight": {"5"},
    "reviewer": {"None"},
    "on_event": {"None"},
    "download_to": {"None", "'5'"},
    "heygen": {"None"},
    "stop_on": set[str](),
    "work": set(ODD),
    "poll_interval": {"5"},
    "max_spend": {"None"},
    "rate": {"None"},
    "retry_failed": {"5"},
}


@pytest.mark.parametrize("name", inspect.signature(DurableBatch).parameters)
def test_a_durable_batch_refuses_bad_arguments(name: str, tmp_path: Path) -> None:
    """A batch cannot be made with what it could not use later, when jobs are under way."""
    for shown, value in ODD.items():
        arguments: dict[str, Any] = {"url": f"sqlite:///{tmp_path}/batch.db", "name": "batch", name: value}
        if shown in TAKES[name]:
            DurableBatch(**arguments)
        else:
            with pytest.raises(HeyGenError, match=f"{name}|rate"):  # a budget needs both
                DurableBatch(**arguments)


@pytest.mark.anyio
@pytest.mark.durable
async def test_methods_refuse_bad_arguments(tmp_path: Path) -> None:
    """What a method cannot use is refused by its name, and nothing is written."""
    tries: list[tuple[str, str, list[object]]] = [
        ("submit", "jobs", [None, 5, "5", object(), [5]]),
        ("find_changed", "jobs", [None, 5, "5", object(), [5]]),
        ("retry", "keys", [5, object()]),
        ("purge", "older_than", [None, "5", object(), -1, True]),
    ]
    async with DurableBatch(f"sqlite:///{tmp_path}/batch.db", name="batch", work=False) as batch:
        for method, argument, values in tries:
            for value in values:
                with pytest.raises(InvalidArgument) as refused:
                    await getattr(batch, method)(value)
                assert refused.value.argument == argument
        status = await batch.status()

    assert not status.jobs
