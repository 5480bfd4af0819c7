"""What the dev evaluations of a training are measured by, from its first one to its last.

It may depend on the packages of the machine; so it is kept in the training's directory, and a training that is gone on
with elsewhere compares like with like.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from model.evaluation.measures import Measure, bleu_with, measure_of
from recipes.schema import Recipe
from workspace.layout import WorkDirectory
from workspace.storage import read_json, write_json

MEASURE = "measure.json"


def check_tokenizer(recipe: Recipe) -> None:
    """Raises UserError where the recipe names a tokenizer that is not here: before a training makes room for itself."""
    if recipe.evaluation.tokenize:
        bleu_with(measure_of(recipe)[0].tokenize)


def kept_measure(work: WorkDirectory, recipe: Recipe, references: Sequence[str] = ()) -> Measure:
    """The measure of the training in ``work``; chosen, and said where there is something to say, when it begins.

    references: those of its dev evaluations.

    Raises UserError where a tokenizer is not here that the recipe names, or that the training began with.
    """
    path = work.training / MEASURE
    kept = read_json(path)
    if kept is not None:
        measure = Measure(**kept)
    else:
        measure, note = measure_of(recipe, references)
        if note:
            print(f"warning: {note}", file=sys.stderr)
    bleu_with(measure.tokenize)
    write_json(path, measure._asdict())
    return measure
