"""Clients generated from the service's OpenAPI document, as their generators make them."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).parent
_FOLDER = _HERE / ".generated"
_DOCUMENT = _FOLDER / "openapi.json"

PYTHON_CLIENT = "generated_python_client"
ASYNCIO = "generated_asyncio"


def make() -> dict[str, str | None]:
    """Generate what is not there yet and put it on the path; for each why it cannot be had, or None."""
    _FOLDER.mkdir(exist_ok=True)
    if not _DOCUMENT.exists():
        _write_document()
    if str(_FOLDER) not in sys.path:
        sys.path.insert(0, str(_FOLDER))
    return {PYTHON_CLIENT: _made(PYTHON_CLIENT, _python_client), ASYNCIO: _made(ASYNCIO, _asyncio)}


def _write_document() -> None:
    """Write the document without its webhooks: of those one generator makes code that is no Python."""
    import yaml

    document = yaml.safe_load((_HERE.parent / "tests" / "contract" / "openapi.yaml").read_text("utf-8"))
    del document["webhooks"]
    _DOCUMENT.write_text(json.dumps(document), encoding="utf-8")


def _made(name: str, commands: list[str]) -> str | None:
    if (_FOLDER / name / "__init__.py").exists():
        return None
    tool = shutil.which(commands[0], path=str(Path(sys.executable).parent)) or shutil.which(commands[0])
    if tool is None:
        return f"{commands[0]} is not installed"
    done = subprocess.run([tool, *commands[1:]], cwd=_FOLDER, capture_output=True, text=True, check=False)
    with contextlib.suppress(FileNotFoundError):
        shutil.move(_FOLDER / f"{name}_project" / name, _FOLDER / name)
    shutil.rmtree(_FOLDER / f"{name}_project", ignore_errors=True)
    if (_FOLDER / name / "__init__.py").exists():
        return None
    return (done.stderr or done.stdout).strip()[-300:] or "nothing was generated"


_python_client = [
    "openapi-python-client",
    "generate",
    f"--path={_DOCUMENT}",
    f"--output-path={PYTHON_CLIENT}_project",
    "--overwrite",
    f"--config={_HERE / 'openapi-python-client.yaml'}",
]
_asyncio = [
    "openapi-generator-cli",
    "generate",
    f"--input-spec={_DOCUMENT}",
    "--generator-name=python",
    "--library=asyncio",
    f"--output={ASYNCIO}_project",
    f"--package-name={ASYNCIO}",
]
