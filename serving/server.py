"""A stand-in for TensorFlow Serving where there is no ``tensorflow_model_server``: same services, same flags.

    python -m serving.server --port 8500 --rest_api_port 8501 --model_name rnnsearch --model_base_path DIR

On SIGTERM or Ctrl-C it answers what is under way before it goes. The server is that of ``serving.api.stand_in``.
"""

from __future__ import annotations

import sys

from serving.protocol.flags import parse_flags
from workspace.at_once import INTERRUPTED
from workspace.command import run_command, starting_up
from workspace.signals import asked_to_end

GRACE_SECONDS = 30.0


def main(arguments: list[str]) -> None:
    flags = parse_flags(arguments)
    with starting_up():
        from serving.api.stand_in import Server
    stopped = asked_to_end()
    server = Server(flags)
    try:
        if not server.start(stopped):
            sys.exit(INTERRUPTED)
        print(server.describe(), flush=True)
        stopped.wait()
    finally:
        server.stop(GRACE_SECONDS)


if __name__ == "__main__":
    run_command(main)
