"""A killed worker process of the local runner ends the job in a sentence, and a killed job its workers."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = """
import os, signal, sys
import apache_beam as beam
from pipelines.runners.options import pipeline_options
from pipelines.runners.run import beam_pipeline
from workspace.command import run_command
from workspace.progress import progress_bar

def killed(_):
    os.kill(os.getpid(), signal.SIGKILL)

def main(_):
    options = pipeline_options(["--direct_running_mode=multi_processing", "--direct_num_workers=2"])
    with progress_bar(1, "working", "thing") as bar, beam_pipeline(options, bar) as pipeline:
        pipeline | beam.Create([1]) | beam.Map(killed)

if __name__ == "__main__":
    run_command(main)
"""


@pytest.mark.slow
def test_the_job_ends_when_a_worker_is_killed() -> None:
    done = subprocess.run([sys.executable, "-c", KILLS], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "error: a worker process was killed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs Linux's /proc")
def test_workers_that_are_still_starting_end_with_a_job_that_is_killed(tmp_path: Path) -> None:
    """Before they have anything of the job but their lease."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", KILLS], env=environment, stderr=subprocess.DEVNULL) as job:
        while not workers(tmp_path):
            assert job.poll() is None
            time.sleep(0.01)
        job.kill()
    until = time.monotonic() + 10
    while left := workers(tmp_path):
        assert time.monotonic() < until, left
        time.sleep(0.1)


def workers(temporary: Path) -> list[bytes]:
    """The commands of the worker processes of jobs whose temporary directory it is."""
    commands = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            commands.append(process.read_bytes())
    return [each for each in commands if b"local_worker\0" in each and os.fsencode(temporary) in each]
