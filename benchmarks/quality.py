"""How well finished runs translate their test sets: ``python -m benchmarks.quality work/multi30k …``.

What the figures are is in ``benchmarks.translation_quality``.
"""

from __future__ import annotations

from pathlib import Path

from workspace.command import command_parser, run_command, starting_up
from workspace.layout import WorkDirectory
from workspace.storage import replacing


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "benchmarks.quality",
        "How well finished runs translate their test sets, also as papers on Multi30k have it.",
        reads="data/, training/training.json and evaluation/ of the work directories",
        writes="the table to standard output, and the picture where one is asked for",
    )
    parser.add_argument("work", type=Path, nargs="+", help="work directories of finished runs")
    parser.add_argument("--by-length", type=Path, metavar="FILE", help="draw BLEU by source length into this PNG")
    options = parser.parse_args(arguments)
    runs = [WorkDirectory(path) for path in options.work]
    with starting_up():
        from rich.console import Console

        from benchmarks.translation_quality import draw_by_length, table_of
    Console(width=140).print(table_of(runs))
    if options.by_length:
        with replacing(options.by_length) as temporary:
            temporary.write_bytes(draw_by_length(runs))


if __name__ == "__main__":
    run_command(main)
