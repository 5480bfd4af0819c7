"""Small corpora of the tests' own writing, in work directories of their own."""

from __future__ import annotations

import gzip
import json
import sqlite3
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.corpora import bible
from pipelines.corpora.line_files import FilePair
from pipelines.preparation.job import RenderReport, prepare
from pipelines.runners.options import pipeline_options
from recipes.loading import check_recipe, save_recipe
from recipes.stages import resolved_recipe
from tests.numbers_corpus import english, french
from workspace.layout import WorkDirectory
from workspace.listing import files_under, name_below
from workspace.locations import Where
from workspace.storage import read_json, remove, sha256_of

SOURCES = [english(number) for number in range(300)]
TARGETS = [french(number) for number in range(300)]


def write_lines(path: Path, lines: Sequence[str | bytes]) -> Path:
    """Writes lines, each ended by a line feed; compressed if the name ends in .gz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines)
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def write_pair(directory: Path, source: Sequence[str | bytes], target: Sequence[str | bytes]) -> FilePair[Path]:
    """Writes both sides of a corpus into a directory."""
    return FilePair(
        source=write_lines(directory / "text.en", source), target=write_lines(directory / "text.fr", target)
    )


def new_work(root: Where, files: FilePair | None, /, **settings: Any) -> WorkDirectory[Where]:
    """A work directory with a recipe for a corpus of a few hundred pairs; ``settings`` are laid over it, by section."""
    defaults: dict[str, Any] = {
        "name": "test",
        "corpus": {"train": as_settings(files) if files else []},
        # Of numbers in two languages, some are the same word.
        "cleaning": {"max_identical": None, "max_similarity": None},
        "split": {"dev_pairs": 30, "test_pairs": 40},
        "subwords": {"vocabulary": 60},
        "shards": 3,
    }
    for section, values in settings.items():
        below = defaults.get(section)
        defaults[section] = {**below, **values} if isinstance(below, Mapping) else values
    work = WorkDirectory(root)
    save_recipe(check_recipe(defaults, "recipe"), work.recipe)
    return work


def as_settings(files: FilePair) -> dict[str, str]:
    """Two files as a recipe names them."""
    return {"source": str(files.source), "target": str(files.target)}


def run(
    work: WorkDirectory, *flags: str, chunk_pairs: int = 10_000, render_report: RenderReport | None = None
) -> dict[str, Any]:
    """Prepares a work directory's corpus from the beginning, with flags for Beam; gives what is in the manifest."""
    remove(work.intermediate)
    prepare(resolved_recipe(work), work, pipeline_options(flags), chunk_pairs, render_report)
    manifest: dict[str, Any] = read_json(work.manifest)
    return manifest


def directory_of(step: str, work: WorkDirectory[Path]) -> Path:
    """Where a step of the preparation left its files."""
    (found,) = work.intermediate.glob(f"{step}-*")
    return found


def hashes(work: WorkDirectory) -> dict[str, str]:
    """SHA-256 of every file of ``data/`` but the manifest and the report, which tell the time."""
    files = [path for path in files_under(work.data) if path not in (work.manifest, work.report)]
    return {name_below(work.data, path): sha256_of(path) for path in files}


def rejected_pairs(work: WorkDirectory[Path]) -> list[dict[str, Any]]:
    """All of ``rejected/``, by line."""
    pairs = []
    for path in work.rejected.iterdir():
        with gzip.open(path, "rt", encoding="utf-8") as file:
            pairs += [json.loads(line) for line in file]
    return sorted(pairs, key=lambda pair: (pair["file"], pair["line"]))


VERSES = [
    ("x", 2, 1, 1, "third"),
    ("x", 1, 2, 1, "second"),
    ("x", 1, 1, 1, "first\nof\r\nall"),
    ("x", 1, 1, 2, "only in x"),
    ("y", 1, 1, 1, "premier"),
    ("y", 1, 2, 1, "deuxième"),
    ("y", 2, 1, 1, "troisième"),
]


def make_wheel(path: Path, verses: Iterable[tuple[Any, ...]] = VERSES) -> Path:
    path.parent.mkdir(parents=True)
    database = path.parent / "made.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE bible (bbName, bNumber, cNumber, vNumber, vText)")
        connection.executemany("INSERT INTO bible VALUES (?, ?, ?, ?, ?)", verses)
    connection.close()
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.write(database, bible.DATABASE)
    return path
