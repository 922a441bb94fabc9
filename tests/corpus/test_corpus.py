from __future__ import annotations

import json
from functools import partial
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.generate import FOLDER, HUGE, LONG, answers
from heygen_async._api import assets, catalog, responses, sessions, videos, webhooks
from heygen_async.errors import BadResponse, HeyGenError
from strategies import ANSWERS, json_values

FILES = sorted(FOLDER.glob("*.json"))
TEXT = "x" * 100_000
API = (assets, catalog, responses, sessions, videos, webhooks)


def read(entry: dict[str, Any]) -> responses.Envelope[Any]:
    """What the answer of a file is read as."""
    body = json.dumps(entry["body"]).replace(json.dumps(HUGE), "9" * 400).replace(LONG, TEXT)
    return responses.read("the call", ANSWERS[entry["decoder"]][0], 200, {}, body.encode())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_answer_becomes_what_its_file_says(path: Any) -> None:
    """An answer with one flaw is read for the rest, has its row left out, or is refused as a whole."""
    entry = json.loads(path.read_text(encoding="utf-8"))
    becomes = json.loads(json.dumps(entry["becomes"]).replace(LONG, TEXT))
    if becomes == "refused":
        with pytest.raises(BadResponse, match=r"\$\.data"):
            read(entry)
        return
    envelope = read(entry)
    if becomes == "left out":
        assert ((), 1) == (envelope.data, envelope.skipped)
        return
    data = cast("object", envelope.data)
    [found] = cast("tuple[object, ...]", data) if isinstance(data, tuple) else (data,)
    if becomes != "same":
        assert becomes == json.loads(msgspec.json.encode(getattr(found, entry["field"])))


def test_corpus_is_whole() -> None:
    """Every field of every model has its files, as the generator beside them writes them; 150 at least."""
    written = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FILES}

    assert json.loads(json.dumps(answers())) == written
    assert 150 <= len(FILES)


@given(st.sampled_from(sorted(ANSWERS)), json_values, st.binary(max_size=40), st.integers(200, 599))
def test_nothing_leaves_the_tree_of_errors(name: str, data: object, rest: bytes, status: int) -> None:
    """Whatever an answer is, it is read or is an error of this package."""
    for body in (json.dumps({"data": data}).encode(), json.dumps({"error": data}).encode() + rest, rest):
        try:
            responses.read("the call", ANSWERS[name][0], status, {}, body)
        except HeyGenError:
            continue


def test_every_kind_of_answer_has_some() -> None:
    """No kind of answer that the client reads is left out here, or of what hypothesis draws from."""
    parts = [value for module in API for value in vars(module).values()]
    parts += [part for value in parts if isinstance(value, partial) for part in value.args]
    decoders = [value for value in parts if isinstance(value, responses.Decoder)]
    kinds = {str(one.type) for one in decoders if one is not sessions._OUTLINE}  # part of `SESSION`

    one_of_a_list: list[responses.Decoder[Any]] = [catalog.AVATAR, catalog.LOOK]
    assert kinds == {str(decoder.type) for decoder in [*one_of_a_list, *(one for one, _ in ANSWERS.values())]}
