"""A user at a terminal."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heygen_async._cli.app import begin, perform

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Mapping, Sequence

    import pytest

    from heygen_async.testing import Simulator


@dataclass(frozen=True)
class Printed:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The objects of `--json`."""
        return [json.loads(line) for line in self.out.splitlines()]

    def labels(self) -> list[str]:
        """The first words of the lines, without those of the next lines of a message."""
        return [line.split()[0] for line in self.out.splitlines() if line and not line.startswith(" ")]


class TerminalUser:
    """The user: what they type, and what they see."""

    def __init__(
        self, simulator: Simulator, folder: pathlib.Path, screen: pytest.CaptureFixture[str]
    ) -> None:
        self.simulator = simulator
        self.folder = folder
        self._screen = screen

    async def types(self, *words: str) -> Printed:
        """Type `heygen-async` and some words, and wait for the end of it."""
        self._screen.readouterr()
        work = begin(words)
        code = work if isinstance(work, int) else await perform(words, work)
        shown = self._screen.readouterr()
        assert self.simulator.api_key not in shown.out + shown.err
        return Printed(code, shown.out, shown.err)

    def writes(self, name: str, rows: Sequence[Mapping[str, str]]) -> pathlib.Path:
        """Save a job file."""
        path = self.folder / name
        path.write_bytes(as_csv(rows))
        return path

    def results(self, folder: str = "videos") -> list[dict[str, Any]]:
        """The lines of `results.jsonl`."""
        text = (self.folder / folder / "results.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


def as_csv(rows: Sequence[Mapping[str, str]]) -> bytes:
    """Return rows as a spreadsheet saves them."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
