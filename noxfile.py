"""Every check of this project, by name: `nox --list` shows them."""

from __future__ import annotations

import contextlib
import email
import hashlib
import os
import pathlib
import platform
import re
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
import zipfile
from typing import TYPE_CHECKING, Final

import nox

if TYPE_CHECKING:
    from collections.abc import Generator

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_external_run = True
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]

ROOT: Final = pathlib.Path(__file__).parent
PYPROJECT: Final = nox.project.load_toml(ROOT / "pyproject.toml")
PYTHONS: Final = nox.project.python_versions(PYPROJECT)
DEMO: Final = "examples/interactive_session.py"
# One process for each core, and no more than four: each of them collects all tests. The quick ones take from the slow.
PARALLEL: Final = ("-n", "logical", "--maxprocesses=4", "--dist=worksteal")
PRISM: Final = "5.16.0"
# What says the same on every Python: long runs, answers in files, and checks of the repository itself.
SAME_ON_EVERY_PYTHON: Final = ("chaos", "corpus", "repository")

# Tests start hundreds of programs; each would compile the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def install_groups(session: nox.Session, *groups: str, project: bool = True) -> None:
    """Install dependency groups, and the project itself so that its metadata and entry points are real."""
    wanted = list(nox.project.dependency_groups(PYPROJECT, *groups)) if groups else []
    session.log("Installing what this needs; pip is silent, and takes a minute the first time.")
    session.install(*(["-e", "."] if project else []), *wanted)


@nox.session
def demo(session: nox.Session) -> None:
    """Run an interactive session from prompt to video: `nox -s demo -- "my prompt"`."""
    install_groups(session)
    # The demo closes its connections on Ctrl-C; nox would otherwise kill it after 0.3 seconds.
    session.run("python", DEMO, *session.posargs, interrupt_timeout=5)


@nox.session
def desk(session: nox.Session) -> None:
    """Run the review desk, a web app, on a simulated agent: `-- --live` for the real one, `-- --workers 4` for more."""
    install_groups(session, "desk")
    if any(word.startswith("--workers") for word in session.posargs) and "REDIS_URL" not in os.environ:
        provide_redis(session)
    env = {"PYTHONPATH": str(ROOT / "examples")}
    session.run("python", "-m", "review_desk", *session.posargs, env=env, interrupt_timeout=5)


@nox.session
def desk_tests(session: nox.Session) -> None:
    """Use the review desk in a real Chromium; `-- --screenshots` takes its pictures instead."""
    install_groups(session, "browser")
    env = {
        "DESK_CHROMIUM": chromium(session),
        "PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT / 'examples'}",
    }
    if "--screenshots" in session.posargs:
        session.run("python", "-m", "desk.browser.screenshots", env=env)
    else:
        session.run(
            "python", "-m", "pytest", "tests/desk/browser", "-m", "browser", *session.posargs, env=env
        )


@nox.session
def durable_tests(session: nox.Session) -> None:
    """Kill durable batches and their databases, and hold the books against the ledger."""
    install_groups(session, "test", "durable")
    provide_postgresql(session)
    only = ("-m", "durable and not chaos")
    session.run("python", "-m", "pytest", "tests/durable", *only, *PARALLEL, *session.posargs)


@nox.session
def durable_newest(session: nox.Session) -> None:
    """Run the same on the newest engine that the extra allows, also where an older one is installed already."""
    install_groups(session, "test", "durable")
    session.install("--upgrade", *PYPROJECT["project"]["optional-dependencies"]["durable"])
    run_durable_tests(session)


def run_durable_tests(session: nox.Session) -> None:
    """Run the tests of durable batches that kill nothing."""
    provide_postgresql(session)
    files = [f"tests/durable/test_{name}.py" for name in ("campaign", "reviews", "process")]
    session.run("python", "-m", "pytest", *files, "-m", "durable", *PARALLEL, *session.posargs)


@nox.session
def backplane_tests(session: nox.Session) -> None:
    """Kill processes that share their polls on Redis and PostgreSQL, and stop the engines; `-- --table` measures."""
    install_groups(session, "test")
    provide_postgresql(session)
    provide_redis(session)
    if "--table" in session.posargs:
        session.run("python", "-m", "backplane.engines.table", env={"PYTHONPATH": str(ROOT / "tests")})
    else:
        session.run(
            "python", "-m", "pytest", "tests/backplane", "-m", "backplane", *PARALLEL, *session.posargs
        )


@nox.session
def storage_tests(session: nox.Session) -> None:
    """Store videos in S3 and, where npm can install its emulator, in Azure's blob storage."""
    install_groups(session, "test", "storage", "durable")
    emulator = pathlib.Path(session.create_tmp()).resolve() / "node_modules" / ".bin" / "azurite-blob"
    if not emulator.exists() and shutil.which("npm") is not None:
        folder = str(emulator.parent.parent.parent)
        session.run(
            "npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "azurite@3", external=True
        )
    environment = {"AZURITE": str(emulator)} if emulator.exists() else {}
    words = ("tests/files/storage", "-m", "storage", *session.posargs)
    session.run("python", "-m", "pytest", *words, env=environment)


def provide_redis(session: nox.Session) -> None:
    """See that there is a Redis."""
    if not (shutil.which("redis-server") or shutil.which("valkey-server")):
        provide(session, "redis-server")


def provide_postgresql(session: nox.Session) -> None:
    """See that there is a PostgreSQL."""
    if not (any(pathlib.Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")) or shutil.which("pg_ctl")):
        provide(session, "postgresql")


def provide(session: nox.Session, package: str) -> None:
    """Install a server; on Debian, for root. Tests without one say so, or fail in CI."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        session.run("apt-get", "update", "-qq", external=True)
        session.run("apt-get", "install", "-y", "-qq", package, external=True, silent=True)
    else:
        session.warn(f"NO {package.upper()}: install one (Debian: `apt-get install {package}` as root).")


def chromium(session: nox.Session) -> str:
    """Return the path of a Chromium; on Debian, root gets one installed."""

    def found() -> str | None:
        return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

    path = os.environ.get("DESK_CHROMIUM") or found()
    if path is None and shutil.which("apt-get") and os.geteuid() == 0:
        session.run("apt-get", "update", "-qq", external=True)
        session.run("apt-get", "install", "-y", "-qq", "chromium", external=True, silent=True)
        path = found()
    return path or session.error(
        "\n\n  NO BROWSER: these tests need Chromium, and none was found.\n"
        "  Install one (Debian: `apt-get install chromium` as root), or name it in DESK_CHROMIUM.\n"
    )


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests on this Python; arguments after `--` go to pytest."""
    install_groups(session, "test", "contract")
    session.run("python", "-m", "pytest", *PARALLEL, *session.posargs)


@nox.session
def smoke(session: nox.Session) -> None:
    """Run the heart of the package over real sockets: a conversation, a lost create, a batch."""
    install_groups(session, "test")
    session.run("python", "-m", "pytest", "tests/socket/test_heart.py", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the tests and fail unless they run nearly every branch of the package."""
    install_groups(session, "test", "contract")
    session.run("coverage", "erase")
    # Our own pytest plugin imports the package before pytest-cov could start, so coverage starts pytest.
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "combine", silent=True)
    if not session.posargs:
        # Silent unless it fails, so that pytest's closing line stays the last word.
        session.run("coverage", "report", silent=True)


@nox.session(python=PYTHONS)
def matrix(session: nox.Session) -> None:
    """Run what may differ between the supported Pythons of this machine, durable batches included."""
    install_groups(session, "test", "contract", "durable")
    without = [f"--ignore=tests/{name}" for name in SAME_ON_EVERY_PYTHON]
    session.run("python", "-m", "pytest", *without, *PARALLEL, *session.posargs)
    run_durable_tests(session)


@nox.session
def chaos(session: nox.Session) -> None:
    """Run what takes long: seeded runs against a misbehaving service, kills by the dozen, examples by the thousand."""
    install_groups(session, "test", "contract", "durable")
    provide_postgresql(session)
    session.run("python", "-m", "pytest", "-m", "chaos", *PARALLEL, *session.posargs)
    many = ("-m", "hypothesis and not network", "--hypothesis-profile=many", "--timeout=3600")
    session.run("python", "-m", "pytest", *many, *PARALLEL, *session.posargs)


@nox.session
def pairs(session: nox.Session) -> None:
    """Play all pairs of dials of the hostile service, every break over sockets, and check the table of outcomes."""
    install_groups(session, "test", "contract")
    session.run("python", "-m", "pytest", "tests/hostile", "-m", "pairs", *session.posargs)


@nox.session
def fuzz_decoders(session: nox.Session) -> None:
    """Read 200,000 odd answers, refs, deliveries, job files and links: `FUZZ_EXAMPLES` says how many."""
    install_groups(session, "test")
    quiet = ("-o", "faulthandler_timeout=0")
    session.run("python", "-m", "pytest", "tests/fuzz", "-m", "fuzz", *quiet, *PARALLEL, *session.posargs)


@nox.session
def hostile(session: nox.Session) -> None:
    """Play all triples of dials of the hostile service, then half an hour of rows as they come."""
    install_groups(session, "test", "contract")
    session.run("python", "-m", "pytest", "tests/hostile", "-m", "hostile", *session.posargs)


@nox.session(python=PYTHONS[-1])
def loops(session: nox.Session) -> None:
    """Run what opens sockets on other loops, and that and whole conversations on tasks that begin eagerly."""
    install_groups(session, "test", "loops")
    for loop in ("uvloop", "aiofastnet"):
        over_sockets = ("tests/socket", "tests/files")
        session.run("python", "-m", "pytest", f"--loop={loop}", *over_sockets, *PARALLEL, *session.posargs)
    eager = [f"tests/{name}" for name in ("socket", "http", "polling", "sessions", "batch", "client")]
    session.run("python", "-m", "pytest", "--loop=eager", *eager, *PARALLEL, *session.posargs)


@nox.session
def oldest(session: nox.Session) -> None:
    """Run the demo, and the tests over sockets, on the oldest dependencies the project claims to support."""
    floors = [requirement.replace(">=", "==") for requirement in PYPROJECT["project"]["dependencies"]]
    session.install("-e", ".", *floors)
    session.run("python", "-W", "error", "-c", "import heygen_async, heygen_async.testing")
    session.run("python", DEMO)
    newer = [one for one in nox.project.dependency_groups(PYPROJECT, "test") if not one.startswith("anyio")]
    session.install(*floors, *newer)
    session.run("python", "-m", "pytest", "-p", "auto_mode", "tests/socket", env={"PYTHONPATH": "tests"})


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting, spelling, the workflows and the images of the examples."""
    install_groups(session, "lint", project=False)
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")
    session.run("codespell")
    session.run("zizmor", "--offline", "--no-progress", "--quiet", ".github")
    session.run("hadolint", "examples/Dockerfile")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy and pyright, both strict, and what users see of them on every supported Python."""
    install_groups(session, "typing")
    # The wheel of pyright brings a Node.js from the package index where the machine has none.
    quiet = {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    session.run("mypy")
    session.run("pyright", env=quiet)
    for python in PYTHONS[1:]:  # both are set up for the first
        session.run("mypy", f"--python-version={python}", "tests/typing")
        session.run("pyright", f"--pythonversion={python}", "tests/typing", env=quiet)
    session.run("pyright", "--verifytypes=heygen_async", "--ignoreexternal", env=quiet, silent=True)


@nox.session
def docs(session: nox.Session) -> None:
    """Build guides and API as one site into `build/docs`; a link that leads nowhere fails it, like any warning."""
    install_groups(session, "docs", project=False)
    session.run("python", ".github/docs/build.py", "build/pages")
    quiet = {"NO_MKDOCS_2_WARNING": "1"}  # the theme's advertisement
    session.run("mkdocs", "build", "--strict", "--quiet", "--config-file=.github/docs/mkdocs.yml", env=quiet)


@nox.session
def package(session: nox.Session) -> None:
    """Build once, check what is inside, install it where nothing else is and use it from another folder."""
    session.install("build")
    with tempfile.TemporaryDirectory() as folder:
        wheel, sdist = build_archives(session, pathlib.Path(folder))
        check_contents(session, wheel, sdist)
        use_wheel(session, wheel)


@nox.session
def release(session: nox.Session) -> None:
    """Build a release into `dist`, check all that can be, and stop before the upload; `-- v0.1.0` checks a tag."""
    session.install("build", "twine")
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    wheel, sdist = build_archives(session, dist)
    session.run("twine", "check", "--strict", str(wheel), str(sdist))
    check_contents(session, wheel, sdist)
    check_version(session, wheel)
    use_wheel(session, wheel)
    for archive in (wheel, sdist):
        session.log(f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  dist/{archive.name}")
    session.log("Checked, and uploaded nowhere: a pushed tag does that, see CONTRIBUTING.")


def build_archives(session: nox.Session, folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Build the sdist and, from it, the wheel."""
    session.run("python", "-m", "build", "--outdir", str(folder), silent=True)
    [wheel] = folder.glob("*.whl")
    [sdist] = folder.glob("*.tar.gz")
    return wheel, sdist


def check_version(session: nox.Session, wheel: pathlib.Path) -> None:
    """
    Fail unless version, changelog and tag agree, and write down what is new for the page of the release.

    The version is in `_version.py` alone. Without a tag, a changelog that begins with what is unreleased makes this a
    rehearsal.
    """
    with zipfile.ZipFile(wheel) as archive:
        [name] = [one for one in archive.namelist() if one.endswith(".dist-info/METADATA")]
        version = email.message_from_bytes(archive.read(name))["Version"]
    _, newest, *_ = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## ")
    title, _, notes = newest.partition("\n")
    tags, is_rehearsal = session.posargs, title == "[Unreleased]" and not session.posargs
    if not is_rehearsal and not re.fullmatch(rf"\[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d", title):
        session.error(f"CHANGELOG.md begins with {title!r}, not with '[{version}] - YYYY-MM-DD'")
    if tags and tags != [f"v{version}"]:
        session.error(f"the tag {' '.join(tags)} is not v{version}, the version in heygen_async/_version.py")
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "release-notes.md").write_text(notes.strip() + "\n", encoding="utf-8")
    if is_rehearsal:
        session.warn(f"A REHEARSAL: CHANGELOG.md has no '[{version}] - YYYY-MM-DD' yet.")


def use_wheel(session: nox.Session, wheel: pathlib.Path) -> None:
    """Install a wheel where nothing else is and use it from another folder."""
    with tempfile.TemporaryDirectory() as folder:
        there = pathlib.Path(folder)
        session.run("python", "-m", "venv", str(there / "env"))
        python = str(there / "env" / ("Scripts" if platform.system() == "Windows" else "bin") / "python")
        session.run(python, "-m", "pip", "install", "--quiet", str(wheel), external=True)
        command = str(pathlib.Path(python).parent / "heygen-async")
        session.run(command, external=True, silent=True, success_codes=[2])  # says how to get the extra
        empty = there / "empty"
        empty.mkdir()
        shutil.copy(ROOT / DEMO, empty)
        with session.chdir(empty):
            session.run(python, "-I", "-W", "error", "-c", "import heygen_async", external=True)
            session.run(python, "-OO", "-I", "-c", "import heygen_async, heygen_async.testing", external=True)
            session.run(python, "-OO", pathlib.Path(DEMO).name, external=True)  # the tests run it without
        session.run(python, "-m", "pip", "install", "--quiet", f"{wheel}[cli]", external=True)
        session.run(command, "--version", external=True)
        session.run(python, "-OO", "-I", "-m", "heygen_async", "batch", "--help", external=True, silent=True)


def check_contents(session: nox.Session, wheel: pathlib.Path, sdist: pathlib.Path) -> None:
    """Fail unless the wheel holds the whole package and neither archive holds what users do not need."""
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    with tarfile.open(sdist) as tar:
        packed = {name.partition("/")[2] for name in tar.getnames()}

    here = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "heygen_async").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    faults = [f"only in the folder or only in the wheel: {name}" for name in sorted(inside ^ here)]
    faults += [f"not in the sdist: {name}" for name in sorted(here - packed)]
    faults += [
        f"does not belong in a release: {name}"
        for name in sorted(inside | packed)
        if name.startswith(("tests/", "benchmarks/", ".github/", ".ci/")) or "__pycache__" in name
    ]
    if "heygen_async/py.typed" not in inside:
        faults.append("no py.typed: type checkers would ignore our annotations")
    if not any(name.startswith("heygen_async/testing/media/") for name in inside):
        faults.append("no media: the simulator would have nothing to serve")
    if faults:
        session.error("\n".join(faults))
    session.log(f"{wheel.name}: {len(inside)} files; {sdist.name}: {len(packed)} entries")


@nox.session
def contract(session: nox.Session) -> None:
    """Let schemathesis look for a request that the simulator answers in breach of its own contract."""
    install_groups(session, "fuzz")
    with simulator(session, "--api-key", "contract-key") as url:
        session.run(
            "schemathesis",
            "run",
            "tests/contract/openapi.strict.yaml",
            f"--url={url}",
            "--header=x-api-key: contract-key",
            "--phases=examples,coverage,fuzzing",
            "--max-examples=50",
            "--continue-on-failure",
            # A schema can't say that a token or an id must be one the service gave out.
            "--exclude-checks=positive_data_acceptance",
            "--request-timeout=10",
            "--suppress-health-check=all",
            "--no-color",
            "--seed=1",
            *session.posargs,
            env={"PYTHONPATH": "tests", "SCHEMATHESIS_HOOKS": "contract.fuzz"},
        )


@nox.session
def prism(session: nox.Session) -> None:
    """Have the Prism proxy compare all that the client and the simulator say to each other with the contract."""
    install_groups(session, "prism")
    folder = session.create_tmp()
    quiet = ("--no-audit", "--no-fund", "--loglevel=error")
    session.run("npm", "install", f"--prefix={folder}", *quiet, f"@stoplight/prism-cli@{PRISM}")
    program = f"{folder}/node_modules/@stoplight/prism-cli/dist/index.js"
    session.run("python", "-m", "contract.prism", program, env={"PYTHONPATH": str(ROOT / "tests")})


@nox.session
def generated(session: nox.Session) -> None:
    """Have a client that is generated from the contract use every operation of the simulator."""
    install_groups(session, "generated")
    folder = session.create_tmp()
    options = ("--meta=none", "--overwrite", f"--output-path={folder}/generated_client")
    contract = "--path=tests/contract/openapi.strict.yaml"
    session.run("openapi-python-client", "generate", contract, *options, silent=True)
    path = os.pathsep.join([str(ROOT / "tests"), folder])
    with simulator(session, "--api-key", "contract-key", "--speed", "100") as url:
        program = ("-m", "contract.generated", "generated_client", url, "contract-key")
        session.run("python", *program, env={"PYTHONPATH": path})


@nox.session
def picture(session: nox.Session) -> None:
    """Record the command at work anew, on a narrow and a wide screen, from a run against the simulator."""
    install_groups(session, "test")
    session.run("python", "tests/cli/picture.py", env={"PYTHONPATH": "tests"})


@nox.session
def bench(session: nox.Session) -> None:
    """Measure what the client costs beside others; `nox -s bench -- --quick` to see that it works."""
    install_groups(session, "bench", "durable")
    session.run("python", "-m", "benchmarks", *session.posargs)


@contextlib.contextmanager
def simulator(session: nox.Session, *options: str) -> Generator[str]:
    """Start the simulator on a free loopback port and yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    python = shutil.which("python", path=session.bin) or session.error("this session has no Python")
    process = subprocess.Popen([python, "-m", "heygen_async.testing", "--port", str(port), *options])  # noqa: S603
    try:
        wait_until_listening(session, process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def wait_until_listening(session: nox.Session, process: subprocess.Popen[bytes], port: int) -> None:
    """Return once *port* takes connections; fail if the process ends or two minutes pass first."""
    for _ in range(1200):
        if process.poll() is not None:
            session.error(f"the simulator ended with exit code {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)  # noqa: TID251 - a build script waits for a real process
    session.error("the simulator did not start within two minutes")
