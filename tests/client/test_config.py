from __future__ import annotations

import math

import pytest

from heygen_async import RetryPolicy, Timeouts
from heygen_async._config import BASE_URL, base_url
from heygen_async._http.auth import bearer, credential
from heygen_async.errors import ConfigError, InvalidArgument

KEY = "sk_live-0123456789"


@pytest.mark.parametrize(
    ("api_key", "access_token", "environment", "expected"),
    [
        (KEY, None, None, ("x-api-key", KEY, "the api_key argument")),
        (KEY, None, "other", ("x-api-key", KEY, "the api_key argument")),
        (f" {KEY}\n", None, None, ("x-api-key", KEY, "the api_key argument")),
        (None, None, KEY, ("x-api-key", KEY, "HEYGEN_API_KEY")),
        (None, "tok", "other", ("authorization", "Bearer tok", "the access_token argument")),
    ],
    ids=["argument", "argument-first", "stripped", "environment", "token"],
)
def test_one_credential_is_chosen(
    api_key: str | None,
    access_token: str | None,
    environment: str | None,
    expected: tuple[str, str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One header is sent, arguments go before the environment, and it is known where the value came from."""
    if environment is not None:
        monkeypatch.setenv("HEYGEN_API_KEY", environment)
    chosen = credential(api_key, access_token)

    assert expected == (chosen.header, chosen.value, chosen.origin)


def test_token_may_be_asked_for() -> None:
    """A callable is kept to be asked, and not asked yet."""
    chosen = credential(None, lambda: "tok")

    assert (None, "the access_token callable") == (chosen.value, chosen.origin)
    assert chosen.ask is not None


def test_credential_is_not_printed() -> None:
    """The repr of a credential has its origin and not its value."""
    assert KEY not in repr(credential(KEY, None))
    assert "api_key argument" in repr(credential(KEY, None))


@pytest.mark.parametrize("environment", [None, "", "  "], ids=["unset", "empty", "blank"])
def test_missing_key_says_where_to_get_one(environment: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key the error says which variable to set and where keys are made."""
    if environment is not None:
        monkeypatch.setenv("HEYGEN_API_KEY", environment)
    with pytest.raises(ConfigError, match="HEYGEN_API_KEY") as raised:
        credential(None, None)

    assert "https://app.heygen.com/settings" in raised.value.hint


def test_two_credentials_are_one_too_many() -> None:
    """The service takes a key or a token, never both."""
    with pytest.raises(ConfigError, match="Both"):
        credential(KEY, "tok")


UNSAFE = {
    "line-break": f"{KEY}\r\nx-evil: 1",
    "space": f"{KEY} {KEY}",
    "control": f"{KEY}\x7f",
    "accent": f"ü{KEY}",
    "surrogate": f"{KEY}\ud800",
}


def assert_unseen(error: ConfigError) -> None:
    """Assert that nothing about an error shows the key."""
    assert KEY not in f"{error!r} {error} {error.hint} {error.__context__!r} {vars(error)}"


@pytest.mark.parametrize("value", UNSAFE.values(), ids=UNSAFE)
def test_unsafe_key_is_refused_unseen(value: str) -> None:
    """A key or token that cannot be a header is refused before it is sent, and the error does not show it."""
    with pytest.raises(ConfigError, match="api_key argument") as raised:
        credential(value, None)
    assert_unseen(raised.value)
    with pytest.raises(ConfigError, match="access_token") as raised:
        credential(None, value)
    assert_unseen(raised.value)


def test_unsafe_key_of_the_environment_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable, not its value."""
    monkeypatch.setenv("HEYGEN_API_KEY", f"{KEY} # mine")
    with pytest.raises(ConfigError, match="HEYGEN_API_KEY") as raised:
        credential(None, None)

    assert_unseen(raised.value)


@pytest.mark.parametrize("value", ["", "  "], ids=["empty", "blank"])
def test_empty_credential_is_refused(value: str) -> None:
    """An empty argument is a mistake, no reason to look elsewhere."""
    for given in ((value, None), (None, value)):
        with pytest.raises(ConfigError, match="empty"):
            credential(*given)


def test_token_is_a_bearer_token() -> None:
    """A token is sent the way tokens are, and not shown."""
    assert "Bearer tok" == bearer(" tok ")
    assert "tok" not in repr(bearer("tok"))


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        (None, None, BASE_URL),
        (None, " https://eu.test/ ", "https://eu.test"),
        ("https://a.test", "https://eu.test", "https://a.test"),
        ("https://a.test//", None, "https://a.test"),
        ("HTTPS://a.test:8443", None, "HTTPS://a.test:8443"),
        ("http://localhost:8080", None, "http://localhost:8080"),
        ("http://LOCALHOST", None, "http://LOCALHOST"),
        ("http://127.0.0.1:1", None, "http://127.0.0.1:1"),
        ("http://127.9.9.9", None, "http://127.9.9.9"),
        ("http://[::1]:8080", None, "http://[::1]:8080"),
    ],
    ids=[
        "default", "environment", "argument-first", "slashes", "upper", "localhost", "upper-localhost",
        "v4", "v4-net", "v6",
    ],
)  # fmt: skip
def test_address_is_taken(
    given: str | None, environment: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address is the argument's, the environment's or the service's; plain http reaches only this machine."""
    if environment is not None:
        monkeypatch.setenv("HEYGEN_API_BASE", environment)

    assert expected == base_url(given)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.heygen.com",
        "http://localhost.evil.com",
        "http://127.0.0.1.evil.com",
        "http://localhost@evil.com",
        "http://evil.com#@localhost",
        "http://evil.com\\@localhost",
        "http://localhost\\.evil.com",
        "http://0.0.0.0",
        "http://[::]",
        "http://192.168.0.1",
        "http://[fe80::1]",
        "http://localhost\n.evil.com",
        "https://user:pw@api.heygen.com",
        "https://@api.heygen.com",
        "https://api.heygen.com?",
        "https://api.heygen.com/?a=b",
        "https://api.heygen.com#",
        "https://api.heygen.com/v3",
        "https://api.heygen.com/v3/",
        "https://gateway.test/heygen",
        "htps://api.heygen.com",
        "https:/api.heygen.com",
        "https//api.heygen.com",
        "https://api.heygen.com:port",
        "https://api.heygen.com:99999",
        "https://[::1",
        "https://",
        "https:///v3",
        "https://api.hey gen.com",
        "ftp://localhost",
        "file:///etc/passwd",
        "//localhost",
        "localhost:8080",
        "api.heygen.com",
    ],
)
def test_address_is_refused(url: str) -> None:
    """No address that would carry the key in the open, or to somewhere else than it seems, is taken."""
    with pytest.raises(ConfigError, match="base_url") as raised:
        base_url(url)

    assert "pw" not in str(raised.value)
    assert "https" in raised.value.hint


def test_address_of_the_environment_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is believed no more than the argument."""
    monkeypatch.setenv("HEYGEN_API_BASE", "http://api.heygen.com")
    with pytest.raises(ConfigError):
        base_url(None)


@pytest.mark.parametrize("seconds", [0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["connect", "read", "write", "transfer", "watch", "settle", "outage"])
def test_limits_are_positive(name: str, seconds: float) -> None:
    """A limit that can never be kept, or never ends, is refused by its name."""
    with pytest.raises(InvalidArgument, match=f"timeouts.{name}"):
        Timeouts(**{name: seconds})


def test_watch_may_have_no_deadline() -> None:
    """Only the deadline of watches can be switched off."""
    assert Timeouts(watch=None).watch is None
    with pytest.raises(InvalidArgument, match=r"timeouts\.read"):
        Timeouts(read=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_attempts", 0),
        ("max_elapsed", 0),
        ("max_retry_after", -1),
        ("base", math.nan),
        ("longest", math.inf),
        ("settle_time", 0),
        ("settle", "guess"),
    ],
)
def test_retry_policy_is_checked(name: str, value: float | str) -> None:
    """A policy that makes no sense is refused by the name of the field."""
    with pytest.raises(InvalidArgument, match=rf"retry\.{name}"):
        RetryPolicy(**{name: value})  # type: ignore[arg-type]


def test_defaults_are_those_of_the_documentation() -> None:
    """A default is a promise: an hour to watch, half a minute to read, two minutes for a pace."""
    limits, policy = Timeouts(), RetryPolicy()

    assert (30, 120, 3600, 30, 300) == (
        limits.read, limits.write, limits.watch, limits.settle, limits.outage,
    )  # fmt: skip
    assert (120, "adopt") == (policy.max_retry_after, policy.settle)
