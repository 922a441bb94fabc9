"""
What kind of file some bytes are: the seven kinds the service takes, by their first bytes.

Seven fixed signatures need no library of thousands, whose guesses about all the others would have to be undone.
What is not one of the seven is refused before it is sent, unless the caller says what it is.
"""

from __future__ import annotations

import re

from ..errors import BadResponse, UploadError

HEAD_BYTES = 1024  # enough for every signature and to know a page

SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "audio/mpeg": ".mp3",
    "audio/wav": ".wav",
    "application/pdf": ".pdf",
}

# Containers that share the MP4 signature and are something else (ISO 14496-12, the major brand).
_NOT_MP4 = frozenset({b"qt  ", b"M4A ", b"M4B ", *b"heic heix heim heis hevc mif1 msf1 avif avis".split()})
_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_TEXT_TYPES = _PAGE_TYPES | {"text/plain", "text/xml", "application/xml", "application/json"}
# All other endings announce a binary file: videos, pictures, sound, documents.
_PAGE_SUFFIXES = (".html", ".htm")
_TEXT_SUFFIXES = (*_PAGE_SUFFIXES, ".json", ".srt", ".svg", ".txt", ".ttml", ".vtt", ".xml")
_STORAGE_ERROR = re.compile(rb"(<\?xml[^>]*>\s*)?<Error\b")
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<body")


def media_type(head: bytes, announced_type: str | None = None) -> str:
    """
    Return the type to announce for a file that begins so.

    Args:
        head: The first kilobyte.
        announced_type: What the caller calls it; used only where the bytes do not show it.

    Raises:
        UploadError: The service would not take it, or the bytes are of another type.
    """
    if is_page(head):
        raise UploadError(
            "The file is an HTML page.",
            hint="An error or login page was probably saved in place of the file; look at it in a browser.",
        )
    found = sniff_type(head)
    if found is None and announced_type is None:
        raise UploadError(
            "The file's first bytes are none of the types the service takes: png, jpeg, mp4, webm, mp3, wav, pdf.",
            hint="Convert the file; or give content_type=, if the service takes more than this release knows.",
        )
    if found is not None and announced_type in SUFFIXES and announced_type != found:
        raise UploadError(
            f"The file is {found}, not {announced_type}.",
            hint="Leave content_type= out: the bytes say what a file is.",
        )
    return found or announced_type or ""


def sniff_type(head: bytes) -> str | None:
    """Return which of the seven types a file is that begins so, None for none of them."""
    for signature, kind in ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg")):
        if head.startswith(signature):
            return kind
    if head[4:8] == b"ftyp":
        return None if head[8:12] in _NOT_MP4 else "video/mp4"
    if head.startswith(b"\x1aE\xdf\xa3"):
        # The same container is Matroska; its header says which (RFC 8794, DocType).
        return "video/webm" if b"\x42\x82\x84webm" in head[:256] else None
    if head.startswith(b"RIFF"):
        return "audio/wav" if head[8:12] == b"WAVE" else None
    if b"%PDF-" in head:  # readers allow a few bytes before it
        return "application/pdf"
    return "audio/mpeg" if head.startswith(b"ID3") or _is_mp3_frame(head) else None


def is_page(head: bytes) -> bool:
    """Whether a file that begins so is an HTML page."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_PAGES)


def _is_mp3_frame(head: bytes) -> bool:
    """Whether an MPEG audio frame of layer III begins here (ISO 11172-3, 2.4.1.3)."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bitrate, sampling = head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and layer == 1 and bitrate not in {0, 15} and sampling != 3


# Of downloads: login pages, error documents and nothing at all come with a 200 too. Only clear cases are refused: one
# that is labelled wrongly and begins like a video stays a video.


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
