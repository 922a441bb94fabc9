"""Where the files are: another origin than the API, with links, rules and failures of its own."""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlencode

from ...errors._arguments import check_choice, check_count, check_text
from .._arguments import check_optional, check_seconds
from .._http import HttpRequest, Refusal

CAPTIONS = b"1\n00:00:00,000 --> 00:00:02,000\nAn espresso machine.\n"
UPLOAD_SECONDS = 3600.0
MAX_UPLOAD_BYTES = 200 * 1024 * 1024


@dataclass(slots=True, kw_only=True)
class Storage:
    """
    The storage of a simulator, as `simulator.storage`; set what you need.

    Attributes:
        url: Where links lead, without a slash at the end; a server sets it to a port of its own.
        video: The bytes of every video; None for a real, small MP4. Others from now on are a changed file.
        captions: The bytes of every video's captions; None for videos without.
        ranges: Whether byte ranges are served; if not, the whole file comes whatever is asked for.
        validator: What tells versions apart: a strong `etag`, a `weak` one, the `date` of the change, or `none`.
        upload_seconds: For how long an upload link is good.
        max_upload_bytes: The largest direct upload.
        sent_bytes: Bytes of files that were really sent so far.
    """

    secret: str = field(repr=False)
    url: str = "http://127.0.0.1:8081"
    video: bytes | None = field(default=None, repr=False)
    captions: bytes | None = field(default=CAPTIONS, repr=False)
    ranges: bool = True
    validator: Literal["etag", "weak", "date", "none"] = "etag"
    upload_seconds: float = UPLOAD_SECONDS
    max_upload_bytes: int = MAX_UPLOAD_BYTES
    sent_bytes: int = 0
    _numbers: Iterator[int] = field(default_factory=itertools.count, repr=False)
    _dead: set[str] = field(default_factory=set[str], repr=False)

    def __post_init__(self) -> None:
        check_text(secret=self.secret, url=self.url)
        check_optional(bytes, "bytes", video=self.video, captions=self.captions)
        check_choice(("etag", "weak", "date", "none"), validator=self.validator)
        check_seconds(upload_seconds=self.upload_seconds)
        check_count(max_upload_bytes=self.max_upload_bytes)
        check_count(0, sent_bytes=self.sent_bytes)

    def link(self, path: str, expires_at: float) -> str:
        """
        Return a presigned link; no two are alike, so that one can die alone.

        Args:
            path: Of the file.
            expires_at: Until when it is good, in Unix seconds.
        """
        expires, number = str(int(expires_at)), str(next(self._numbers))
        signature = self._signature(path, expires, number)
        return f"{self.url}{path}?{urlencode({'expires': expires, 'n': number, 'signature': signature})}"

    def check(self, request: HttpRequest, now: float) -> None:
        """
        Let only a living, unexpired link of our own pass.

        Args:
            request: The request by it.
            now: Unix seconds.

        Raises:
            Refusal: The link is dead or expired, or its signature is wrong.
        """
        expires, given = request.query.get("expires", ""), request.query.get("signature", "")
        wanted = self._signature(request.path, expires, request.query.get("n", ""))
        if not hmac.compare_digest(wanted.encode(), given.encode("utf-8", "surrogatepass")):
            raise Refusal(403, "forbidden", "The signature of this link is wrong.")
        if now >= float(expires) or given in self._dead:
            raise Refusal(403, "forbidden", "This link has expired; ask for a fresh one.")

    def kill(self, request: HttpRequest) -> None:
        """Refuse this request's link from now on."""
        self._dead.add(request.query.get("signature", ""))

    def _signature(self, path: str, expires: str, number: str) -> str:
        message = f"{path}\n{expires}\n{number}".encode("utf-8", "surrogatepass")
        return hmac.new(self.secret.encode(), message, hashlib.sha256).hexdigest()
