"""A worker process of the local runner that is killed ends the job in a sentence."""

from __future__ import annotations

import subprocess
import sys

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
