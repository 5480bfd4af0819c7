"""Fetches the corpora of a recipe that come from elsewhere.

Each has a directory of its own in ``corpus/``, in which ``origin.json`` is written last; a corpus that is there
already, with the same origin, is not fetched again. ``pipelines.corpora.bible`` makes the default corpus,
``pipelines.corpora.downloads`` fetches files from the web and corpora in the index of mtdata.
"""

from __future__ import annotations

import itertools
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
from workspace.marks import CorpusMark, write_mark
from workspace.progress import BYTES, progress_bar
from workspace.storage import read_json, remove, replacing, write_json

_ORIGIN = "origin.json"


def fetch(recipe: Recipe, work: WorkDirectory) -> None:
    """Makes ``work.corpus``, its mark last. Raises UserError if something cannot be had or is not what it should be."""
    made_from = FETCH.made_from(recipe, work)
    for name, files in to_fetch(recipe).items():
        origin = {"made_from": made_from[name], "languages": made_from["languages"]}
        mark = work.corpus / name / _ORIGIN
        before = read_json(mark) or {}
        if before.get("origin") == origin and before.get("sizes") == _sizes(mark.parent):
            continue
        with replacing(mark.parent) as directory:
            directory.mkdir()
            said = _fetch_one(files, name, directory, recipe, work.corpus / ".downloads" / name)
            write_json(directory / mark.name, {"origin": origin, "sizes": _sizes(directory), **said})
    for other in work.corpus.iterdir():
        if other.is_dir() and other.name not in made_from:
            remove(other)
    fetched = (path for name in made_from for path in (work.corpus / name).glob("*") if path.is_file())
    write_mark(work.corpus_mark, CorpusMark(made_from=made_from), fetched)


def _sizes(directory: Path) -> dict[str, int]:
    """The bytes of every fetched file, by its name."""
    return {path.name: path.stat().st_size for path in sorted(directory.iterdir()) if path.name != _ORIGIN}


def _fetch_one(files: PairFiles, name: str, directory: Path, recipe: Recipe, waiting: Path) -> dict[str, Any]:
    """Fetches one corpus into ``directory``; returns what origin.json says.

    Files on their way from the web are in ``waiting``, which outlasts an interrupted command.
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
    waiting.mkdir(parents=True, exist_ok=True)
    for address, sha256 in itertools.zip_longest(addresses, files.sha256[: len(addresses)]):
        path = waiting / base_name(address)
        with progress_bar(None, f"downloading {path.name}", BYTES) as bar:
            download(address, sha256, path, bar.update)
        path.replace(directory / path.name)
    return {}
