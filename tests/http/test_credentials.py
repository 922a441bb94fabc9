"""The key or token: where it comes from, how it is renewed, and that nobody sees it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import anyio
import pytest

from flows import Line, client, pass_time
from heygen_async import ConfigError, HeyGen, Unauthorized
from heygen_async.testing import Simulator

PROMPT = "An espresso machine"


def test_missing_key_says_where_to_get_one() -> None:
    """Without a key the client says so at once, where to get one and how to set it."""
    with pytest.raises(ConfigError, match="HEYGEN_API_KEY") as caught:
        HeyGen()

    assert "https://app.heygen.com" in caught.value.hint
    assert "export HEYGEN_API_KEY=" in caught.value.hint


async def test_key_of_the_environment(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key and the address may come from the environment."""
    monkeypatch.setenv("HEYGEN_API_KEY", "test-key")
    monkeypatch.setenv("HEYGEN_API_BASE", line.service.base_url)
    async with HeyGen(http=line) as heygen:
        await heygen.account.me()

    assert ["/v3/users/me"] == [sent.path for sent in line.sent]
    assert "test-key" == line.sent[0].headers["x-api-key"]


async def test_refused_key_is_explained_and_not_shown(service: Simulator) -> None:
    """The error of a refused key says which header was sent and where the key came from, never the key."""
    async with client(service, api_key="sk-wrong-secret") as heygen:
        with pytest.raises(Unauthorized) as caught:
            await heygen.sessions.create(PROMPT)

    assert "x-api-key" in caught.value.hint
    assert "api_key argument" in caught.value.hint
    assert "sk-wrong" not in f"{caught.value!r} {caught.value} {caught.value.hint}"


async def test_nothing_shows_the_key(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the reprs nor the log at its most talkative show the key."""
    caplog.set_level(logging.DEBUG, logger="heygen_async")
    line.service.faults.add("error_500")
    async with client(line) as heygen:
        session = await heygen.sessions.create(PROMPT)
        await session.wait()
        shown = f"{heygen!r} {session!r} {heygen._core.api.identity.headers!r} {session.ref()!r}"

    assert "test-key" not in shown
    assert caplog.records
    assert "test-key" not in " ".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)


class Tokens:
    """Gives out tokens in turn, and counts."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = tokens
        self.asked = 0

    def now(self) -> str:
        """Answer at once."""
        self.asked += 1
        return self._tokens[min(self.asked, len(self._tokens)) - 1]

    async def later(self) -> str:
        """Answer after a second, as an identity provider does."""
        await pass_time(1)
        return self.now()


async def test_token_is_sent_as_bearer(line: Line) -> None:
    """An access token given as text travels in the Authorization header, and no key with it."""
    line.service.rotate_access_token("tok-1")
    async with client(line, api_key=None, access_token="tok-1") as heygen:
        await heygen.account.me()

    assert "Bearer tok-1" == line.sent[0].headers["authorization"]
    assert "x-api-key" not in line.sent[0].headers


def sync_source(tokens: Tokens) -> Callable[[], str | Awaitable[str]]:
    """A plain function."""
    return tokens.now


def async_source(tokens: Tokens) -> Callable[[], str | Awaitable[str]]:
    """A coroutine function."""
    return tokens.later


Source = Callable[[Tokens], Callable[[], "str | Awaitable[str]"]]


@pytest.mark.parametrize("source", [sync_source, async_source])
async def test_fifty_calls_renew_a_token_once(service: Simulator, source: Source) -> None:
    """When a token expires under fifty calls, it is asked for once, and none of them fails."""
    service.rotate_access_token("tok-1")
    tokens = Tokens("tok-1", "tok-2")
    async with client(service, api_key=None, access_token=source(tokens)) as heygen:
        for wanted in (1, 2):
            async with anyio.create_task_group() as group:
                for _ in range(50):
                    group.start_soon(heygen.account.me)
            assert wanted == tokens.asked
            service.rotate_access_token("tok-2")


async def test_token_that_stays_refused(line: Line) -> None:
    """A token is asked for once more after a 401; when that is refused too, the caller is told."""
    tokens = Tokens("tok-1", "tok-2", "tok-3")
    async with client(line, api_key=None, access_token=tokens.now) as heygen:
        with pytest.raises(Unauthorized, match="401"):
            await heygen.account.me()

    assert 2 == tokens.asked
    assert 2 == len(line.sent)
