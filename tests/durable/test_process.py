"""What a durable batch leaves alone in the process it runs in, and what it shares with others of its kind."""

from __future__ import annotations

import asyncio
import logging
import signal
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import anyio
import psutil
import pytest
import sqlalchemy as sa
from dbos import DBOS

from durable.campaign import campaign, client, ended, films, service
from heygen_async import ClientStateError, ConfigError
from heygen_async.durable import DatabaseUnavailable, DurableBatch

if TYPE_CHECKING:
    import pathlib

    from servers import Postgres

pytestmark = pytest.mark.durable


async def test_any_number_of_batches_are_open_beside_the_one_that_is_worked_for(
    tmp_path: pathlib.Path, postgres: Postgres
) -> None:
    """A process that works for a batch submits to, reads and answers others, of whatever database."""
    simulator, file = service(), f"sqlite:///{tmp_path / 'campaign.db'}"
    async with (
        campaign(file, simulator, name="spring") as spring,
        campaign(file, simulator, name="autumn", work=False) as autumn,
        campaign(postgres.database(), simulator, name="winter", work=False) as winter,
    ):
        for batch in (spring, autumn, winter):
            await batch.submit(films(2))
        assert 2 == len(await ended(spring))
        assert {"queued": 2} == (await autumn.status()).counts
        assert {"queued": 2} == (await winter.status()).counts

    assert 2 == len(simulator.ledger.creates)


async def test_one_batch_after_the_other(tmp_path: pathlib.Path, postgres: Postgres) -> None:
    """A process works for batches of different databases one after the other, and for the first one again."""
    simulator = service()
    file, server = f"sqlite:///{tmp_path / 'one.db'}", postgres.database()
    for url, name in ((file, "spring"), (server, "autumn"), (file, "winter"), (file, "spring")):
        async with campaign(url, simulator, name=name) as batch:
            await batch.submit(films(2))
            assert all(outcome.ok for outcome in (await ended(batch)).values())

    assert 6 == len(simulator.ledger.creates)


async def test_open_close_and_open_again(database: str) -> None:
    """A batch goes on where it was, however often it is closed in the middle."""
    simulator = service()
    async with client(simulator) as heygen:
        batch = DurableBatch(database, name="spring", heygen=heygen, max_in_flight=3, poll_interval=0.05)
        async with batch:
            await batch.submit(films(9))
        for _ in range(3):
            async with batch:
                await anyio.sleep(0.3)
        async with batch:
            outcomes = await ended(batch)

    assert 9 == len(outcomes)
    assert all(outcome.ok for outcome in outcomes.values())
    assert 9 == len(simulator.ledger.creates)


@pytest.mark.parametrize("name", ["spring", "autumn"])
async def test_a_process_works_for_one_batch_at_a_time(sqlite: str, name: str) -> None:
    """A second working batch in one process is refused, with the way out; the first goes on, and is open to clients."""
    simulator = service()
    async with campaign(sqlite, simulator) as first:
        with pytest.raises(ClientStateError) as caught:
            async with campaign(sqlite, simulator, name=name):
                raise AssertionError
        async with campaign(sqlite, simulator, work=False) as second:
            await second.submit(films(2))
        assert all(outcome.ok for outcome in (await ended(first)).values())

    assert "another process" in caught.value.hint


async def test_an_application_of_the_engine_is_left_alone(sqlite: str, tmp_path: pathlib.Path) -> None:
    """A process that runs DBOS itself is told so, and its own instance goes on; it may still look and submit."""
    DBOS(config={"name": "mine", "system_database_url": f"sqlite:///{tmp_path / 'mine.db'}"})
    try:
        with pytest.raises(ClientStateError):
            async with campaign(sqlite, service()):
                raise AssertionError
        async with campaign(sqlite, service(), work=False) as batch:
            await batch.submit(films(1))
    finally:
        DBOS.destroy(destroy_registry=True)


async def test_the_process_is_left_as_it_was(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """The loop's executor, signals, handlers of logging, listening sockets: all are as before; no thread stays."""
    loop = asyncio.get_running_loop()
    executor = ThreadPoolExecutor(1)
    loop.set_default_executor(executor)
    signals = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    handlers = list(logging.getLogger().handlers)
    threads = {thread for thread in threading.enumerate() if "heygen-async" in thread.name}

    async with campaign(database, service()) as batch:
        await batch.submit(films(2))
        await ended(batch)
        listening = _listening()

    assert executor is loop._default_executor  # type: ignore[attr-defined]
    assert signals == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert handlers == logging.getLogger().handlers
    assert [] == listening
    assert threads == {thread for thread in threading.enumerate() if "heygen-async" in thread.name}
    assert [] == [record for record in caplog.records if record.levelno >= logging.WARNING]
    executor.shutdown()


def _listening() -> list[str]:
    """The TCP addresses this process listens at."""
    return [str(one.laddr) for one in psutil.Process().net_connections("tcp") if one.status == "LISTEN"]


async def test_work_of_an_older_release_is_taken_over(sqlite: str) -> None:
    """Jobs queued by a process with other code of this package are worked for: no version strands them."""
    simulator = service()
    async with campaign(sqlite, simulator, work=False) as batch:
        await batch.submit(films(2))
    engine = sa.create_engine(sqlite)
    with engine.begin() as connection:
        versions = set(
            connection.execute(sa.text("select application_version from workflow_status")).scalars()
        )
    engine.dispose()
    async with campaign(sqlite, simulator) as batch:
        assert all(outcome.ok for outcome in (await ended(batch)).values())

    assert {"heygen-async"} == versions


async def test_records_of_a_later_release_are_refused(sqlite: str) -> None:
    """A job written by a later release is not guessed at: the error says what to do."""
    async with campaign(sqlite, service(), work=False) as batch:
        await batch.submit(films(1))
        engine = sa.create_engine(sqlite)
        with engine.begin() as connection:
            job = connection.exec_driver_sql("select job from heygen_jobs").scalar_one()
            later = (job.replace('"v":1', '"v":2'),)
            connection.exec_driver_sql("update heygen_jobs set phase = 'reviewing', job = ?", later)
        engine.dispose()
        with pytest.raises(ConfigError, match="version 2"):
            await batch.pending_reviews()


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql://u:SECRET@127.0.0.1:1/db", id="where it belongs"),
        pytest.param("postgresql://127.0.0.1:1/db?user=u&password=SECRET", id="query"),
        pytest.param("postgresql://u@127.0.0.1:1/db?password=SECRET&sslmode=bogus", id="refused query"),
        pytest.param("postgresql://u@127.0.0.1:1/db?sslpassword=SECRET", id="password of a key"),
        pytest.param("postgresql://u:a@SECRET@127.0.0.1:1/db", id="odd @"),
        pytest.param("postgresql://u:SECRET@127.0.0.1:port/db", id="odd port"),
        pytest.param("mysql://u:SECRET@127.0.0.1:1/db", id="another database"),
    ],
)
async def test_the_password_of_a_database_is_never_shown(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """An address that cannot be used is told without its password, wherever in it that stands."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConfigError) as caught:
        async with DurableBatch(url, name="spring", work=False):
            raise AssertionError
    shown = "".join(traceback.format_exception(caught.value)).replace(url, "")

    assert "SECRET" not in shown + repr(caught.value) + caught.value.hint + caplog.text


async def test_a_user_who_asks_while_the_database_is_away_is_told(postgres: Postgres) -> None:
    """A question that cannot be answered now says why, and the same batch answers it later."""
    async with campaign(postgres.database(), service(), work=False) as batch:
        await batch.submit(films(1))
        await anyio.to_thread.run_sync(postgres.stop)
        try:
            with pytest.raises(DatabaseUnavailable):
                await batch.status()
        finally:
            await anyio.to_thread.run_sync(postgres.start)
        assert 1 == (await batch.status()).total


def test_without_the_extra_the_error_names_it(tmp_path: pathlib.Path) -> None:
    """Without the engine installed, opening a batch says which extra to install."""
    code = (
        "import asyncio, sys\n"
        "sys.modules['dbos'] = None\n"
        "from heygen_async.durable import DurableBatch\n"
        "async def main():\n"
        "    async with DurableBatch('sqlite:///x.db', name='spring', work=False): pass\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )

    assert "ConfigError" in done.stderr
    assert "pip install heygen-async[durable]" in done.stderr
