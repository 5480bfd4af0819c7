"""How .venv is made, on a project of a few lines that takes its packages from a directory instead of an index."""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import io
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recipes.support import NAMESPACE, can_mount

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
# Builds the project with nothing but itself, so that no setuptools is fetched; where there is a file "slow" it tells
# that it has begun, and waits until the file is gone.
BACKEND = """
import pathlib, shutil, time

def build_editable(directory, settings=None, metadata=None):
    while pathlib.Path("slow").exists():
        pathlib.Path("begun").touch()
        time.sleep(0.05)
    name = "tiny-1.0-py3-none-any.whl"
    shutil.copy(name, directory)
    return name
"""
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def write_wheel(directory: Path, name: str, metadata: str = "") -> None:
    """A package of one module, with a script of the same name that says hello."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": f"def main():\n    print('hello from {name}')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{metadata}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    with zipfile.ZipFile(directory / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.writerow([path, f"sha256={digest}", len(text)])
        rows.writerow([f"{info}/RECORD", "", ""])
        wheel.writestr(f"{info}/RECORD", record.getvalue())


def write_project(directory: Path) -> Path:
    (directory / "wheels").mkdir(parents=True)
    write_wheel(directory / "wheels", "needed")
    write_wheel(directory / "wheels", "linter")
    requires = (
        "Provides-Extra: all\nRequires-Dist: needed; extra == 'all'\n"
        "Provides-Extra: dev\nRequires-Dist: linter; extra == 'dev'\n"
    )
    write_wheel(directory, "tiny", requires)
    (directory / "setup.py").write_text("", encoding="utf-8")
    (directory / "pipelines").mkdir()
    (directory / "pipelines/requirements.txt").write_text("", encoding="utf-8")
    (directory / "constraints.txt").write_text("needed==1.0\n", encoding="utf-8")
    (directory / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (directory / "backend.py").write_text(BACKEND, encoding="utf-8")
    return directory


def start(project: Path, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    """The command that makes the environment, in a process group of its own."""
    index = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "wheels", "PIP_RETRIES": "1"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return subprocess.Popen(
        [sys.executable, "-m", "recipes.environment", *arguments],
        cwd=project,
        env={**environment, "PYTHONPATH": str(ROOT), **index, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def make(project: Path, *arguments: str, **settings: str) -> tuple[int, str, str]:
    with start(project, *arguments, **settings) as process:
        said, complained = process.communicate(timeout=120)
    return process.returncode, said, complained


def change(project: Path) -> None:
    """So that the environment has to be made anew."""
    with (project / "constraints.txt").open("a") as file:
        file.write("# one more line\n")


def hello(project: Path, script: str) -> str:
    return subprocess.run([project / ".venv/bin" / script], check=True, capture_output=True, text=True).stdout


def entries(project: Path) -> set[str]:
    return {path.name for path in project.glob(".venv*")}


@contextlib.contextmanager
def slow_build(project: Path) -> Iterator[subprocess.Popen[str]]:
    """A build that stays in its middle until the file "slow" is removed."""
    (project / "slow").touch()
    process = start(project)
    try:
        until = time.monotonic() + 60
        while not (project / "begun").exists():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        yield process
    finally:
        for name in ("slow", "begun"):
            (project / name).unlink(missing_ok=True)
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With an environment in a path that has a space, as scripts take another form there."""
    project = write_project(tmp_path_factory.mktemp("a project") / "it's here")
    code, said, _ = make(project)
    assert code == 0
    version = ".".join(map(str, sys.version_info[:3]))
    assert said.startswith(f"environment: .venv for Python {version}, ")
    return project


def test_a_second_time_there_is_nothing_to_do(project: Path) -> None:
    make(project)  # where another test has changed what it is of
    before = (project / ".venv").stat().st_ino
    assert make(project)[:2] == (0, ".venv is up to date\n")
    assert (project / ".venv").stat().st_ino == before
    assert entries(project) == {".venv", ".venv.lock"}


def test_scripts_work_and_tools_are_kept_and_the_old_python_goes_on(project: Path) -> None:
    assert hello(project, "needed") == "hello from needed\n"
    assert not (project / ".venv/bin/linter").exists()
    before = (project / ".venv").stat().st_ino
    code, _, complained = make(project, "--tools")
    assert code == 0, complained
    assert hello(project, "linter") == "hello from linter\n"
    assert (project / ".venv").stat().st_ino == before

    command = [str(project / ".venv/bin/python"), "-c", "input(); import needed; needed.main()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        change(project)
        # As the first use has it, which may have waited for another command to make one.
        assert make(project, "--unless-there")[1] == ".venv is up to date\n"
        code, _, complained = make(project)
        assert code == 0
        assert "setup.py, pipelines/requirements.txt or constraints.txt changed" in complained
        assert (project / ".venv").stat().st_ino != before
        assert running.communicate("\n", timeout=60)[0] == "hello from needed\n"
    assert hello(project, "linter") == "hello from linter\n"
    assert hello(project, "needed") == "hello from needed\n"
    assert entries(project) == {".venv", ".venv.lock"}


def test_interrupted_the_old_one_stands(project: Path) -> None:
    change(project)
    before = (project / ".venv").stat().st_ino
    with slow_build(project) as process:
        os.killpg(process.pid, signal.SIGINT)
        complained = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "error: interrupted" in complained
    assert (project / ".venv").stat().st_ino == before
    assert hello(project, "needed") == "hello from needed\n"
    assert entries(project) == {".venv", ".venv.lock"}


def test_two_at_once_make_one_in_the_place_of_a_link(project: Path, tmp_path: Path) -> None:
    """The second says that it waits; neither follows the link, nor minds what a killed build left."""
    change(project)
    linked = tmp_path / "linked"
    (project / ".venv").rename(linked)
    (project / ".venv").symlink_to(linked)
    (project / ".venv.building/bin/python").mkdir(parents=True)
    before = sorted(linked.rglob("*"))
    with slow_build(project) as first, start(project) as second:
        assert second.stderr is not None
        assert second.stderr.readline() == "environment: another command is making .venv; waiting for it\n"
        (project / "slow").unlink()
        assert second.communicate(timeout=60)[0] == ".venv is up to date\n"
        assert first.communicate()[0].startswith("environment: .venv for Python")
    assert (first.returncode, second.returncode) == (0, 0)
    assert not (project / ".venv").is_symlink()
    assert hello(project, "needed") == "hello from needed\n"
    assert sorted(linked.rglob("*")) == before
    assert entries(project) == {".venv", ".venv.lock"}


def test_no_index_is_one_sentence(project: Path) -> None:
    change(project)
    before = (project / ".venv").stat().st_ino
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    index = {"PIP_NO_INDEX": "0", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": f"http://127.0.0.1:{port}/simple"}
    code, said, complained = make(project, **index)
    assert (code, said) == (1, "")
    # Where it takes long, it says meanwhile what it does.
    assert [line for line in complained.splitlines() if not line.startswith("environment: ")] == [
        "error: the package index cannot be reached; check the network or pip's settings, "
        "and run the same command again"
    ]
    assert (project / ".venv").stat().st_ino == before


@pytest.mark.skipif(not can_mount(), reason="needs unshare(1) and the right to make a mount namespace")
def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    project = tmp_path / "disk"
    project.mkdir()
    command = [sys.executable, "-m", "recipes.environment"]
    files = "mkdir pipelines && touch setup.py pipelines/requirements.txt constraints.txt"
    small = f'mount -t tmpfs -o size=8m tmpfs "$0" && cd "$0" && {files} && "$@"; ls -a'
    done = subprocess.run(
        [*NAMESPACE, "sh", "-c", small, project, *command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[1:] == [
        "error: the disk is full while making .venv; make room and run the same command again"
    ]
    assert done.stdout.split() == [".", "..", ".venv.lock", "constraints.txt", "pipelines", "setup.py"]
