from __future__ import annotations

import pickle
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
from heygen_async._redact import SHOWN, Secret, clean, host

SIGNED = "https://files.test/v.mp4?X-Amz-Signature=abc&X-Amz-Expires=60"


def test_secret_says_nothing_in_a_repr() -> None:
    """A header dict in a traceback's locals gives no key away, and the header still carries it."""
    secret = Secret("sk-very-secret")

    assert "{'x-api-key': '***'}" == repr({"x-api-key": secret})
    assert "sk-very-secret" == secret
    assert "'***'" == repr(pickle.loads(pickle.dumps(secret)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"GET {SIGNED} failed", "GET https://files.test/v.mp4?*** failed"),
        (f'{{"url":"{SIGNED}","n":1}}', '{"url":"https://files.test/v.mp4?***","n":1}'),
        (f"<a href='{SIGNED}'>", "<a href='https://files.test/v.mp4?***'>"),
        (f"{SIGNED} {SIGNED}", "https://files.test/v.mp4?*** https://files.test/v.mp4?***"),
        ("HTTPS://Files.Test/?a=b", "HTTPS://Files.Test/?***"),
        ("https://files.test/v#token=abc", "https://files.test/v?***"),
        ("https://user:pw@files.test/v", "https://***@files.test/v"),
        ("https://token@files.test", "https://***@files.test"),
        ("https://u:p@files.test/v?sig=1", "https://***@files.test/v?***"),
        ("postgresql://u:p/w@db.test/x", "postgresql://***@db.test/x"),
        ("postgresql://u:p@w@db.test/x", "postgresql://***@db.test/x"),
        ("postgresql://u:p?w@db.test/x", "postgresql://***"),
        ("postgresql://db.test/x?password=p", "postgresql://db.test/x?***"),
        ("host=db.test password=p user=u", "host=db.test password=*** user=u"),
        ("what? nothing # here", "what? nothing # here"),
    ],
    ids=[
        "text",
        "json",
        "html",
        "two",
        "upper",
        "fragment",
        "password",
        "token",
        "both",
        "slash",
        "at",
        "question",
        "query",
        "words",
        "no-address",
    ],
)
def test_addresses_lose_their_credentials(text: str, expected: str) -> None:
    """A presigned query and user information are credentials; the rest of an address may be shown."""
    assert expected == clean(text)


@pytest.mark.parametrize(
    ("length", "expected"),
    [(SHOWN, SHOWN), (SHOWN + 1, SHOWN), (100_000, SHOWN)],
    ids=["fits", "over", "far"],
)
def test_long_texts_are_cut(length: int, expected: int) -> None:
    """A foreign text is cut to 200 characters, and the cut is visible."""
    shown = clean("x" * length)

    assert expected == len(shown)
    assert (length > SHOWN) == shown.endswith("…")


@given(st.text(), strategies.secrets, st.text(), st.lists(strategies.secrets, max_size=2))
def test_no_secret_survives(before: str, secret: str, after: str, others: list[str]) -> None:
    """Whatever surrounds it, a secret is not in a cleaned text."""
    shown = clean(f"{before}{secret}{after}{secret}", [*others, Secret(secret)])

    assert secret not in shown
    assert len(shown) <= SHOWN


@given(st.text("ab/ \"'<", max_size=20), strategies.secrets)
def test_no_query_survives(around: str, value: str) -> None:
    """Whatever surrounds it, the query of an address is not in a cleaned text."""
    assert value not in clean(f"{around}https://files.test/v?sig={value}&x={value}{around}")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (SIGNED, "https://files.test"),
        ("http://u:p@localhost:8080/x?y", "http://localhost:8080"),
        ("/login?next=secret", "the same host"),
        ("http://[::1", "an unreadable address"),
        ("", "the same host"),
    ],
    ids=["signed", "user", "relative", "malformed", "empty"],
)
def test_host_is_all_a_log_needs(url: str, expected: str) -> None:
    """Of an address a log shows scheme, host and port."""
    assert expected == host(url)


@pytest.mark.parametrize("text", ["aa://", "aa://?", "a@", "://", "password=", "\x1b[", "aa://@"])
def test_long_text_is_cut_before_it_is_searched(text: str) -> None:
    """What a text costs does not depend on how much more of it there is."""
    short, long = clean(text * 10_000), clean(text * 100_000)

    assert short == long
    assert SHOWN >= len(long)


@given(st.text())
def test_nothing_forges_a_line_or_turns_what_one_reads(text: str) -> None:
    """No control character, mark of direction or half of a character is in a cleaned text."""
    shown = clean(f"a\r\nb\x1b[2J\u202e{text}", [])

    assert shown.startswith("a  b\\x1b[2J\\u202e")
    assert not [character for character in shown if unicodedata.category(character) in ("Cc", "Cs")]


def test_slices_of_a_secret_are_secrets() -> None:
    """A debugger that shortens a long value shows no part of it."""
    token = Secret("Bearer eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl")

    assert "'***'" == repr(token[:10]) == repr(token[0]) == repr(token.removeprefix("Bearer "))
    assert "Bearer eyJ" == str(token[:10])
