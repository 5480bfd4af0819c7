"""A worker process of the local runner: Beam's own, but silent, and gone as soon as the job is interrupted.

Beam's worker logs its life to standard error, and one that was still starting when the job was interrupted
would wait, and the job for it, for ever. Both sides of the remedy are here: the workers leave when a file,
their lease, is no longer there.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.worker import sdk_worker_main
from apache_beam.transforms.environments import SubprocessSDKEnvironment

_SECONDS_BETWEEN_LOOKS = 0.2


@contextlib.contextmanager
def worker_processes(pipeline: beam.Pipeline) -> Iterator[None]:
    """While the body runs the pipeline, its worker processes are of this module; other runners are left alone."""
    options = pipeline.options.view_as(DirectOptions)
    mode = options.direct_running_mode
    if not isinstance(pipeline.runner, FnApiRunner) or mode != "multi_processing":
        yield
        return
    with tempfile.NamedTemporaryFile(prefix="pipeline-", suffix=".lease") as lease:
        # A shell runs the command. Ctrl-C reaches every process of a terminal, but here the job decides.
        command = "trap '' INT; exec " + shlex.join([sys.executable, "-m", "pipelines.worker", lease.name])
        pipeline.runner = FnApiRunner(SubprocessSDKEnvironment.from_command_string(command))
        # With the mode that was asked for, the runner would start Beam's own worker command.
        options.direct_running_mode = "in_memory"
        try:
            with _ended_by_interrupt(Path(lease.name)):
                yield
        finally:
            options.direct_running_mode = mode


@contextlib.contextmanager
def _ended_by_interrupt(lease: Path) -> Iterator[None]:
    """Takes the lease away when Ctrl-C or a signal to end comes, before Beam begins to wait for its workers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        lease.write_bytes(b"ended")
        # The threads that talk to the workers lose them now, and would each print a traceback.
        threading.excepthook = lambda _: None
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_with(lease: Path) -> None:
    while lease.exists() and not lease.stat().st_size:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(0)


if __name__ == "__main__":
    logging.disable()
    threading.Thread(target=_leave_with, args=(Path(sys.argv[1]),), daemon=True).start()
    sdk_worker_main.main([])
