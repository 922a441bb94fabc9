"""The contract that the probe carries, and what it cites."""

from __future__ import annotations

import json
import re

from contract.book import FOLDER, read_edition
from contract.make_strict import derive
from contract.table import TABLE, build
from heygen_async.testing._probe.contract import ERROR_CODES
from heygen_async.testing._probe.probe import make_report

TEXT = (FOLDER / "contract.md").read_text(encoding="utf-8")


def section(name: str) -> str:
    """A section of the contract, its heading included, without line breaks; empty if there is none."""
    parts = re.split(r"^## ", TEXT, flags=re.MULTILINE)
    return next((" ".join(part.split()).casefold() for part in parts if part.startswith(name)), "")


def test_the_table_is_the_contract() -> None:
    """The table of the probe is what openapi.yaml says: `python -m contract.table` writes it anew."""
    assert build() == json.loads(TABLE.read_text(encoding="utf-8"))


def test_each_row_cites_a_line_of_the_contract() -> None:
    """The section that a row names has the words that it names."""
    cited = [row.contract.partition(": ") for row in make_report([]).rows]

    assert [] == [f"{name}: {words}" for name, _, words in cited if words.casefold() not in section(name)]
    assert all(section(name) for name, _, _ in cited)


def test_each_error_code_is_in_the_contract() -> None:
    """The probe knows no code that the contract does not have."""
    assert [] == sorted(code for code in ERROR_CODES if code not in TEXT and not code.endswith("_not_found"))


def test_the_strict_edition_is_derived_from_the_contract() -> None:
    """What judges the simulator is the contract and what make_strict.py adds: it writes the file anew."""
    assert derive() == read_edition("openapi.strict.yaml")
