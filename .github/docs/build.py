"""Gather the pages of the site: what users read, with all that it links to, in the folders of the repository."""

from __future__ import annotations

import pathlib
import re
import shutil
import sys
from functools import partial
from typing import Final

HERE: Final = pathlib.Path(__file__).parent
ROOT: Final = HERE.parent.parent
FIRST: Final = ["README.md", "CHANGELOG.md", "benchmarks/README.md", "tests/fault_table.md"]
LINK: Final = re.compile(
    r"\[([^\]]*)\]\((?!https?:|#)([^)#\s]+)([^)]*)\)"
)  # its words, the file, the place in it
NAV: Final = re.compile(r"^ +- (.+): (\S+)\.md$", re.MULTILINE)
ABOUT: Final = """\
# heygen_async

> An asyncio client for HeyGen's Video Agent: from a prompt over its storyboard and your review to a video file. It
> loses no session, pays for none twice, and shares polls between watchers. Python 3.11 to 3.13.

## Pages

"""


def gather(pages: pathlib.Path) -> None:
    """Copy the first pages and whatever can be reached from them."""
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(HERE / "api", pages / "api")
    shutil.copy(HERE / "site.css", pages)
    guides = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "examples/guides").glob("*.md"))]
    waiting, seen = [ROOT / name for name in (*FIRST, *guides)], set[pathlib.Path]()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        target = pages / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            text = path.read_text(encoding="utf-8")
            if path == ROOT / "benchmarks" / "README.md":
                text += plots()
            linked = [(path.parent / file).resolve() for _, file, _ in LINK.findall(text)]
            waiting += [each for each in linked if not each.is_dir()]
            target.write_text(LINK.sub(partial(link_in_site, path.parent), text), encoding="utf-8")
        elif path.suffix == ".py":
            shown = f"# {path.name}\n\n```python\n{path.read_text(encoding='utf-8')}```\n"
            target.with_name(f"{path.name}.md").write_text(shown, encoding="utf-8")
        else:
            shutil.copy(path, target)
    (pages / "llms.txt").write_text(overview(), encoding="utf-8")


def link_in_site(folder: pathlib.Path, link: re.Match[str]) -> str:
    """Return a link as the site has it: code stands on a page there, and there are no folders."""
    words, file, place = link.groups()
    if (folder / file).is_dir():
        return words
    return f"[{words}]({file}{'.md' if file.endswith('.py') else ''}{place})"


def plots() -> str:
    """Return the plots of the benchmarks as the end of their page."""
    names = sorted(path.stem for path in (ROOT / "benchmarks" / "results").glob("*.png"))
    return "\n## Plots\n\n" + "\n\n".join(f"![{name}](results/{name}.png)" for name in names) + "\n"


def overview() -> str:
    """Return the contents of the site for programs that read, as llms.txt has them."""
    pages = NAV.findall((HERE / "mkdocs.yml").read_text(encoding="utf-8"))
    return ABOUT + "".join(
        f"- [{title}]({place.replace('README', 'index')}.html)\n" for title, place in pages
    )


if __name__ == "__main__":
    gather(ROOT / sys.argv[1])
