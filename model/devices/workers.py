"""Several workers of one training on this machine: processes that share its cores and talk over loopback.

    run_workers(2, "model.train", ["--work", "work/bible", "--strategy", "multi_worker"])

Each is ``python -m model.devices.workers model.train --work …``, with its place in the cluster in TF_CONFIG. They live
and die together: when one of them, or the process that started them, is lost, the others end too.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import IO, NoReturn

from workspace.command import command_parser, run_command
from workspace.errors import UserError
from workspace.lock import SHARED
from workspace.machine import LOOPBACK, cores_of_worker, free_ports

SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_TO_END = 5.0
LINES_SHOWN = 20


class WorkerError(UserError):
    """A worker is lost before its work was done."""


def run_workers(count: int, module: str, arguments: list[str]) -> None:
    """Runs ``module`` with ``arguments`` in ``count`` processes to their end; shows what the first, the chief, says.

    Once all have ended, raises WorkerError, which names the worker that failed first; or SystemExit with the chief's
    exit code, where the chief failed first and has itself said why.
    """
    cores = max(1, cores_of_worker() // count)
    addresses = [f"{LOOPBACK}:{port}" for port in free_ports(count)]
    with contextlib.ExitStack() as stack:
        outputs: list[IO[bytes] | None] = [None]
        outputs += [stack.enter_context(tempfile.TemporaryFile()) for _ in range(1, count)]
        workers: list[subprocess.Popen] = []
        stack.callback(_end, workers)
        for index, output in enumerate(outputs):
            workers.append(_start(index, addresses, cores, output, [module, *arguments]))
        failed = _first_failed(workers)
        if failed is None:
            return
        _end(workers)
        _report(failed, workers[failed].returncode, outputs[failed])


def main(arguments: list[str]) -> None:
    """One worker: runs the module named first, and ends with the process that started it."""
    parser = command_parser(
        "model.devices.workers",
        "One worker of a training. Started by model.train --workers, not by you: it ends with what started it.",
        reads="TF_CONFIG, its place among the workers; standard input, whose end ends it; and what the module reads",
        writes="what the module writes, where it is the first worker",
    )
    parser.add_argument("module", help="what it runs: model.train")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="its arguments")
    options = parser.parse_args(arguments)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _run(options.module, options.arguments)
    except KeyboardInterrupt:
        # The process that started us says so.
        sys.exit(130)


def _run(module: str, arguments: list[str]) -> None:
    try:
        importlib.import_module(module).main(arguments)
    except UserError as error:
        # A fault that all workers share is for the chief to report. What became of a lost worker the process that
        # started us knows better, and ends us meanwhile; unless that worker only hangs.
        if isinstance(error, WorkerError) or not is_first_worker():
            time.sleep(2 * SECONDS_TO_END)  # longer than it takes them to end us
        raise


def _start(
    index: int, addresses: list[str], cores: int, output: IO[bytes] | None, arguments: list[str]
) -> subprocess.Popen:
    environment = {
        **os.environ,
        "TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}),
        "TF_NUM_INTEROP_THREADS": str(cores),
        # It trains in the work directory that we have locked.
        SHARED: "yes",
        # Several processes cannot share a GPU; GPUs are for one process, with a replica on each.
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "model.devices.workers", *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        # Ctrl-C reaches them through us alone.
        start_new_session=True,
    )


def _first_failed(workers: list[subprocess.Popen]) -> int | None:
    """Waits until a worker fails, and returns its index, or until all have ended well, and returns None."""
    while True:
        codes = [worker.poll() for worker in workers]
        # When one is killed, others may fail because of it before we look again; its code, below 0, comes first.
        failed = sorted((code, -index) for index, code in enumerate(codes) if code)
        if failed:
            return -failed[0][1]
        if None not in codes:
            return None
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _report(index: int, code: int, output: IO[bytes] | None) -> NoReturn:
    if code < 0:
        raise WorkerError(f"worker {index} was killed by signal {-code}")
    if output is None:
        sys.exit(code)
    output.seek(0)
    lines = output.read().decode(errors="replace").splitlines()[-LINES_SHOWN:]
    print("\n".join(f"worker {index}: {line}" for line in lines), file=sys.stderr)
    raise WorkerError(f"worker {index} ended with exit code {code} (its last lines are above)")


def _end(workers: list[subprocess.Popen]) -> None:
    for worker in workers:
        worker.terminate()
    deadline = time.monotonic() + SECONDS_TO_END
    for worker in workers:
        try:
            worker.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            # A worker that waits for another does not heed the signal.
            worker.kill()
            worker.wait()


def _end_with_parent() -> None:
    """Kills this process at the end of standard input, which nobody else writes to or reads from."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGKILL)


def is_first_worker() -> bool:
    """Whether this process is the first worker of its training, or the only one: the one that writes."""
    try:
        return int(json.loads(os.environ["TF_CONFIG"])["task"]["index"]) == 0
    except (KeyError, ValueError, TypeError):
        return True  # no TF_CONFIG, or one that is wrong: model.devices.strategies says how


if __name__ == "__main__":
    # Imported by name: model.devices.strategies raises the WorkerError of that module, not of this one, __main__.
    run_command(importlib.import_module("model.devices.workers").main)
