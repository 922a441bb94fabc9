"""
The proxies of the environment, read once and as people write them.

That is `host:port` without a scheme, `ALL_PROXY`, and `NO_PROXY` with suffixes, ports and networks.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from urllib.parse import urlsplit

from msgspec import Struct

from ..errors import ConfigError

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Proxies(Struct, frozen=True):
    """Which proxy a request goes through: by scheme, with hosts that need none."""

    by_scheme: Mapping[str, str]
    exempt: tuple[str, ...] = ()

    def choose(self, scheme: str, host: str, port: int | None) -> str | None:
        """Return the proxy for an address, None for none."""
        proxy = self.by_scheme.get(scheme)
        if proxy is None:
            return None
        name, wanted = host.strip("[]").rstrip(".").lower(), port or _DEFAULT_PORTS.get(scheme)
        return None if any(_covers(entry, name, wanted) for entry in self.exempt) else proxy


def read_proxies(environment: Mapping[str, str] | None = None) -> Proxies:
    """
    Return the proxies of the environment (names without `_proxy`, in small letters).

    Raises:
        ConfigError: One is SOCKS, or no address.
    """
    from urllib.request import getproxies  # only clients that ask for proxies need it

    found = getproxies() if environment is None else environment
    shared = found.get("all", "")
    chosen = {scheme: found.get(scheme) or shared for scheme in _DEFAULT_PORTS}
    by_scheme = {scheme: _address(scheme, value.strip()) for scheme, value in chosen.items() if value.strip()}
    return Proxies(by_scheme, tuple(found.get("no", "").replace(",", " ").lower().split()))


def _address(scheme: str, value: str) -> str:
    # Nothing of the value is shown: it may hold a password.
    address = value if "://" in value else f"http://{value}"
    parts, is_complete = urlsplit(""), False
    with suppress(ValueError):
        parts = urlsplit(address)
        is_complete = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    if parts.scheme.startswith("socks"):
        raise ConfigError(
            f"The proxy for {scheme} is SOCKS, which is not supported.",
            hint="Set an http:// proxy, or give a session with a SOCKS connector as http=.",
        )
    if not is_complete or parts.scheme not in _DEFAULT_PORTS:
        raise ConfigError(
            f"The proxy for {scheme} in the environment is no address.",
            hint="Write it as http://host:port, or unset it.",
        )
    return address


@lru_cache  # asked at every request about the same few hosts, and to parse an address is slow
def _covers(entry: str, host: str, port: int | None) -> bool:
    if entry == "*":
        return True
    with suppress(ValueError, TypeError):  # a name, or the one is no address or of another version
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    name, _, given = entry.rpartition(":")
    if not given.isdecimal() or (":" in name and not name.endswith("]")):
        name, given = entry, ""  # no port, or an IPv6 address without brackets
    name = name.strip("[]").removeprefix("*").strip(".")
    if given and int(given) != port:
        return False
    return bool(name) and (host == name or host.endswith(f".{name}"))
