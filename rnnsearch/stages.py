"""The stages of the road as functions. Each does what its command does, and gives what the command leaves.

A stage reads its settings from recipe.yaml of the work directory, and runs whether or not its result is current. Where
something is wrong it raises UserError with a sentence that says what to do; interrupted and called again, it goes on.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from recipes.corpora import to_fetch
from recipes.road import Asked, keep, resolve
from recipes.stages import EVALUATE, EXPORT, FETCH, PREPARE, TRAIN, Stage, resolved_recipe
from workspace.errors import extras_named
from workspace.layout import WorkDirectory
from workspace.lock import sole_use
from workspace.marks import Manifest, Scores, TrainingMark, read_manifest, read_scores, read_training_mark


def prepare(work: str | Path, recipe: str | None = None, beam: Sequence[str] = (), force: bool = False) -> Manifest:
    """Prepares the corpora of a recipe in the work directory ``work``, which is made where there is none.

    recipe: the name of one that comes with the project, or the path of a .yaml file; by default the one that ``work``
    has. beam: flags for Apache Beam, such as ``["--runner=flink"]``. force: takes a ``work`` that is of another recipe,
    too. What the recipe takes from elsewhere is fetched first, unless it is there.
    """
    directory = WorkDirectory(Path(work))
    found = None if recipe is None else resolve(directory, Asked(recipe, is_forced=force))
    if found is not None:
        directory.root.mkdir(parents=True, exist_ok=True)
    with sole_use(directory, "rnnsearch.prepare"):
        if found is not None:
            keep(found, directory)
        settings = resolved_recipe(directory)
        if to_fetch(settings) and FETCH.stale_because(settings, directory):
            _run(FETCH, directory)
        _run(PREPARE, directory, *beam)
    return read_manifest(directory)


def train(work: str | Path) -> TrainingMark:
    """Trains on what is prepared in ``work``: to the end, or on from where an earlier training was interrupted."""
    directory = WorkDirectory(Path(work))
    _run(TRAIN, directory)
    return read_training_mark(directory)


def evaluate(work: str | Path) -> Scores:
    """Translates the test set of ``work`` with the weights of the best dev BLEU, and scores the translations."""
    directory = WorkDirectory(Path(work))
    _run(EVALUATE, directory)
    return read_scores(directory)


def export(work: str | Path) -> Path:
    """Writes the same weights as the next version of a SavedModel, and gives its directory."""
    directory = WorkDirectory(Path(work))
    _run(EXPORT, directory)
    return directory.version(directory.versions()[-1])


def _run(stage: Stage, work: WorkDirectory, *flags: str) -> None:
    with extras_named():
        importlib.import_module(stage.module).main(["--work", str(work.root), *flags])
