"""
Links to storage hosts, sent as they are: a signature covers every byte of them, escapes included.
"""

from __future__ import annotations

import re
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

from ..errors import BadResponse

# How storage hosts answer an expired link, however they word it; only a fresh one shows whether it was that.
EXPIRED = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})

# What no request line can hold; everything else, `%` above all, stays as the host wrote it.
_UNSENDABLE = re.compile(r"[^!#-;=?-~]")


def resolve_link(link: str, base: str) -> str:
    """
    Return the absolute address of a link, changed only where it could not be sent.

    Args:
        link: What the service or a redirect gave; it may lack scheme and host.
        base: The address it is relative to.

    Raises:
        BadResponse: It leads nowhere that HTTP can reach.
    """
    link = link.strip().partition("#")[0]
    try:
        absolute = link if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", link) else urljoin(base, link)
        parts = urlsplit(absolute)
        host = parts.hostname
    except ValueError as error:
        raise BadResponse("The link to the file cannot be read.") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise BadResponse("The link to the file is no http or https address.")
    scheme, _, rest = absolute.partition("://")
    cut = re.search(r"[/?]", rest)
    place, path = (rest[: cut.start()], rest[cut.start() :]) if cut else (rest, "")
    if not place.isascii():
        with suppress(UnicodeError):  # what has no such form is refused below
            place = place.replace(host, host.encode("idna").decode("ascii"))
    if _UNSENDABLE.search(place):
        raise BadResponse("The link to the file has no readable host.")
    path = path if path.startswith("/") else f"/{path}"
    return f"{scheme}://{place}{_UNSENDABLE.sub(_escape, path)}"


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    # Bytes beyond ASCII in a header arrive as such halves; other halves are no character at all.
    is_byte = "\udc80" <= character <= "\udcff"
    encoded = character.encode("utf-8", "surrogateescape" if is_byte else "replace")
    return "".join(f"%{byte:02X}" for byte in encoded)
