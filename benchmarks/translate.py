"""How fast files are translated: ``python -m benchmarks.translate --work work/bible --texts captions.en verses.en``.

What is measured, and how, is in ``benchmarks.translation_speed``.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from workspace.command import command_parser, positive, run_command, starting_up


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "benchmarks.translate",
        "How fast files are translated by the batch job, and how much memory it needs.",
        reads="an exported model, and texts",
        writes="tables to standard output",
    )
    parser.add_argument("--work", type=Path, required=True, help="work directory with an exported model")
    parser.add_argument(
        "--texts", type=Path, nargs="+", required=True, help="texts to translate, as captions and verses"
    )
    parser.add_argument("--lines", type=positive, default=100_000, help="as many of their lines, alternately")
    parser.add_argument("--turns", type=positive, default=1, help="how often each way translates them")
    parser.add_argument("--memory", action="store_true", help="memory by the number of lines, too")
    parser.add_argument("--loop", type=Path, help="translate this file in the loop (used by itself)")
    options = parser.parse_args(arguments)
    with starting_up():
        from benchmarks.translation_speed import compare, compare_memory, loop
    if options.loop:
        print(json.dumps(loop(options.work, options.loop)))
        return
    with tempfile.TemporaryDirectory() as directory:
        compare(options, Path(directory))
        if options.memory:
            compare_memory(options, Path(directory))


if __name__ == "__main__":
    run_command(main)
