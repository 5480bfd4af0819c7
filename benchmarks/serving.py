"""How fast the stand-in answers: ``python -m benchmarks.serving work/bible``.

What is measured, and how, is in ``benchmarks.serving_speed``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from workspace.command import command_parser, run_command, starting_up
from workspace.layout import WorkDirectory


def main(arguments: list[str]) -> None:
    options = _parse(arguments)
    with starting_up():
        from benchmarks.serving_speed import measure
    measure(WorkDirectory(options.work), options.seconds, options.requests)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = command_parser(
        "benchmarks.serving",
        "How fast the stand-in answers, and the SavedModel by itself.",
        reads="data/ and the newest version in export/ of the work directory",
        writes="the tables to standard output",
    )
    parser.add_argument("work", type=Path, help="work directory of a finished run")
    parser.add_argument("--seconds", type=float, default=10.0, help="of every measurement")
    parser.add_argument("--requests", type=int, default=0, help="with batching and 64 clients, at least so many")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
