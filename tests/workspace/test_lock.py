"""Two commands in one work directory: the second ends, and says who has it."""

from __future__ import annotations

import importlib
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.lock import sole_use

pytestmark = pytest.mark.slow

HOLDS = """
import sys, time
from pathlib import Path
from workspace.layout import WorkDirectory
from workspace.lock import sole_use
with sole_use(WorkDirectory(Path(sys.argv[1])), "first"):
    print("has it", flush=True)
    time.sleep(60)
"""


def holder(root: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(root)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "has it\n"
    return process


@pytest.mark.parametrize("ends_by", [signal.SIGKILL, signal.SIGTERM])
def test_the_second_says_who_has_it_until_the_first_ends(ends_by: signal.Signals, tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    with holder(tmp_path) as first:
        try:
            with pytest.raises(UserError) as refused, sole_use(work, "second"):
                pytest.fail("two have it")
            assert re.fullmatch(
                rf"{tmp_path} is in use by first, process {first.pid} on {os.uname().nodename} since "
                r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\S*; wait until it has ended, or end it",
                str(refused.value),
            )
            with sole_use(WorkDirectory(tmp_path / "other"), "second"):
                pass
        finally:
            first.send_signal(ends_by)
            first.wait(30)
    with sole_use(work, "second"):
        pass


def test_who_removes_the_file_does_not_have_it(tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    with holder(tmp_path) as first:
        try:
            work.lock.unlink()
            with pytest.raises(UserError, match=f"{tmp_path} is in use by another command"), sole_use(work, "second"):
                pytest.fail("two have it")
        finally:
            first.kill()


def test_within_a_command_its_parts_have_it_too(tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path / "run")
    work.root.mkdir()
    (tmp_path / "link").symlink_to(work.root)
    with sole_use(work, "whole"), sole_use(WorkDirectory(tmp_path / "link"), "part"):
        with sole_use(work, "part"):
            pass
        refused = subprocess.run(
            [sys.executable, "-c", HOLDS, str(work.root)], capture_output=True, text=True, check=False
        )
        assert "is in use by whole" in refused.stderr


def test_a_place_that_is_not_there_is_left_alone(tmp_path: Path) -> None:
    with sole_use(WorkDirectory(tmp_path / "nothing"), "command"):
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command", ["pipelines.fetch", "pipelines.prepare", "model.train", "model.evaluate", "model.export"]
)
def test_commands_that_write_are_refused(command: str, tmp_path: Path) -> None:
    corpus = "\n".join(f"    {side}: {write(tmp_path / side)}" for side in ("source", "target"))
    (tmp_path / "recipe.yaml").write_text(f"name: tiny\ncorpus:\n  train:\n{corpus}\n", encoding="utf-8")
    if command == "pipelines.fetch":
        (tmp_path / "recipe.yaml").write_text("name: tiny\ncorpus: {train: {bible: {}}}\n", encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    with holder(tmp_path) as first:
        try:
            with pytest.raises(UserError) as refused:
                importlib.import_module(command).main(["--work", str(tmp_path)])
        finally:
            first.kill()
    assert str(refused.value).startswith(f"{tmp_path} is in use by first, process {first.pid} on ")
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / ".lock"])


def write(path: Path) -> Path:
    path.write_text("one\n", encoding="utf-8")
    return path


def test_another_thread_is_refused_as_another_process_is(tmp_path: Path) -> None:
    def ask() -> str:
        with pytest.raises(UserError) as refused, sole_use(WorkDirectory(tmp_path), "second"):
            pytest.fail("two have it")
        return str(refused.value)

    with sole_use(WorkDirectory(tmp_path), "first"), ThreadPoolExecutor(1) as threads:
        assert f"is in use by first, process {os.getpid()} on" in threads.submit(ask).result()
