"""Runs a Flink cluster on this machine (``pipelines.runners.flink_cluster``): ``python -m pipelines.flink``."""

from __future__ import annotations

import contextlib
import sys

from workspace.at_once import INTERRUPTED
from workspace.command import command_parser, positive, run_command, starting_up
from workspace.machine import LOOPBACK, check_port_is_free


def main(arguments: list[str]) -> None:
    """The command: a cluster until Ctrl-C."""
    parser = command_parser(
        "pipelines.flink",
        "Runs a Flink cluster of one JobManager and two TaskManagers on this machine until Ctrl-C.",
        reads="Flink's and Beam's Java archives, downloaded the first time",
        writes="logs, in a temporary directory that it names and takes away at its end",
        epilog="make prepare RUNNER=flink starts one by itself; this is for several jobs, and to look at them.",
    )
    parser.add_argument("--port", type=positive, default=8081, help="of the web page and of FLINK_MASTER (8081)")
    options = parser.parse_args(arguments)
    with starting_up():
        from pipelines.runners.flink_cluster import flink_cluster
    check_port_is_free(LOOPBACK, options.port, "--port")
    try:
        # Once it runs, Ctrl-C is how it is meant to end.
        with flink_cluster(options.port) as cluster, contextlib.suppress(KeyboardInterrupt):
            print(f"Flink runs: http://{cluster.master} (logs in {cluster.directory}); Ctrl-C ends it", flush=True)
            print(f"make prepare RUNNER=flink FLINK_MASTER={cluster.master}", flush=True)
            cluster.wait()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)  # before it ran: there is nothing to go on with


if __name__ == "__main__":
    run_command(main)
