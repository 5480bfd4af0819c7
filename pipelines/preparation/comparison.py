"""Whether another engine leaves the same bytes: the corpora of a recipe prepared twice, and compared.

Compared is the SHA-256 of every shard, subword model and file of rejected pairs. Both are made in the work
directory, beside what is there, and taken away again.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from pipelines.preparation.job import prepare
from pipelines.runners.options import ready_runner
from recipes.corpora import to_fetch
from recipes.stages import FETCH, resolved_recipe
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.listing import files_under, is_directory, name_below
from workspace.locations import Location
from workspace.storage import copy, make_directory, remove, sha256_of


def compare(work: WorkDirectory, flags: Sequence[str]) -> int:
    """Prepares the corpora of ``work`` here and as Beam's ``flags`` say, and gives the number of files.

    Raises UserError where one differs.
    """
    directory = work.root / f".comparing-{uuid.uuid4().hex}"
    try:
        files = {
            name: prepared_files(work, directory / name, given) for name, given in (("here", []), ("there", flags))
        }
    finally:
        remove(directory)
    for name in sorted(files["here"].keys() | files["there"].keys()):
        if files["here"].get(name) != files["there"].get(name):
            raise UserError(f"{name} differs: the engine does not do what this machine does")
    return len(files["here"])


def prepared_files(work: WorkDirectory, directory: Location, flags: Sequence[str]) -> dict[str, str]:
    """SHA-256 of what preparing the corpora of ``work`` in ``directory`` leaves, but the two files that tell times."""
    recipe = resolved_recipe(work)
    if to_fetch(recipe) and (reason := FETCH.stale_because(recipe, work)):
        raise UserError(f"the corpora of {work.root} are not fetched ({reason}); run {work.command('prepare')}")
    made = WorkDirectory(directory)
    make_directory(directory)
    if is_directory(work.corpus):
        _lend(work.corpus, made.corpus)
    began = time.monotonic()
    with ready_runner(flags) as options:
        prepare(recipe, made, options)
    print(f"{' '.join(flags) or 'this machine'}: {time.monotonic() - began:.0f} s", flush=True)
    paths = [path for path in files_under(made.data) if path not in (made.manifest, made.report)]
    return {name_below(made.data, path): sha256_of(path) for path in paths}


def _lend(corpus: Location, other: Location) -> None:
    """A fetched corpus in another work directory, too; a store has no links."""
    if isinstance(corpus, Path) and isinstance(other, Path):
        other.symlink_to(corpus.resolve())
    else:
        copy(corpus, other)
