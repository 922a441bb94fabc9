"""Job files: every way people write them, and all that is wrong with one at once."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from cli.terminal_user import as_csv
from heygen_async import Job
from heygen_async._cli.exit_codes import UsageError
from heygen_async._cli.job_files import STDIN, open_jobs

if TYPE_CHECKING:
    import pathlib

    from heygen_async._cli.job_rows import ParsedRow

LONGEST = "x" * 10_000


def read(path: pathlib.Path) -> list[ParsedRow]:
    """The rows of a file, checked first."""
    with open_jobs(str(path), "generate") as file:
        check = list(file.check())
        rows = list(file.rows())
        assert check == rows
        return rows


def saved(folder: pathlib.Path, content: bytes | str, name: str = "jobs.csv") -> pathlib.Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path: pathlib.Path) -> str:
    """What is said of a file that cannot be used."""
    with pytest.raises(UsageError) as caught:
        read(path)
    return str(caught.value)


# ---- what is taken ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param("A tour", id="plain"),
        pytest.param('He said "hello", twice', id="quotes and commas"),
        pytest.param("First line\nSecond line\r\nThird", id="line breaks"),
        pytest.param("日本 👩‍🚀 naïve", id="other scripts"),
        pytest.param(LONGEST, id="the longest there may be"),
        pytest.param("  indented", id="blanks at its ends"),
    ],
)
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_prompt_comes_through_unchanged(tmp_path: pathlib.Path, prompt: str, form: str) -> None:
    """What the agent gets is what stands in the cell, to the character."""
    rows = [{"prompt": prompt, "key": "one"}]
    content = as_csv(rows) if form == "csv" else json.dumps(rows[0], ensure_ascii=False).encode()
    [row] = read(saved(tmp_path, content, f"jobs.{form}"))

    assert (prompt, "one") == (row.job().prompt, row.key)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xef\xbb\xbfprompt,key\r\nA tour,a\r\n", id="byte order mark"),
        pytest.param(b"prompt;key\nA tour;a\n", id="semicolons"),
        pytest.param(b"prompt\tkey\nA tour\ta\n", id="tabs"),
        pytest.param(b"Prompt , KEY\nA tour,a", id="capitals and no last line end"),
        pytest.param(b"prompt,key,,\nA tour,a,,\n,,,\n\n", id="empty columns and rows"),
        pytest.param(b"key,prompt,voice_id\na,A tour,\n", id="an empty cell says nothing"),
    ],
)
def test_spreadsheets_differ(tmp_path: pathlib.Path, content: bytes) -> None:
    """What programs write as CSV is understood."""
    [row] = read(saved(tmp_path, content))

    assert Job("A tour", "a", mode="generate") == row.job()


def test_every_option_can_be_said(tmp_path: pathlib.Path) -> None:
    """A row has all the options of a session."""
    (tmp_path / "logo.png").write_bytes(b"\x89PNG")
    options = {
        "mode": "chat",
        "orientation": "portrait",
        "avatar_id": "a",
        "voice_id": "v",
        "style_id": "s",
        "brand_kit_id": "b",
        "callback_url": "https://example.com/hook",
        "callback_id": "c",
    }
    more = {"files": "logo.png; https://example.com/plan.pdf", "incognito_mode": "yes", "extra": '{"new": 1}'}
    [row] = read(saved(tmp_path, as_csv([{"prompt": "A tour", "key": "k", **options, **more}])))

    files = (tmp_path / "logo.png", "https://example.com/plan.pdf")
    assert {**options, "prompt": "A tour", "files": files, "incognito_mode": True, "extra": {"new": 1}} == (
        row.options
    )


def test_json_lines_have_lists_and_truths(tmp_path: pathlib.Path) -> None:
    """In JSON lines files are a list, switches are true or false, and a text alone is a prompt."""
    (tmp_path / "logo.png").write_bytes(b"\x89PNG")
    lines = '"Just a prompt"\n\n{"prompt": "B", "files": ["logo.png"], "incognito_mode": false}\n'
    first, second = read(saved(tmp_path, lines, "jobs.jsonl"))

    assert ("row-1", "Just a prompt") == (first.key, first.job().prompt)
    assert ("row-2", 3, (tmp_path / "logo.png",), False) == (
        second.key,
        second.line,
        second.job().files,
        second.job().incognito_mode,
    )


@pytest.mark.parametrize(
    ("content", "prompts"),
    [
        pytest.param("prompt\nA\nB\n", ["A", "B"], id="csv"),
        pytest.param('"prompt","key"\n"A","1"\n', ["A"], id="csv with quotes"),
        pytest.param('{"prompt": "A"}\n', ["A"], id="objects"),
        pytest.param('"A"\n"B"\n', ["A", "B"], id="texts"),
    ],
)
def test_standard_input_is_read_twice(
    content: str, prompts: list[str], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe is checked to its end before its first job begins, in either format."""
    stdin = saved(tmp_path, content, "stdin").open()
    monkeypatch.setattr(sys, "stdin", stdin)
    with stdin, open_jobs(STDIN, "generate") as file:
        assert len(prompts) == len(list(file.check()))
        assert prompts == [row.job().prompt for row in file.rows()]


def test_a_row_is_known_again(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same row is the same job from wherever it is read, and a changed one is another."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logo.png").write_bytes(b"\x89PNG")
    path = saved(tmp_path, "prompt,files\nA,logo.png\nB,\n")
    again = read(path.relative_to(tmp_path))
    changed = read(saved(tmp_path, "prompt,files\nA,\nB,\n", "other.csv"))

    assert [row.fingerprint for row in read(path)] == [row.fingerprint for row in again]
    assert [False, True] == [a.fingerprint == b.fingerprint for a, b in zip(again, changed, strict=True)]


# ---- what is refused ----------------------------------------------------------------------------------------------


def test_all_bad_rows_are_told_at_once(tmp_path: pathlib.Path) -> None:
    """Each bad row is named by the line it begins at, also after prompts of several lines."""
    rows = [
        {"prompt": "good\nwith a second line", "key": "a", "orientation": "", "files": ""},
        {"prompt": "", "key": "b", "orientation": "", "files": ""},
        {"prompt": "x" * 10_001, "key": "c", "orientation": "", "files": ""},
        {"prompt": "good", "key": "d", "orientation": "diagonal", "files": ""},
        {"prompt": "good", "key": "e", "orientation": "", "files": "missing.png"},
        {"prompt": "good", "key": "a", "orientation": "", "files": ""},
        {"prompt": "good", "key": "f", "orientation": "", "files": "http://example.com/plain"},
    ]
    printed = refusal(saved(tmp_path, as_csv(rows))).splitlines()

    assert "jobs.csv cannot be used; nothing was created." == printed[0]
    assert ["line 4: prompt", "line 5: prompt", "line 6: orientation", "line 7: files", "line 8: key"] == [
        line[: line.index(":", 7)] for line in printed[1:6]
    ]
    assert "missing.png" in printed[4]
    assert "line 2" in printed[5]
    assert printed[6].startswith("line 9: files")
    assert 7 == len(printed)


def test_keys_that_are_one_file_on_some_systems_are_refused(tmp_path: pathlib.Path) -> None:
    """Keys that differ in capitals only are told before anything is created, since their videos might be one file."""
    printed = refusal(saved(tmp_path, "prompt,key\nA,Tour\nB,tour\n"))

    assert "line 3: key: 'tour' is that of line 2 too" in printed


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("~nobody-of-this-name/logo.png", id="the home of nobody"),
        pytest.param("x" * 300, id="too long for a name"),
        pytest.param(".", id="a folder"),
    ],
)
def test_what_cannot_be_a_file_is_told_by_its_line(tmp_path: pathlib.Path, name: str) -> None:
    """A path that the system refuses even to look at is a fault of its row like any other."""
    printed = refusal(saved(tmp_path, f"prompt,files\nA,{name}\n"))

    assert "line 2: files: there is no file" in printed


def test_very_many_bad_rows_are_counted(tmp_path: pathlib.Path) -> None:
    """A screen is not flooded by a file that is wrong throughout."""
    printed = refusal(saved(tmp_path, "prompt,mode\n" + "A,up\n" * 1000)).splitlines()

    assert "and 950 more" == printed[-1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("prompt\ncafé\n".encode("latin-1"), ["line 2", "UTF-8", "iconv", "0xe9"], id="latin-1"),
        pytest.param("prompt\nA\n".encode("utf-16"), ["line 1", "UTF-16", "CSV UTF-8"], id="utf-16"),
        pytest.param(b"PK\x03\x04prompt\n", ["line 1", "name the columns"], id="a spreadsheet itself"),
        pytest.param(b"prompt\nA\0B\n", ["line 2", "zero byte"], id="binary"),
        pytest.param(b'prompt\n"A\nB\n', ["line 2", "quote left open"], id="open quote"),
        pytest.param(b"prompt,key\nA, B and C,k\n", ["line 2", "3 cells for 2", "quotes"], id="bare comma"),
        pytest.param(b"promt\nA\n", ["line 1", "prompt"], id="no prompt column"),
        pytest.param(b"prompt,avatar\nA,b\n", ["'avatar'", "did you mean avatar_id?"], id="unknown column"),
        pytest.param(b"prompt,key,key\nA,b,c\n", ["twice"], id="a column twice"),
        pytest.param(b"prompt\n", ["no jobs"], id="header only"),
        pytest.param(b"", ["line 1"], id="empty"),
        pytest.param(b"prompt,incognito_mode\nA,perhaps\n", ["true or false", "perhaps"], id="no switch"),
        pytest.param(b"prompt,extra\nA,[1]\n", ["extra", "JSON object"], id="extra is no object"),
        pytest.param(b"prompt,callback_id\nA,x\n", ["callback_url"], id="what the service would refuse"),
    ],
)
def test_a_bad_csv_is_refused_with_what_to_do(
    tmp_path: pathlib.Path, content: bytes, words: list[str]
) -> None:
    """A file nobody can use is refused by its line and its fault, before anything is created."""
    printed = refusal(saved(tmp_path, content))

    assert [] == [word for word in words if word not in printed]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param('{"prompt": "A"', ["line 1", "not JSON"], id="cut off"),
        pytest.param("[1]", ["JSON object"], id="a list"),
        pytest.param('{"prompt": "A", "propmt": "B"}', ["did you mean prompt?"], id="unknown field"),
        pytest.param('{"prompt": 7}', ["prompt: must be text, not 7"], id="a number"),
        pytest.param('{"prompt": "A", "files": 7}', ["files: must be a list"], id="no list"),
        pytest.param("[" * 100_000, ["nested too deep"], id="a bomb"),
        pytest.param('{"prompt": "\\ud800"}', ["line 1", "prompt"], id="half a character"),
    ],
)
def test_a_bad_json_line_is_refused(tmp_path: pathlib.Path, line: str, words: list[str]) -> None:
    """The same for JSON lines."""
    printed = refusal(saved(tmp_path, line + "\n", "jobs.jsonl"))

    assert [] == [word for word in words if word not in printed]


@pytest.mark.parametrize(
    ("name", "words"),
    [("jobs.txt", "ends in .csv, .jsonl"), ("jobs.xlsx", "is a workbook"), ("nowhere.csv", "cannot be read")],
)
def test_a_file_must_be_there_and_of_a_known_kind(tmp_path: pathlib.Path, name: str, words: str) -> None:
    """A wrong path is a sentence."""
    with pytest.raises(UsageError, match=words), open_jobs(str(tmp_path / name), "generate"):
        pass


def test_a_file_changed_meanwhile_is_noticed(tmp_path: pathlib.Path) -> None:
    """A row that was good when it was checked and is not when its turn has come ends the run in words."""
    path = saved(tmp_path, "prompt\nA\n")
    with open_jobs(str(path), "generate") as file:
        list(file.check())
        path.write_text("prompt\n\nA,B\n", encoding="utf-8")
        with pytest.raises(UsageError, match="changed while it was read"):
            list(file.rows())


def test_addresses_need_no_file(tmp_path: pathlib.Path) -> None:
    """An https address is passed on as it is."""
    [row] = read(saved(tmp_path, "prompt,files\nA,https://example.com/a.png\n"))

    assert ("https://example.com/a.png",) == row.job().files


def test_all_faults_of_a_row_are_named_at_once(tmp_path: pathlib.Path) -> None:
    """A row with several faults needs one correction, not one a run."""
    content = "prompt,orientation,files,max_seconds\n,diagonal,missing.png,long\n"
    words = refusal(saved(tmp_path, content))

    assert all(name in words for name in ("prompt: ", "orientation: ", "files: ", "max_seconds: "))
    assert all(typed in words for typed in ("'diagonal'", "missing.png", "'long'"))
    assert 1 == words.count("line 2")


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("A tour,Landscape\n", "put a line such as prompt,key above it"),
        ("prompt,Landscape\nA tour,x\n", "unknown column 'Landscape' (write it in a column orientation)"),
        ("", "write a line such as prompt,key"),
        ("prompt\nA tour\n".encode("utf-16"), "save it as"),
    ],
    ids=["no header", "a value as a column", "nothing", "UTF-16"],
)
def test_what_people_save_is_explained(tmp_path: pathlib.Path, content: str | bytes, hint: str) -> None:
    """A table that a spreadsheet saved in another way is refused by one message that ends in what to do."""
    assert hint in refusal(saved(tmp_path, content))


def test_capitals_of_a_choice_do_not_matter(tmp_path: pathlib.Path) -> None:
    """`Landscape` is landscape."""
    [row] = read(saved(tmp_path, "prompt,orientation,mode\nA tour,Landscape,CHAT\n"))

    assert ("landscape", "chat") == (row.job().orientation, row.job().mode)


def test_columns_are_the_fields_of_a_job(tmp_path: pathlib.Path) -> None:
    """A field that a create gains is a column, and a budget's seconds are numbers."""
    content = "prompt,brand_glossary_id,expected_seconds,max_seconds\nA tour,gls_1,30,45.5\n"
    [row] = read(saved(tmp_path, content))

    assert ("gls_1", 30, 45.5) == (
        row.job().brand_glossary_id,
        row.job().expected_seconds,
        row.job().max_seconds,
    )
