"""Workers on loopback: two and three processes train as one does, stop together, go on, and only the chief writes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model.training.state import newest_step
from tests.model.support import same_training
from tests.own_lines import foreign_lines
from tests.requirements import only_in_ci
from workspace.history import read_history
from workspace.layout import WorkDirectory
from workspace.machine import LOOPBACK, free_ports
from workspace.storage import read_json, remove

pytestmark = pytest.mark.slow

LONG = 300.0


@pytest.fixture
def work(of_one_replica: WorkDirectory[Path], tmp_path: Path) -> WorkDirectory[Path]:
    """The data of the training on one replica, not yet trained on."""
    return untrained(of_one_replica, tmp_path / "run")


def untrained(of: WorkDirectory[Path], path: Path) -> WorkDirectory[Path]:
    work = WorkDirectory(Path(shutil.copytree(of.root, path)))
    remove(work.training)
    return work


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts model.train with its output in a file of that name; what a failed test leaves is killed."""
    processes = []

    def start(name: str, work: WorkDirectory[Path], *flags: str, **environment: str) -> subprocess.Popen:
        with (tmp_path / name).open("w") as output:
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "model.train", "--work", str(work.root), *flags],
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **environment},
                )
            )
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def workers_of(process: subprocess.Popen) -> dict[int, int]:
    """The process ids of the workers that ``process`` started, by their index."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    indices = {}
    for child in children:
        # Libraries start short processes while they are imported, which may have ended since they were listed.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found = re.search(rb'"index": (\d+)', Path(f"/proc/{child}/environ").read_bytes())
            if found:
                indices[int(found[1])] = int(child)
    return indices


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")
def test_killed_worker_ends_all_and_the_same_command_goes_on(
    of_one_replica: WorkDirectory[Path],
    work: WorkDirectory[Path],
    start: Callable[..., subprocess.Popen],
    tmp_path: Path,
) -> None:
    command = start("killed", work, "--workers", "2")
    wait_until(lambda: newest_step(work) > 0)
    workers = workers_of(command)
    os.kill(workers[1], signal.SIGKILL)
    assert command.wait(20) == 1
    assert not any(map(is_running, workers.values()))
    said = (tmp_path / "killed").read_text()
    assert said.count("error:") == 1
    assert "Traceback" not in said
    *_, last = said.splitlines()
    found = re.fullmatch(
        r"error: worker 1 was killed by signal 9; start the same command to go on from step (\d+)", last
    )
    assert found
    assert int(found[1]) >= 3

    assert start("resumed", work, "--workers", "2").wait(LONG) == 0
    resumed = (tmp_path / "resumed").read_text().splitlines()
    (goes_on,) = (line for line in resumed if line.startswith("training goes on"))
    assert goes_on.startswith(f"training goes on at step {found[1]} of")
    assert foreign_lines("\n".join(line for line in resumed if line != goes_on and line[:5] != "step ")) == []
    same_training(work, of_one_replica)
    assert read_json(work.training_mark)["steps"] == read_history(work)[-1]["step"]
    # A writer for each of the two sessions: that of their chief.
    assert len(list(work.tensorboard.iterdir())) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 130), (signal.SIGKILL, -9)], ids=["stopped", "killed"])
def test_workers_end_with_what_started_them(
    number: int, code: int, work: WorkDirectory[Path], start: Callable[..., subprocess.Popen], tmp_path: Path
) -> None:
    """Stopped, which is one sentence, or killed, when it can tell nobody."""
    command = start("said", work, "--workers", "2")
    wait_until(lambda: len(workers_of(command)) == 2)
    workers = workers_of(command)
    command.send_signal(number)
    assert command.wait(20) == code
    wait_until(lambda: not any(map(is_running, workers.values())))
    sentences = (tmp_path / "said").read_text().count("error: interrupted; what was finished is kept")
    assert sentences == (1 if code == 130 else 0)


@only_in_ci
def test_three_workers_of_a_cluster_train_as_one_and_miss_the_one_that_is_killed(
    of_one_replica: WorkDirectory[Path],
    work: WorkDirectory[Path],
    start: Callable[..., subprocess.Popen],
    tmp_path: Path,
) -> None:
    """Started by TF_CONFIG, each with a work directory of its own, so that it is seen who writes."""
    addresses = [f"{LOOPBACK}:{port}" for port in free_ports(3)]
    directories = [work, *(untrained(of_one_replica, tmp_path / f"of worker {index}") for index in (1, 2))]
    before = [sorted(directory.root.rglob("*")) for directory in directories]
    workers = [
        start(
            f"worker {index}",
            directory,
            TF_CONFIG=json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}),
        )
        for index, directory in enumerate(directories)
    ]
    wait_until(lambda: len(read_history(work)) >= 1)
    workers[2].kill()
    killed = time.monotonic()
    for worker in workers[:2]:
        assert worker.wait(60) == 1
    assert time.monotonic() - killed < 60
    for index in (0, 1):
        said = (tmp_path / f"worker {index}").read_text()
        # Worker 1 may first hear that the chief has left, for the same reason.
        assert re.search(r"error: worker [02] \(127.0.0.1:\d+\) is gone, and no other can train without it", said)
        assert "Traceback" not in said
    assert f"error: worker 2 ({addresses[2]}) is gone" in (tmp_path / "worker 0").read_text()
    for directory, files in list(zip(directories, before, strict=True))[1:]:
        assert sorted(directory.root.rglob("*")) == files
    ours, theirs = ([line["loss"] for line in read_history(run)] for run in (work, of_one_replica))
    assert ours == pytest.approx(theirs[: len(ours)], abs=1e-4)
