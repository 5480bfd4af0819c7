"""The worker processes of the local runner: gone as soon as the job is interrupted, and missed when one is killed.

One of Beam's own that was still starting when the job was interrupted would wait, and the job for it, for ever; and so
would the job for one that was killed. Ours (``pipelines.runners.local_worker``) leave when a file, their lease, is
gone, has something written into it, or is locked no longer, for the job was killed; the shell that runs one writes
there when it fails.
"""

from __future__ import annotations

import contextlib
import fcntl
import shlex
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from pipelines.runners.local_runner import CountingRunner
from pipelines.runners.silence import silence_threads
from workspace.errors import UserError
from workspace.periodically import periodically
from workspace.signals import handled_by

_LOST = "lost"
_SECONDS_BETWEEN_LOOKS = 0.2


@contextlib.contextmanager
def worker_processes(pipeline: beam.Pipeline) -> Iterator[None]:
    """While the body runs the pipeline, its worker processes are ours; other runners are left alone."""
    options = pipeline.options.view_as(DirectOptions)
    mode = options.direct_running_mode
    if not isinstance(pipeline.runner, CountingRunner) or mode != "multi_processing":
        yield
        return
    with tempfile.NamedTemporaryFile(prefix="pipeline-", suffix=".lease") as lease:
        # Where the file system has locks.
        with contextlib.suppress(OSError):
            fcntl.flock(lease, fcntl.LOCK_EX)
        # A shell runs the command. Ctrl-C reaches every process of a terminal, but here the job decides.
        worker = shlex.join([sys.executable, "-m", "pipelines.runners.local_worker", lease.name])
        # What they leave in scratch goes with what this process leaves: they end at once, and clear nothing up.
        worker = f"env SCRATCH={shlex.quote(tempfile.gettempdir())} {worker}"
        missed = f"[ $? = 0 ] || ! [ -e {shlex.quote(lease.name)} ] || echo {_LOST} >>{shlex.quote(lease.name)}"
        command = f"trap '' INT; {worker}; {missed}"
        pipeline.runner = CountingRunner(SubprocessSDKEnvironment.from_command_string(command))
        # With the mode that was asked for, the runner would start Beam's own worker command.
        options.direct_running_mode = "in_memory"
        try:
            with _ended_by_loss(Path(lease.name)), _ended_by_interrupt(Path(lease.name)):
                yield
        finally:
            options.direct_running_mode = mode


@contextlib.contextmanager
def _ended_by_loss(lease: Path) -> Iterator[None]:
    """Raises UserError where a worker is killed or fails, for which Beam would wait."""
    is_lost = threading.Event()

    def look() -> bool:
        if lease.read_text().startswith(_LOST):
            is_lost.set()
            # A real one, for the main thread waits in the system.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return is_lost.is_set()

    try:
        with periodically(_SECONDS_BETWEEN_LOOKS, look):
            yield
    except KeyboardInterrupt:
        if not is_lost.is_set():
            raise
        raise UserError(
            "a worker process was killed, as systems do when memory is short; run the same command again to go on, "
            "with fewer processes if it was for that"
        ) from None


@contextlib.contextmanager
def _ended_by_interrupt(lease: Path) -> Iterator[None]:
    """Takes the lease away when Ctrl-C or a signal to end comes, before Beam begins to wait for its workers."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        lease.write_bytes(b"ended")
        # The threads that talk to the workers lose them now, and would each print a traceback.
        silence_threads()
        raise KeyboardInterrupt

    with handled_by(interrupt):
        yield
