"""The corpora of a recipe as they are read: which files, what is special about each, and what identifies it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipes.data_schema import Cleaning, PairFiles, TrainingCorpus
from recipes.schema import Recipe
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.listing import is_directory, is_file, state_of
from workspace.locations import located
from workspace.storage import reading, sha256_of

# SHA-256 of the corpus files that this process has read, by their state then.
_sums: dict[tuple[int, ...], str] = {}
# Nanoseconds. Some file systems have no finer times, so that a file written twice within them may look the same.
_COARSEST_TIMES = 2_000_000_000


@dataclass(frozen=True)
class Corpus:
    """One corpus: its number among all of the recipe, and its files where they are now.

    ``cleaning`` is None for the files given as dev or test, which are kept whole.
    """

    number: int
    split: str
    name: str
    files: PairFiles
    source_language: str
    target_language: str
    cleaning: Cleaning | None = None
    weight: float = 1.0
    tag: str | None = None

    @property
    def paths(self) -> list[str]:
        """Its files, one or two."""
        return paths_of(self.files)

    @property
    def file_name(self) -> str:
        """The base name of the file that records and rejected pairs say they come from."""
        return base_name(self.paths[0])


def corpora(recipe: Recipe, work: WorkDirectory) -> list[Corpus]:
    """The corpora of a recipe: those to train on in their order, then dev and test where they are given.

    Raises UserError if the recipe names no corpus to train on, or a file, or a list of words, that cannot be opened.
    """
    check_named(recipe)
    corpus = recipe.corpus
    languages = corpus.source_language, corpus.target_language
    found = []
    for number, train in enumerate(corpus.train):
        files = fetched_files(train, train.name, recipe, work)
        cleaning = recipe.cleaning_of(train)
        found.append(Corpus(number, "train", train.name, files, *languages, cleaning, train.weight, train.tag))
    for split, given in (("dev", corpus.dev), ("test", corpus.test)):
        if given:
            found.append(Corpus(len(found), split, split, fetched_files(given, split, recipe, work), *languages))
    for each in found:
        for path in each.paths:
            _check(path, each.split)
        if each.cleaning and each.cleaning.blocked_words:
            _check_words(each.cleaning.blocked_words)
    return found


def check_named(recipe: Recipe) -> None:
    """Raises UserError where the recipe names no corpus to train on, or a file that does not exist; a corpus that is
    fetched need not be there."""
    corpus = recipe.corpus
    if not corpus.train:
        raise UserError(
            f"recipe {recipe.name} names no corpus; give one with SRC=… TGT=…, or as corpus.train in the recipe"
        )
    named = [*(("train", train) for train in corpus.train), ("dev", corpus.dev), ("test", corpus.test)]
    for split, files in named:
        if files and not is_fetched(files):
            for path in paths_of(files):
                _check(path, split)
    for path in recipe.evaluation.references:
        _check(path, "test")
    dictionary = recipe.search.unknown_dictionary
    if dictionary is not None and not is_file(located(dictionary)):
        raise UserError(f"search.unknown_dictionary: {dictionary}: no such file; give one that is there")


def to_fetch(recipe: Recipe) -> dict[str, PairFiles]:
    """What must be fetched before it can be read, by name of the corpus or split."""
    named: dict[str, PairFiles | None] = {corpus.name: corpus for corpus in recipe.corpus.train}
    named |= {"dev": recipe.corpus.dev, "test": recipe.corpus.test}
    return {name: files for name, files in named.items() if files and is_fetched(files)}


def is_fetched(files: PairFiles) -> bool:
    """Whether the files come from elsewhere: a package, mtdata's index, or an address on the web."""
    if isinstance(files, TrainingCorpus) and (files.bible or files.mtdata):
        return True
    return any(map(is_on_the_web, paths_of(files)))


def fetched_files(files: PairFiles, name: str, recipe: Recipe, work: WorkDirectory) -> PairFiles:
    """The same files where fetching puts them: in the corpus's own directory."""
    directory = work.corpus / name
    if not is_fetched(files):
        return files
    if isinstance(files, TrainingCorpus) and (files.bible or files.mtdata):
        languages = recipe.corpus.source_language, recipe.corpus.target_language
        source, target = (str(directory / f"{name}.{language}") for language in languages)
        return PairFiles(source=source, target=target, format="lines")
    moved = {
        key: str(directory / base_name(path))
        for key in ("source", "target", "file")
        if (path := getattr(files, key)) and is_on_the_web(path)
    }
    return files.model_copy(update=moved)


def paths_of(files: PairFiles) -> list[str]:
    """The paths that are given: source and target, or file."""
    return [path for path in (files.source, files.target, files.file) if path is not None]


def base_name(path: str) -> str:
    """The last part of a path or URL."""
    if is_on_the_web(path):
        path = path.partition("#")[0].partition("?")[0]
    return path.rstrip("/").rpartition("/")[2]


def is_on_the_web(path: str) -> bool:
    """Whether a path is a URL that is fetched before it is read."""
    return path.startswith(("http://", "https://"))


def fingerprint(corpus: Corpus) -> dict[str, Any]:
    """What identifies a corpus: if any of it changes, whatever was made from the corpus is out of date."""
    blocked = corpus.cleaning.blocked_words if corpus.cleaning else None
    return {
        **read_as(corpus),
        "weight": corpus.weight,
        "tag": corpus.tag,
        "cleaning": corpus.cleaning.model_dump(mode="json") if corpus.cleaning else None,
        "blocked_words": _file(blocked) if blocked else None,
    }


def read_as(corpus: Corpus) -> dict[str, Any]:
    """The part of a corpus's fingerprint that reading it depends on."""
    settings = corpus.files.model_dump(include={"format", "source_field", "target_field", "query"})
    languages = [corpus.source_language, corpus.target_language]
    return {"split": corpus.split, "files": [_file(path) for path in corpus.paths], "languages": languages, **settings}


def _file(path: str) -> dict[str, Any]:
    location = located(path)
    if isinstance(location, Path):
        return {"name": base_name(path), "sha256": _sha256(location)}
    try:
        # No SHA-256, for reading the whole file from far away takes long.
        return {"name": path, **state_of(location)}
    except FileNotFoundError as error:
        raise UserError(f"corpus {path}: no such file") from error


def _sha256(path: Path) -> str:
    """SHA-256 of a corpus file. A process reads the file for it once, and again whenever it was written to since.

    Several steps of a run ask for it, and a corpus may have many gigabytes.
    """
    state = _state(path)
    if state not in _sums:
        began = time.time_ns()
        digest = sha256_of(path)
        *_, modified, changed = state
        if max(modified, changed) > began - _COARSEST_TIMES or _state(path) != state:
            return digest
        _sums[state] = digest
    return _sums[state]


def _state(path: Path) -> tuple[int, int, int, int, int]:
    """What tells a file from every other and from what it was before: device, inode, bytes, and two times in ns.

    They are those of the last write, which can be set to any other, and of the last change of its status, which cannot.
    """
    # Of the opened file, for then a network file system asks its server.
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _check(path: str, split: str) -> None:
    location = located(path)
    if not is_file(location):
        is_here = isinstance(location, Path) and not location.is_absolute()
        where = f" in {Path.cwd()}, where the command was started" if is_here else ""
        reason = "is a directory; name a file" if is_directory(location) else f"no such file{where}"
        raise UserError(f"{split} corpus {path}: {reason}")


def _check_words(path: str) -> None:
    try:
        with reading(located(path)):
            pass
    except OSError as error:
        reason = error.strerror or "no such file"
        raise UserError(f"cleaning.blocked_words {path} cannot be read: {reason}") from error
