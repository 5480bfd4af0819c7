"""A worker process of the local runner: Beam's own, but silent, and gone as soon as the job is interrupted.

Beam's logs its life to standard error, and prints there the traceback of every error that it hands on to the job. With
``--debug`` this one does, too, save for its life. How long that is, ``pipelines.runners.local_workers`` says, which
starts it.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import threading
import time
from pathlib import Path

from pipelines.runners.silence import beam_silenced
from workspace.command import command_parser, run_command, starting_up
from workspace.debugging import is_debugging

_SECONDS_BETWEEN_LOOKS = 0.2


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "pipelines.runners.local_worker",
        "A worker of a Beam job. Started by the job (--direct_running_mode=multi_processing), not by you.",
        reads="the job, over gRPC, and what its part of the job reads; LEASE",
        writes="what its part of the job writes",
    )
    parser.add_argument(
        "lease", metavar="LEASE", type=Path, help="a file: it ends when this is gone, not empty, or no longer locked"
    )
    lease = parser.parse_args(arguments).lease
    logging.disable(logging.INFO if is_debugging() else logging.CRITICAL)
    threading.Thread(target=_leave_with, args=(lease,), daemon=True).start()
    with starting_up():
        from apache_beam.runners.worker import sdk_worker_main
    # It ends without a word: the job says what became of it.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with beam_silenced():
        sdk_worker_main.main([])
    # All is written, and Python's own end would take long: the job waits for one worker after the other.
    os._exit(0)


def _leave_with(lease: Path) -> None:
    while lease.exists() and not lease.stat().st_size and not _is_free(lease):
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(0)


def _is_free(lease: Path) -> bool:
    """Whether the job, which has it locked as long as it lives, is gone: killed, it cannot say so."""
    with contextlib.suppress(OSError), lease.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    return False


if __name__ == "__main__":
    run_command(main)
