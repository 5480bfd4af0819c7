"""Starting from what another training has learnt: its best weights, where the two runs' subwords and networks agree."""

from __future__ import annotations

from model.evaluation.measures import NAMES
from model.network.checkpoint import read_weights
from model.network.network import Network
from recipes import schema
from recipes.stages import resolved_recipe
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.listing import is_file
from workspace.locations import located
from workspace.marks import read_training_mark
from workspace.storage import sha256_of

# What may differ: it says how the network is trained, not what its weights mean.
_OF_TRAINING = {
    "initialization",
    "dropout",
    "embedding_dropout",
    "layer_dropout",
    "readout_dropout",
    "recurrent_dropout",
}


def checked_initial_work(work: WorkDirectory, recipe: schema.Recipe) -> WorkDirectory | None:
    """The work directory whose weights a training begins with, if the recipe names one. Raises UserError where ``work``
    cannot start from it."""
    if not recipe.training.init_from:
        return None
    other = WorkDirectory(located(recipe.training.init_from))
    check_fits(other, work, recipe)
    return other


def check_fits(other: WorkDirectory, work: WorkDirectory, recipe: schema.Recipe) -> None:
    """Raises UserError where ``work`` cannot start from ``other``.

    Either there is no finished training in it, or the two differ in their subwords or their networks.
    """
    setting = f"training.init_from: {other.root}"
    before = resolved_recipe(other)
    if not is_file(other.training_mark):
        raise UserError(f"{setting} holds no finished training; make one with {other.command('train')}")
    theirs, ours = (each.model.model_dump(exclude=_OF_TRAINING) for each in (before, recipe))
    for name, value in theirs.items():
        if ours[name] != value:
            raise UserError(
                f"{setting} has model.{name} {value}, and this recipe {ours[name]}; set model.{name} to {value}"
            )
    if _subwords(other, before) != _subwords(work, recipe):
        raise UserError(
            f"{setting} has another vocabulary than {work.root}, so its weights are of no use there; set "
            f"subwords.from_work to {other.root} as well, and prepare the corpus with its subwords"
        )


def start_from(other: WorkDirectory, *networks: Network) -> None:
    """Gives ``networks`` the best weights of the finished training in ``other``. Raises UserError for damaged ones."""
    finished = read_training_mark(other)
    for network in networks:
        read_weights(network, other, finished.best_step)
    best = f"a dev {NAMES[finished.best_by]} of {finished.best_dev_score:.2f}"
    print(f"training starts from the best weights of {other.root}, with {best} there")


def _subwords(work: WorkDirectory, recipe: schema.Recipe) -> list[str]:
    """What the subword models of both sides are known by."""
    return [sha256_of(work.subword_model(side, recipe.subwords.joint)) for side in ("source", "target")]
