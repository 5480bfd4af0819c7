"""Shows that another engine leaves the same bytes: ``python -m pipelines.compare_runners --work work/<recipe>``.

Prepares the corpora of a recipe twice, on this machine and as Beam's flags say (``--runner=flink`` unless told
otherwise), and compares the SHA-256 of every shard, subword model and file of rejected pairs. Both are made in
the work directory, beside what is there, and taken away again.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pipelines.prepare import prepare
from pipelines.running import ready_runner
from recipes.corpora import to_fetch
from recipes.errors import UserError, run_command
from recipes.files import sha256_of
from recipes.layout import WorkDirectory
from recipes.stages import FETCH, resolved_recipe


def main(arguments: list[str]) -> None:
    """The command: prints how long both took; exit code 1 where a file differs."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.compare_runners",
        description="Prepares a recipe's corpora here and on another engine, and compares the bytes.",
        epilog="All other flags are Apache Beam's, for the other engine; --runner=flink if there are none.",
        allow_abbrev=False,
    )
    parser.add_argument("--work", type=Path, required=True, help="work directory that holds recipe.yaml and corpus/")
    known, flags = parser.parse_known_args(arguments)
    work = WorkDirectory(known.work)
    with tempfile.TemporaryDirectory(dir=work.root, prefix=".comparing-") as directory:
        files = {
            name: prepared_files(work, Path(directory) / name, given)
            for name, given in (("here", []), ("there", flags or ["--runner=flink"]))
        }
    for name in sorted(files["here"].keys() | files["there"].keys()):
        if files["here"].get(name) != files["there"].get(name):
            raise UserError(f"{name} differs: the engine does not do what this machine does")
    print(f"all {len(files['here'])} files have the same SHA-256")


def prepared_files(work: WorkDirectory, directory: Path, flags: Sequence[str]) -> dict[str, str]:
    """SHA-256 of what preparing the corpora of ``work`` in ``directory`` leaves, but the two files that tell times."""
    recipe = resolved_recipe(work)
    if to_fetch(recipe) and (reason := FETCH.stale_because(recipe, work)):
        raise UserError(f"the corpora of {work.root} are not fetched ({reason}); run make prepare WORK={work.root}")
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


if __name__ == "__main__":
    run_command(main)
