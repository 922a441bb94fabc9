"""What those read who carry on: how to work here, what is promised, and the checks that decide."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from benchmarks import _figures
from repository import house
from repository.test_exports import exports

if TYPE_CHECKING:
    import pathlib

PAPERS: Final = sorted(
    [
        *house.ROOT.glob("*.md"),
        *house.GUIDES.glob("*.md"),
        *house.ROOT.glob(".github/*.md"),
        *house.ROOT.glob("benchmarks/*.md"),
    ]
)
GUIDE: Final = (house.ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
WORKFLOWS: Final = sorted(house.ROOT.glob(".github/workflows/*.yml"))
# Sessions a machine in the cloud has no use for: for people, or spelled out as a matrix of their own.
BY_HAND: Final = {"bench", "demo", "desk", "fuzz_decoders", "hostile", "matrix", "picture", "smoke"}


def workflow_sessions() -> set[str]:
    """The sessions that the workflows run, in a matrix or by name."""
    said: set[str] = set()
    for path in WORKFLOWS:
        text = path.read_text(encoding="utf-8")
        said |= {
            name for jobs in re.findall(r"session: \[([^\]]*)\]", text) for name in re.split(r",\s*", jobs)
        }
        said |= set(re.findall(r"session: (\w+)", text)) | set(re.findall(r"nox -s (\w+)", text))
    return said


@pytest.mark.parametrize("path", PAPERS, ids=house.relative)
def test_every_link_leads_somewhere(path: pathlib.Path) -> None:
    """A reader who follows a link to another file of the project finds it."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8"))

    assert [] == [link for link in links if not (path.parent / link).exists()]


@pytest.mark.parametrize("block", re.findall(r"^```python\n# (.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE))
def test_the_worked_example_is_the_code(block: str) -> None:
    """The steps of the guide are shown with lines that stand in the package."""
    file, _, lines = block.partition("\n")

    assert lines in (house.ROOT / file).read_text(encoding="utf-8")


def test_the_rooms_in_the_guide_are_the_rooms() -> None:
    """The guide names every room of the package, and no other."""
    [page] = re.findall(r"^```text\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    named = {name for line in page.splitlines() for name in line[:40].replace("/", "").split()}
    rooms = {
        path.stem
        for path in house.PACKAGE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }

    assert sorted(rooms - {"__init__", "__main__"}) == sorted(named)


def test_every_session_is_in_the_workflows() -> None:
    """What a developer can check, a proposed change is checked for."""
    assert house.nox_sessions() - BY_HAND == workflow_sessions()


@pytest.mark.parametrize("path", sorted(house.ROOT.glob(".github/**/*.yml")), ids=house.relative)
def test_forms_and_workflows_are_well_formed(path: pathlib.Path) -> None:
    """What is read by a machine can be read."""
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


def test_the_top_holds_what_every_project_has() -> None:
    """A newcomer sees at the top what he knows, and nothing else."""
    usual = {"CHANGELOG.md", "LICENSE", "README.md", "noxfile.py", "pyproject.toml"}
    folders = {"benchmarks", "examples", "heygen_async", "tests"}
    made = {"build", "dist", "htmlcov", "__pycache__"}  # by commands, as films by the demo; git ignores them
    here = {path.name for path in house.ROOT.iterdir() if path.name[0] != "." and path.suffix != ".mp4"}

    assert usual | folders == here - made


def test_every_public_name_is_on_a_page_of_the_site() -> None:
    """A reader of the site finds each public name, once."""
    pages = sorted(house.ROOT.glob(".github/docs/api/*.md"))
    named = [
        name for page in pages for name in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.MULTILINE)
    ]
    public = {name for name, _ in exports() if name.startswith("heygen_async.")}

    assert set() == public - set(named)
    assert len(named) == len(set(named))


@pytest.mark.parametrize("path", _figures.PAGES, ids=house.relative)
def test_figures_are_those_that_were_measured(path: pathlib.Path) -> None:
    """What a page says of costs is what the results of the benchmarks say: `python -m benchmarks --tables`."""
    text = path.read_text(encoding="utf-8")

    assert _figures.fill(text) == text
