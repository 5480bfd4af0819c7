"""A worker process of the local runner: Beam's own, but silent, and gone as soon as the job is interrupted.

Beam's logs its life to standard error. How long this one lives is for ``pipelines.runners.local_workers`` to say, which
starts it.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from pathlib import Path

from workspace.command import command_parser, run_command, starting_up

_SECONDS_BETWEEN_LOOKS = 0.2


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "pipelines.runners.local_worker",
        "A worker of a Beam job. Started by the job (--direct_running_mode=multi_processing), not by you.",
        reads="the job, over gRPC, and what its part of the job reads; LEASE",
        writes="what its part of the job writes",
    )
    parser.add_argument("lease", metavar="LEASE", type=Path, help="a file: it ends when this is gone or not empty")
    lease = parser.parse_args(arguments).lease
    logging.disable()
    threading.Thread(target=_leave_with, args=(lease,), daemon=True).start()
    with starting_up():
        from apache_beam.runners.worker import sdk_worker_main
    # It ends without a word: the job says what became of it.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sdk_worker_main.main([])


def _leave_with(lease: Path) -> None:
    while lease.exists() and not lease.stat().st_size:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(0)


if __name__ == "__main__":
    run_command(main)
