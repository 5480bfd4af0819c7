"""Fetches the corpora of a recipe that come from elsewhere.

Each has a directory of its own in ``corpus/``, in which ``origin.json`` is written last; a corpus that is there
already, with the same origin, is not fetched again. ``pipelines.corpora.bible`` makes the default corpus,
``pipelines.corpora.downloads`` fetches files from the web and corpora in the index of mtdata.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.corpora.bible import fetch_bible
from pipelines.corpora.downloads import download, fetch_mtdata
from recipes.corpora import base_name, is_on_the_web, paths_of, to_fetch
from recipes.data_schema import PairFiles, TrainingCorpus
from recipes.schema import Recipe
from recipes.stages import FETCH
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.listing import entries, is_directory, sizes_of
from workspace.locations import Location
from workspace.marks import CorpusMark, write_mark
from workspace.progress import BYTES, progress_bar
from workspace.scratch import scratch_directory
from workspace.storage import make_directory, read_json, remove, replacing, write_json

_ORIGIN = "origin.json"


def fetch(recipe: Recipe, work: WorkDirectory) -> None:
    """Makes ``work.corpus``, its mark last. Raises UserError if something cannot be had or is not what it should be."""
    made_from = FETCH.made_from(recipe, work)
    for name, files in to_fetch(recipe).items():
        origin = {"made_from": made_from[name], "languages": made_from["languages"]}
        corpus = work.corpus / name
        before = read_json(corpus / _ORIGIN) or {}
        if before.get("origin") == origin and before.get("sizes") == _sizes(corpus):
            continue
        with replacing(corpus, last=_ORIGIN) as directory, _waiting_room(work.corpus / ".downloads" / name) as waiting:
            make_directory(directory)
            said = _fetch_one(files, name, directory, recipe, waiting)
            write_json(directory / _ORIGIN, {"origin": origin, "sizes": _sizes(directory), **said})
    for other in entries(work.corpus):
        if other.name not in made_from and is_directory(other):
            remove(other)
    fetched = [file for name in made_from for file in entries(work.corpus / name)]
    write_mark(work.corpus_mark, CorpusMark(made_from=made_from), fetched)


def _sizes(directory: Location) -> dict[str, int | None]:
    """The bytes of every fetched file, by its name."""
    return sizes_of((file.name for file in entries(directory) if file.name != _ORIGIN), directory)


@contextlib.contextmanager
def _waiting_room(beside: Location) -> Iterator[Path]:
    """Where files on their way from the web are: ``beside`` the corpus, where they outlast an interrupted command, or
    in scratch if that is in a store."""
    if isinstance(beside, Path):
        yield beside
        return
    with scratch_directory() as directory:
        yield directory


def _fetch_one(files: PairFiles, name: str, directory: Path, recipe: Recipe, waiting: Path) -> dict[str, Any]:
    """Fetches one corpus into ``directory``; returns what origin.json says.

    Files on their way from the web are in ``waiting``.
    """
    languages = recipe.corpus.source_language, recipe.corpus.target_language
    if isinstance(files, TrainingCorpus) and (files.bible or files.mtdata):
        if languages[0] == languages[1]:
            raise UserError(
                f"corpus.source_language and corpus.target_language are both {languages[0]!r}, and so would be "
                "the names of their files; give them two names"
            )
        source, target = (directory / f"{name}.{language}" for language in languages)
        if files.bible:
            return fetch_bible(files.bible, source, target)
        return fetch_mtdata(str(files.mtdata), source, target, *languages)
    addresses = [path for path in paths_of(files) if is_on_the_web(path)]
    make_directory(waiting)
    for address, sha256 in itertools.zip_longest(addresses, files.sha256[: len(addresses)]):
        path = waiting / base_name(address)
        with progress_bar(None, f"downloading {path.name}", BYTES) as bar:
            download(address, sha256, path, bar.update)
        path.replace(directory / path.name)
    return {}
