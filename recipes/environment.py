"""Makes .venv, in which every command of the project runs, from setup.py, what that reads, and constraints.txt.

    python3 -m recipes.environment [--tools] [--unless-there]

The Makefile runs this with a Python of the system, so it needs nothing but the standard library. The new environment
is built beside the old one and takes its place once it is whole: what runs in the old one goes on, and a build that
fails or is interrupted leaves it as it was. A .venv that is a symbolic link is replaced, never followed. ``--tools``
adds what the tests and linters need; an environment that is otherwise up to date is not made anew for that.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from workspace.command import command_parser, run_command, starting_up
from workspace.errors import UserError
from workspace.storage import remove
from workspace.terminal import columns

VENV = Path(".venv")
FROM = ("setup.py", "pipelines/requirements.txt", "constraints.txt")
# Holds their content, for the Makefile to compare; written last, so whatever has it is whole.
MADE_FROM = "complete"
TOOLS = "tools"
TOOLS_BEGUN = "tools.begun"
# Only one process builds at a time, under the lock, so the names can be fixed; what lies there is a killed one's.
LOCK = Path(".venv.lock")
BUILDING = Path(".venv.building")
OLD = Path(".venv.old")

# pip compiles nothing, for most of TensorFlow and Beam is never imported; what these packages import is compiled here.
PACKAGES = ("rnnsearch", "workspace", "recipes", "pipelines", "model", "serving")
# Headers, and a library that nothing loads: half a gigabyte that only compiling against TensorFlow and the like needs.
UNUSED = ("tensorflow/include", "clang/native", "eldc/large_db.h", "pyarrow/include")

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_LINES = 10.0
LINES_OF_A_FAILURE = 30

# In the words of pip and of the libraries within it.
_UNREACHABLE = ("connection broken by", "NewConnectionError", "NameResolutionError", "Read timed out", "ProxyError")


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "recipes.environment",
        __doc__,
        reads=f"{', '.join(FROM)} of this directory, and packages from pip's index",
        writes=".venv of this directory",
    )
    parser.add_argument("--tools", action="store_true", help="with what the tests and linters need")
    parser.add_argument("--unless-there", action="store_true", help="only where there is no whole one, current or not")
    options = parser.parse_args(arguments)
    with starting_up():
        pass  # All is imported: from here on, Ctrl-C must leave things tidy.
    with _lock():
        for left in (BUILDING, OLD):
            remove(left)
        made_from = b"".join(Path(file).read_bytes() for file in FROM)
        has_tools = (VENV / TOOLS).exists()
        tools = has_tools or options.tools
        found = options.unless_there and (VENV / MADE_FROM).exists()
        reason = None if found else _stale_because(made_from)
        if reason is None and tools and not has_tools and VENV.is_symlink():
            reason = "it is a link, to an environment without the tools"
        if reason:
            _say(f"making {VENV}: {reason}")
            _make_anew(made_from, tools)
        elif tools and not has_tools:
            _say(f"adding to {VENV} what tests and linters need")
            began = time.monotonic()
            _add_tools()
            _report(began)
        else:
            print(f"{VENV} is up to date")


def _stale_because(made_from: bytes) -> str | None:
    """Why the environment has to be made anew; None if it has not."""
    if not os.path.lexists(VENV):
        return "there is none"
    try:
        if (VENV / MADE_FROM).read_bytes() != made_from:
            return "setup.py, pipelines/requirements.txt or constraints.txt changed"
        if not (VENV / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}").exists():
            return "it has another Python"
        subprocess.run([VENV / "bin" / "python", "-c", "import pip"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return "it is damaged"
    return "it has only some of the tools" if (VENV / TOOLS_BEGUN).exists() else None


def _make_anew(made_from: bytes, tools: bool) -> None:
    began = time.monotonic()
    try:
        # Not in one step: venv would not say what is wrong with ensurepip.
        _run([sys.executable, "-m", "venv", "--without-pip", "--prompt", VENV.name, str(BUILDING)], lambda _: "venv")
        with _temporary_directory(BUILDING) as settings:
            python = str(BUILDING / "bin" / "python")
            _run([python, "-m", "ensurepip", "--default-pip"], lambda _: "installing pip", settings)
        # The pip that Python brings may be years old, and then takes three times as long to find what to install.
        _install(BUILDING, "--no-compile", "pip")
        _install(BUILDING, "--no-compile", "--editable", ".[all,dev]" if tools else ".[all]")
        for unused in UNUSED:
            for path in BUILDING.glob(f"lib/python*/site-packages/{unused}"):
                remove(path)
        _compile(BUILDING)
        if tools:
            (BUILDING / TOOLS).touch()
        _change_own_path(BUILDING, VENV)
        (BUILDING / MADE_FROM).write_bytes(made_from)
        with _signals_held_back():
            if os.path.lexists(VENV):
                VENV.rename(OLD)
            BUILDING.rename(VENV)
    finally:
        remove(BUILDING)
    remove(OLD)
    _report(began)


def _add_tools() -> None:
    """Adds the tools, under the same constraints as the rest, so that nothing already there changes."""
    # For an interrupted pip may leave half a package, which the next one would take for whole.
    (VENV / TOOLS_BEGUN).touch()
    _install(VENV, "--editable", ".[all,dev]")
    (VENV / TOOLS).touch()
    (VENV / TOOLS_BEGUN).unlink()


def _install(venv: Path, *what: str) -> None:
    """Has pip install what the arguments name and all it requires, in the versions of constraints.txt."""
    before = _packages(venv)

    def doing(said: list[str]) -> str:
        collected = [line.split()[1] for line in said if line.startswith("Collecting ")]
        for line in reversed(said):
            if line.startswith("Installing collected packages: "):
                return f"installing package {_packages(venv) - before} of {line.count(',') + 1}"
            if found := re.fullmatch(r"\s*(?:Downloading|Using cached) (?:\S*/)?(\S+ \(.*\))", line):
                return f"fetching package {len(collected)}: {found[1]}"
        return "asking the package index"

    command = [str(venv / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    with _temporary_directory(venv) as environment:
        # A variable, so that it holds for what builds the project, too; pip splits it at spaces, so no absolute path.
        settings = {"PIP_RETRIES": "2", **environment, "PIP_CONSTRAINT": "constraints.txt"}
        _run([*command, "--progress-bar=off", *what], doing, settings)


@contextlib.contextmanager
def _temporary_directory(venv: Path) -> Iterator[dict[str, str]]:
    """Yields the environment of a process whose temporary files are to lie in ``venv``, on its disk, until the end."""
    temporary = venv / "tmp"
    remove(temporary)
    temporary.mkdir()
    try:
        yield {**os.environ, "TMPDIR": str(temporary.absolute())}
    finally:
        remove(temporary)


def _compile(venv: Path) -> None:
    """Imports every module of the project, which writes the bytecode of all they import, and shows that it works."""
    files = (path for package in PACKAGES for path in sorted(Path(package).rglob("*.py")))
    modules = [".".join(file.with_suffix("").parts) for file in files]
    command = [str(venv / "bin" / "python"), "-c", "import sys\nfor module in sys.argv[1:]: __import__(module)"]
    _run([*command, *modules], lambda _: "compiling", {**os.environ, "PYTHONDONTWRITEBYTECODE": ""})


def _change_own_path(venv: Path, new: Path) -> None:
    """Makes the scripts of an environment call the Python that they will have once it is renamed to ``new``."""
    for path in [venv / "pyvenv.cfg", *(venv / "bin").iterdir()]:
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            path.write_bytes(content.replace(os.fsencode(venv.absolute()), os.fsencode(new.absolute())))


def _run(command: list[str], doing: Callable[[list[str]], str], environment: Mapping[str, str] = os.environ) -> None:
    """Runs a command, showing what ``doing`` makes of the lines printed so far. Raises UserError if it fails."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        close_fds=False,  # it inherits the lock
        start_new_session=True,  # Ctrl-C reaches only us, and we end it
    )
    said: list[str] = []

    def listen() -> None:
        assert process.stdout is not None
        said.extend(line.rstrip("\n") for line in process.stdout)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    status = _Status()
    try:
        while process.poll() is None:
            status.show(doing(list(said)))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(SECONDS_BETWEEN_LOOKS)
    finally:
        status.close()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        listener.join()
    if process.returncode:
        raise UserError(_sentence(said))


class _Status:
    """What is being done: a line that is redrawn on a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._shown = self._began
        self._redraws = columns() > 0

    def show(self, text: str) -> None:
        now = time.monotonic()
        if self._redraws:
            shown = f"{text} [{now - self._began:.0f} s]"[: columns() - 1]
            print(f"\r{shown}\x1b[K", end="", file=sys.stderr, flush=True)
        elif now - self._shown >= SECONDS_BETWEEN_LINES:
            self._shown = now
            _say(text)

    def close(self) -> None:
        if self._redraws:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _sentence(said: list[str]) -> str:
    """Why a command that printed these lines failed."""
    last = "\n".join(said[-LINES_OF_A_FAILURE:])
    if os.strerror(errno.ENOSPC) in last:
        return f"the disk is full while making {VENV}; make room and run the same command again"
    if any(words in last for words in _UNREACHABLE):
        return (
            "the package index cannot be reached; check the network or pip's settings, and run the same command again"
        )
    if "No module named ensurepip" in last:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        return f"{sys.executable} cannot make environments; install what it lacks (on Debian python{version}-venv)"
    print(last, file=sys.stderr)
    return f"{VENV} could not be made, for the reason above"


def _packages(venv: Path) -> int:
    return len(list(venv.glob("lib/python*/site-packages/*.dist-info")))


def _report(began: float) -> None:
    seconds = time.monotonic() - began
    python = subprocess.run([VENV / "bin" / "python", "--version"], check=True, capture_output=True, text=True)
    size = sum(path.lstat().st_blocks * 512 for path in VENV.rglob("*"))
    print(
        f"environment: {VENV} for {python.stdout.strip()}, {_packages(VENV)} packages, "
        f"{size / 1e9:.1f} GB, {seconds:.0f} s"
    )


def _say(text: str) -> None:
    print(f"environment: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    """While the body runs, no other process makes an environment here, nor does a pip that outlived its parent."""
    with LOCK.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"another command is making {VENV}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        os.set_inheritable(lock.fileno(), True)
        yield


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


if __name__ == "__main__":
    run_command(main)
