"""
Names for files that come from outside: a title may hold anything, a file's name may not.
"""

from __future__ import annotations

import re
import unicodedata
from hashlib import blake2b
from urllib.parse import urlsplit

MOST_BYTES = 200  # leaves room for `.part.json` under the 255 that file systems take
_ID_BYTES = 100

_FORBIDDEN = frozenset('<>:"/\\|?*')  # on Windows; the rest of the world forbids the slash alone
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}")
# Names of devices on Windows, whatever follows the first dot.
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"}
)


def file_name(title: str | None, identity: str, suffix: str) -> str:
    """Return a name made of a title and an id that is safe in any folder of any system."""
    end = f"{_cut(_plain(identity), _ID_BYTES) or 'file'}{suffix}"
    kept = _cut(_plain(title or ""), MOST_BYTES - len(end.encode()) - 2)
    name = f"{kept} {end}" if kept else end
    is_reserved = name.partition(".")[0].rstrip().casefold() in _RESERVED
    return f"_{name}" if is_reserved else name


def key_name(key: str) -> str:
    """Return the name, without ending, of the file of a key: the key itself where it is safe, else with a digest."""
    name = file_name(None, key, "")
    return name if name == key else f"{name} {blake2b(key.encode(), digest_size=4).hexdigest()}"


def suffix_of(url: str | None, default: str) -> str:
    """Return the ending of the file behind an address."""
    try:
        path = urlsplit(url or "").path
    except ValueError:
        return default
    found = _SUFFIX.fullmatch(path[path.rfind(".") :]) if "." in path.rpartition("/")[2] else None
    return found.group().lower() if found else default


def _plain(text: str) -> str:
    """Put a space for everything a file's name should not hold, and nothing odd at its ends."""
    shown = (character if _is_plain(character) else " " for character in unicodedata.normalize("NFC", text))
    # A dot in front hides the file, a hyphen makes it an option, a tilde a home folder.
    return " ".join("".join(shown).split()).strip(" .-~")


def _is_plain(character: str) -> bool:
    return character not in _FORBIDDEN and unicodedata.category(character)[0] not in "CZ"


def _cut(text: str, most: int) -> str:
    return text.encode()[: max(0, most)].decode(errors="ignore").rstrip(" .")
