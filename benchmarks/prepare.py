"""How fast a corpus is prepared: ``python -m benchmarks.prepare --source corpus.en --target corpus.fr``.

What is measured, and how, is in ``benchmarks.preparation_speed`` and ``benchmarks.preparation_in_store``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from workspace.command import command_parser, positive, run_command, starting_up
from workspace.layout import WorkDirectory

READING = "reading and cleaning"
# Flags for Beam; None is without it.
WAYS: dict[str, list[str] | None] = {
    "plain loop": None,
    "one worker": [],
    "two workers": ["--direct_running_mode=multi_processing", "--direct_num_workers=2"],
    READING: None,
}


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "benchmarks.prepare",
        "How fast a corpus is prepared, with Beam and without.",
        reads="the corpus",
        writes="the table to standard output",
    )
    parser.add_argument("--source", type=Path, required=True, help="source side of a corpus, a sentence a line")
    parser.add_argument("--target", type=Path, required=True, help="target side")
    parser.add_argument("--pairs", type=positive, default=1_000_000, help="pairs to prepare")
    parser.add_argument("--ways", nargs="+", choices=[*WAYS], default=[*WAYS], help="ways to prepare them")
    parser.add_argument("--shards", type=positive, default=32, help="shards to write")
    parser.add_argument("--opusfilter", metavar="COMMAND", help="OpusFilter's command, in an environment of its own")
    parser.add_argument("--in-store", action="store_true", help="instead: the whole, here and with WORK in S3")
    parser.add_argument("--way", choices=[*WAYS], help="one way only, printing its figures as JSON (used by itself)")
    parser.add_argument("--work", type=Path, help="work directory of that way")
    options = parser.parse_args(arguments)
    with starting_up():
        from benchmarks.preparation_speed import compare, measure
    if options.way:
        measure(options.way, WorkDirectory(options.work))
        return
    with tempfile.TemporaryDirectory() as directory:
        if options.in_store:
            with starting_up():
                from benchmarks import preparation_in_store
            preparation_in_store.compare(options, Path(directory))
        else:
            compare(options, Path(directory))


if __name__ == "__main__":
    run_command(main)
