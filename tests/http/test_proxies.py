"""Which proxy of the environment a request goes through."""

from __future__ import annotations

import pytest

from heygen_async import ConfigError, HeyGen
from heygen_async._http.proxies import read_proxies


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"https": "http://p.test:3128"}, "http://p.test:3128"),
        ({"https": "p.test:3128"}, "http://p.test:3128"),
        ({"https": " https://u:p@p.test "}, "https://u:p@p.test"),
        ({"all": "p.test:1"}, "http://p.test:1"),
        ({"all": "p.test:1", "https": "q.test:2"}, "http://q.test:2"),
        ({"all": "p.test:1", "https": ""}, "http://p.test:1"),
        ({"http": "p.test:1"}, None),
        ({}, None),
    ],
    ids=["whole", "no scheme", "TLS and a user", "all", "own before all", "empty", "other scheme", "none"],
)
def test_proxy_is_read_as_people_write_it(environment: dict[str, str], expected: str | None) -> None:
    """A proxy needs no scheme, and ALL_PROXY stands in for both."""
    assert expected == read_proxies(environment).choose("https", "api.test", None)


@pytest.mark.parametrize(
    ("exempt", "host", "port", "is_direct"),
    [
        ("*", "api.test", None, True),
        ("api.test", "api.test", None, True),
        ("API.Test", "api.test", None, True),
        ("test", "api.test", None, True),
        (".test", "api.test", None, True),
        ("*.test", "api.test", None, True),
        ("est", "api.test", None, False),
        ("other.test, api.test", "api.test", None, True),
        ("other.test api.test", "api.test", None, True),
        ("api.test:443", "api.test", None, True),
        ("api.test:8443", "api.test", None, False),
        ("api.test:8443", "api.test", 8443, True),
        ("10.0.0.0/8", "10.1.2.3", None, True),
        ("10.0.0.0/8", "11.1.2.3", None, False),
        ("10.0.0.0/8", "api.test", None, False),
        ("fd00::/8", "fd00::1", None, True),
        ("fd00::1", "[fd00::1]", None, True),
        ("[fd00::1]:443", "fd00::1", None, True),
        ("nonsense/x", "api.test", None, False),
        (",, :", "api.test", None, False),
    ],
)
def test_exemptions_are_names_suffixes_ports_and_networks(
    exempt: str, host: str, port: int | None, is_direct: bool
) -> None:
    """NO_PROXY takes all that curl and requests take."""
    proxies = read_proxies({"https": "p.test:1", "no": exempt})

    assert is_direct == (proxies.choose("https", host, port) is None)


@pytest.mark.parametrize(
    "value",
    [
        "socks5://p.test:1",
        "socks5h://u:SECRET@p.test",
        "ftp://p.test",
        "http://",
        "http://p.test:x",
        "http://[",
    ],
)
def test_proxy_that_cannot_be_used_is_refused_at_once(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SOCKS proxy or what is no address is a `ConfigError` of the client, which shows nothing of it."""
    monkeypatch.setenv("https_proxy", value)
    with pytest.raises(ConfigError) as raised:
        HeyGen("key", trust_env=True)

    assert "SECRET" not in f"{raised.value}{raised.value.hint}"
    assert repr(HeyGen("key"))
