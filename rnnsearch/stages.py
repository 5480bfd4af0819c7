"""The stages of the road as functions. Each does what its command does, and gives what the command leaves.

A stage reads its settings from recipe.yaml of the work directory, and runs whether or not its result is current. Where
something is wrong it raises UserError with a sentence that says what to do; interrupted and called again, it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

from workspace.errors import UserError, user_errors
from workspace.layout import Precision, WorkDirectory
from workspace.locations import Location, located
from workspace.marks import Manifest, Scores, TrainingMark, read_training_mark
from workspace.storage import make_directory


def prepare(work: str | Location, recipe: str | None = None, beam: Sequence[str] = (), force: bool = False) -> Manifest:
    """Prepares the corpora of a recipe in the work directory ``work``, which is made where there is none.

    recipe: the name of one that comes with the project, or the path of a .yaml file; by default the one that ``work``
    has. beam: flags for Apache Beam, such as ``["--runner=flink"]``. force: takes a ``work`` that is of another recipe,
    too. What the recipe takes from elsewhere is fetched first, unless it is there.
    """
    directory = WorkDirectory(located(work))
    if isinstance(beam, str) or not all(flag.startswith("--") and len(flag) > 2 for flag in beam):
        raise UserError(f"beam is {beam!r}; give a list of flags of Apache Beam, as in ['--runner=flink']")
    with user_errors():
        from pipelines.fetch import run as fetch  # noqa: PLC0415
        from pipelines.prepare import run  # noqa: PLC0415
        from recipes.corpora import check_named, to_fetch  # noqa: PLC0415
        from recipes.road import Asked, check_runs, kept, resolve  # noqa: PLC0415
        from recipes.stages import FETCH, resolved_recipe  # noqa: PLC0415
        from workspace.lock import sole_use  # noqa: PLC0415

        found = None if recipe is None else resolve(directory, Asked(recipe, is_forced=force))
        if found is not None:
            check_named(found)
            check_runs(found)
            make_directory(directory.root)
        with sole_use(directory, "rnnsearch.prepare"), kept(found, directory) if found else nullcontext():
            settings = resolved_recipe(directory)
            if to_fetch(settings) and FETCH.stale_because(settings, directory):
                fetch(directory)
            return run(directory, beam)


def train(work: str | Location) -> TrainingMark:
    """Trains on what is prepared in ``work``: to the end, or on from where an earlier training was interrupted."""
    directory = WorkDirectory(located(work))
    with user_errors():
        from model.train import run  # noqa: PLC0415

        run(directory)
    return read_training_mark(directory)


def evaluate(work: str | Location, precision: Precision = "float32", against: str | Location | None = None) -> Scores:
    """Translates the test set of ``work`` with the best weights, and scores the translations; precision: "float32" as
    servers translate, or "int8" as the engine for CPUs that an export would write. against: the work directory of
    another run, to compare with: that is left in evaluation/comparison.json."""
    with user_errors():
        from model.evaluate import run  # noqa: PLC0415

        other = None if against is None else WorkDirectory(located(against))
        return run(WorkDirectory(located(work)), precision, other)


def export(work: str | Location, force: bool = False) -> Location:
    """Writes the best weights as the next version of a SavedModel, and gives its directory.

    Raises UserError where they are not evaluated, score less on the test set than ``evaluation.minimum``, or too much
    less than the newest version; force: exports them all the same.
    """
    with user_errors():
        from model.export import run  # noqa: PLC0415

        return run(WorkDirectory(located(work)), force)
