"""Pictures and videos: drawn or packaged bytes, and byte ranges of them."""

from __future__ import annotations

import functools
import hashlib
import html
import re
import struct
import zlib
from collections.abc import Mapping
from email.utils import formatdate
from importlib.machinery import SourceFileLoader
from pathlib import Path

from .._http import HttpRequest, HttpResponse, json_response, not_found

VIDEO_SECONDS = 4.0
PREFIX = "/_simulator/media/"
WIDTH, HEIGHT = 160, 90

_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")
_CREATED = 1767225600.0


@functools.cache
def video_bytes() -> bytes:
    """Return the packaged MP4."""
    # Read as an import would be, once: guards against blocking calls in event loops know and allow that.
    file = Path(__file__).parents[1] / "media" / "video.mp4"
    return SourceFileLoader(__name__, __file__).get_data(str(file))


@functools.lru_cache(maxsize=256)
def picture_png(name: str) -> bytes:
    """Return a small PNG whose colours and bars differ by name."""
    seed = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    sky, ground, bar = seed[0:3], seed[3:6], seed[6:9]
    horizon = 40 + seed[9] % 30
    rows = [_row(y, horizon, seed, sky if y < horizon else ground, bar) for y in range(HEIGHT)]
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    body = zlib.compress(b"".join(rows), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def picture_svg(name: str) -> bytes:
    """Return a storyboard card as SVG whose colours differ by name."""
    seed = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="320" height="180" viewBox="0 0 320 180">'
        f'<rect width="320" height="180" fill="#{seed[:6]}"/>'
        f'<circle cx="{60 + int(seed[6:8], 16) % 200}" cy="80" r="36" fill="#{seed[8:14]}"/>'
        f'<rect y="140" width="320" height="40" fill="#000"/>'
        f'<text x="12" y="166" font-family="sans-serif" font-size="16" fill="#fff">{html.escape(name)}</text></svg>'
    ).encode()


def _row(y: int, horizon: int, seed: bytes, ground: bytes, bar: bytes) -> bytes:
    left = 10 + seed[10] % 100
    if not horizon - 30 < y < horizon + 10:
        return b"\x00" + ground * WIDTH
    return b"\x00" + ground * left + bar * 40 + ground * (WIDTH - left - 40)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def picture(name: str) -> tuple[bytes, str]:
    """
    Return bytes and type of the picture `<id>.png` or `<id>.svg`.

    Raises:
        Refusal: Another kind of file.
    """
    stem, _, kind = name.rpartition(".")
    if kind == "png":
        return picture_png(stem), "image/png"
    if kind == "svg":
        return picture_svg(stem), "image/svg+xml"
    raise not_found("File")


def serve(request: HttpRequest, content: bytes, content_type: str) -> HttpResponse:
    """Return the file, or the byte range asked for."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {
        "content-type": content_type,
        "accept-ranges": "bytes",
        "etag": etag,
        "last-modified": formatdate(_CREATED, usegmt=True),
    }
    wanted = _range_of(request.headers, etag, headers["last-modified"], len(content))
    if wanted is None:
        return _answer(request, 200, headers, content)
    first, last = wanted
    if first >= len(content) or first > last:
        unsatisfiable = {"content-range": f"bytes */{len(content)}"}
        return json_response(
            {"error": {"code": "range", "message": "No such range."}}, status=416, headers=unsatisfiable
        )
    headers["content-range"] = f"bytes {first}-{last}/{len(content)}"
    return _answer(request, 206, headers, content[first : last + 1])


def _range_of(headers: Mapping[str, str], etag: str, modified: str, size: int) -> tuple[int, int] | None:
    """Return first and last byte asked for; None means the whole file."""
    match = _RANGE.match(headers.get("range", ""))
    if match is None or headers.get("if-range", etag) not in {etag, modified}:
        return None
    first, last = match.groups()
    if first:
        return int(first), min(int(last), size - 1) if last else size - 1
    return (max(0, size - int(last)), size - 1) if last and int(last) else (size, size)


def _answer(request: HttpRequest, status: int, headers: Mapping[str, str], content: bytes) -> HttpResponse:
    """Return the content; a HEAD learns its length only."""
    length = {**headers, "content-length": str(len(content))}
    return HttpResponse(status, length, b"" if request.method == "HEAD" else content)
