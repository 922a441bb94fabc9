"""
Whether a download is the file it claims to be: login pages, error documents and nothing at all come with a 200 too.

Only clear cases are refused. A file that is labelled wrongly and begins like a video stays a video.
"""

from __future__ import annotations

import re

from ..errors import BadResponse
from .media_types import is_page

_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_TEXT_TYPES = _PAGE_TYPES | {"text/plain", "text/xml", "application/xml", "application/json"}
# All other endings announce a binary file: videos, pictures, sound, documents.
_PAGE_SUFFIXES = (".html", ".htm")
_TEXT_SUFFIXES = (*_PAGE_SUFFIXES, ".json", ".srt", ".svg", ".txt", ".ttml", ".vtt", ".xml")
_STORAGE_ERROR = re.compile(rb"(<\?xml[^>]*>\s*)?<Error\b")
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")


def is_page_type(content_type: str) -> bool:
    """Whether a host calls its answer a page for a browser."""
    return _essence(content_type) in _PAGE_TYPES


def check_content(name: str, content_type: str, head: bytes) -> None:
    """
    Refuse what is not the file.

    Args:
        name: The name of the file; its ending says what is expected, none when anything may come.
        content_type: What the host calls it.
        head: Its first bytes, `HEAD_BYTES` when there are so many.

    Raises:
        BadResponse: It is empty, a page, an error document, or text in place of a binary file.
    """
    if not head:
        raise BadResponse("The storage host sent an empty file.", status=200)
    suffix = name[name.rfind(".") :].lower() if "." in name else ""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if suffix not in _PAGE_SUFFIXES and is_page(text):
        raise BadResponse("The storage host sent an HTML page in place of the file.", status=200)
    if _STORAGE_ERROR.match(text):
        raise BadResponse("The storage host sent an error document in place of the file.", status=200)
    looks_wrong = text[:1] in {b"<", b"{"} or _essence(content_type) in _TEXT_TYPES
    # The last character may be cut.
    is_text = _CONTROLS.search(text) is None and "\ufffd" not in text.decode(errors="replace")[:-1]
    if suffix and suffix not in _TEXT_SUFFIXES and looks_wrong and is_text:
        raise BadResponse("The storage host sent text in place of the file.", status=200)


def _essence(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
