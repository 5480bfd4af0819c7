"""Serves the exported model of a work directory: TensorFlow Serving where it is installed, else the stand-in.

python -m serving.serve --work work/bible [--port 8500] [--rest_api_port 8501]
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from workspace.command import command_parser, run_command
from workspace.errors import UserError
from workspace.layout import MODEL_NAME, WorkDirectory
from workspace.locations import located

REAL_SERVER = "tensorflow_model_server"


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "serving.serve",
        __doc__,
        reads="the versions in export/ of the work directory; new ones are served as they come",
        writes="nothing",
    )
    parser.add_argument("--work", type=located, required=True, help="work directory with an exported model")
    parser.add_argument("--port", type=int, default=8500, help="gRPC port (default: 8500)")
    parser.add_argument("--rest_api_port", type=int, default=8501, help="REST port, 0 for none (default: 8501)")
    options = parser.parse_args(arguments)
    if options.rest_api_port and options.port == options.rest_api_port:
        raise UserError(f"gRPC and REST are both to be on port {options.port}; give one of them another")
    work = WorkDirectory(options.work)
    if not work.versions():
        raise UserError(f"{work.export} holds no exported model; make one with {work.command('train')}")
    command = server_command(work, options.port, options.rest_api_port)
    print(f"serving {work.export} with {' '.join(command)}", flush=True)
    os.execvp(command[0], command)  # the server takes this process's place, and its signals


def server_command(work: WorkDirectory, port: int, rest_api_port: int) -> list[str]:
    """The command that serves ``work``'s exported model; the flags are the same for either server."""
    real = shutil.which(REAL_SERVER)
    export = work.export.resolve() if isinstance(work.export, Path) else work.export
    return [
        *([real] if real else [sys.executable, "-m", "serving.server"]),
        f"--port={port}",
        f"--rest_api_port={rest_api_port}",
        f"--model_name={MODEL_NAME}",
        f"--model_base_path={export}",  # TensorFlow Serving takes absolute paths only
    ]


if __name__ == "__main__":
    run_command(main)
