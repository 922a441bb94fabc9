"""How an echo of a text compares with what was sent."""

from __future__ import annotations

import html
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygen_async._polling.messages import compare_texts

SENT = 'Make the opening shot "warmer", please - it\'s 5 °C in there & it shows.\r\n\r\nThe café stays...  as it is.'
SAME = {
    "exact": SENT,
    "line ends": SENT.replace("\r\n", "\n"),
    "spaces": " ".join(SENT.split()),
    "stripped and padded": f"\n {SENT}\t",
    "decomposed": unicodedata.normalize("NFD", SENT),
    "quotes": SENT.replace('"warmer"', "“warmer”").replace("it's", "it’s"),
    "ellipsis": SENT.replace("...", "…"),
    "dash": SENT.replace(" - ", " – "),
    "escaped": html.escape(SENT),
    "escaped twice": html.escape(html.escape(SENT)),
    "zero width": SENT.replace(" ", " \u200b"),
    "byte order mark": f"\ufeff{SENT}",
    "no-break spaces": SENT.replace(" ", "\u00a0"),
}
SIMILAR = {
    "cut": SENT[:60],
    "cut with an ellipsis": f"{SENT[:60]}…",
    "cut with dots": f"{SENT[:60]}...",
    "prefixed": f"User: {SENT}",
    "prefixed and cut": f"User: {SENT[:60]}…",
    "attachments after it": f"{SENT}\n[plan.pdf]",
    "without punctuation": "".join(letter for letter in SENT if letter.isalnum() or letter.isspace()),
    "capitals": SENT.upper(),
}
OTHER = {
    "empty": "",
    "blank": " \n",
    "another": "Make the closing shot warmer, please.",
    "the same beginning": SENT[:40] + "gone. Start over with another style.",
    "a word of it": "Make",
    "punctuation": "...",
}


@pytest.mark.parametrize("shown", SAME.values(), ids=SAME)
def test_an_echo_that_reads_alike_is_the_same(shown: str) -> None:
    """Line ends, spaces, Unicode form, quotes, escapes and invisible marks make no difference."""
    assert "same" == compare_texts(SENT, shown)


@pytest.mark.parametrize("shown", SIMILAR.values(), ids=SIMILAR)
def test_a_cut_or_prefixed_echo_is_similar(shown: str) -> None:
    """An echo cut short, with something around it or without its punctuation may be ours."""
    assert "similar" == compare_texts(SENT, shown)


@pytest.mark.parametrize("shown", OTHER.values(), ids=OTHER)
def test_another_text_is_other(shown: str) -> None:
    """A text that goes on differently, or shares too little, is not ours."""
    assert "other" == compare_texts(SENT, shown)


@pytest.mark.parametrize(
    ("sent", "shown", "expected"),
    [
        ("Yes", "Yes.", "similar"),
        ("Yes", "User: Yes", "similar"),
        ("Yes", "No", "other"),
        ("Yes", "Y", "other"),
        ("👍", "👍\ufe0f", "same"),
        ("👍", "?", "other"),
        ("a\ud800b", "a\ufffdb", "same"),
        ("请把开场镜头做得更温暖一些谢谢你们", "请把开场镜头做得更温暖一些谢谢", "similar"),
    ],
)
def test_short_texts_and_other_scripts(sent: str, shown: str, expected: str) -> None:
    """A short text is found whole or not at all; letters of any script count, a lone surrogate does no harm."""
    assert expected == compare_texts(sent, shown)


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_two_texts_compare(sent: str, shown: str) -> None:
    """Every text is the same as itself and any two compare without an error."""
    assert "same" == compare_texts(sent, sent)
    assert compare_texts(sent, shown) in ("same", "similar", "other")


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=300))
def test_an_exact_echo_survives_escapes_and_decomposition(sent: str) -> None:
    """What is escaped or decomposed on its way is the same text."""
    assert "same" == compare_texts(sent, html.escape(sent))
    assert "same" == compare_texts(sent, unicodedata.normalize("NFD", sent))
