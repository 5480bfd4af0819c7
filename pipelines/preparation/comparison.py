"""Whether another engine leaves the same bytes: the corpora of a recipe prepared twice, and compared.

Compared is the SHA-256 of every shard, subword model and file of rejected pairs. Both are made in the work
directory, beside what is there, and taken away again.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pipelines.preparation.job import prepare
from pipelines.runners.options import ready_runner
from recipes.corpora import to_fetch
from recipes.stages import FETCH, resolved_recipe
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.storage import sha256_of


def compare(work: WorkDirectory, flags: Sequence[str]) -> int:
    """Prepares the corpora of ``work`` here and as Beam's ``flags`` say, and gives the number of files.

    Raises UserError where one differs.
    """
    with tempfile.TemporaryDirectory(dir=work.root, prefix=".comparing-") as directory:
        files = {
            name: prepared_files(work, Path(directory) / name, given)
            for name, given in (("here", []), ("there", flags))
        }
    for name in sorted(files["here"].keys() | files["there"].keys()):
        if files["here"].get(name) != files["there"].get(name):
            raise UserError(f"{name} differs: the engine does not do what this machine does")
    return len(files["here"])


def prepared_files(work: WorkDirectory, directory: Path, flags: Sequence[str]) -> dict[str, str]:
    """SHA-256 of what preparing the corpora of ``work`` in ``directory`` leaves, but the two files that tell times."""
    recipe = resolved_recipe(work)
    if to_fetch(recipe) and (reason := FETCH.stale_because(recipe, work)):
        raise UserError(f"the corpora of {work.root} are not fetched ({reason}); run {work.command('prepare')}")
    made = WorkDirectory(directory)
    directory.mkdir()
    if work.corpus.exists():
        made.corpus.symlink_to(work.corpus.resolve())
    began = time.monotonic()
    with ready_runner(flags) as options:
        prepare(recipe, made, options)
    print(f"{' '.join(flags) or 'this machine'}: {time.monotonic() - began:.0f} s", flush=True)
    paths = (path for path in made.data.rglob("*") if path.is_file() and path not in (made.manifest, made.report))
    return {str(path.relative_to(made.data)): sha256_of(path) for path in paths}
