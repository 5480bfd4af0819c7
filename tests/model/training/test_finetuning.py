"""Starting from another run's weights: the very same ones, and what makes that impossible in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.data.subwords import load_subwords
from model.network.checkpoint import digest_of, load_best
from model.network.network import Network
from model.training.finetuning import check_fits, start_from
from model.training.loop import train
from recipes import schema
from recipes.loading import save_recipe
from recipes.stages import TRAIN
from tests.model.shards import recipe_for, write_data
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.storage import read_json

pytestmark = pytest.mark.slow

RECIPE = recipe_for(max_steps=3)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> WorkDirectory[Path]:
    """A finished training."""
    other = write_data(tmp_path_factory.mktemp("other"), RECIPE)
    train(other, RECIPE)
    return other


def fresh_network(work: WorkDirectory[Path], recipe: schema.Recipe = RECIPE) -> Network:
    subwords = load_subwords(work, joint=True)
    return Network(recipe.model, subwords[0].vocabulary, subwords[1].vocabulary, seed=9)


def tuned(other: WorkDirectory[Path], **training: Any) -> schema.Recipe:
    return recipe_for(init_from=str(other.root), max_steps=1, **training)


def test_training_starts_from_the_best_weights_of_the_other(
    other: WorkDirectory[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = write_data(tmp_path / "run", RECIPE)
    network = fresh_network(work)
    start_from(other, network)
    assert digest_of(network) == read_json(other.training_mark)["weights"]
    assert f"training starts from the best weights of {other.root}" in capsys.readouterr().out
    # One update at hardly any rate: what comes out is what went in, and so is its average.
    recipe = tuned(other, learning_rate=1e-12, ema_decay=0.5)
    trained = train(work, recipe)
    best = load_best(other, RECIPE, load_subwords(other, joint=True))
    for ours, theirs in zip(trained.trainable_variables, best.trainable_variables, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-7)


def test_a_change_of_the_other_makes_the_training_stale(other: WorkDirectory[Path], tmp_path: Path) -> None:
    work = write_data(tmp_path / "run", RECIPE)
    without, with_other = TRAIN.made_from(RECIPE, work), TRAIN.made_from(tuned(other), work)
    assert with_other["initial_weights"] == read_json(other.training_mark)["weights"]
    assert "initial_weights" not in without
    assert TRAIN.made_from(tuned(work), work)["initial_weights"] == "none yet"


def test_another_vocabulary_is_refused(other: WorkDirectory[Path], tmp_path: Path) -> None:
    """Before anything is done: a training that is there already is not put aside for one that cannot be."""
    work = write_data(tmp_path / "run", RECIPE, train=299)
    work.checkpoint(7).mkdir(parents=True)
    message = f"{other.root} has another vocabulary than {work.root}, .* set subwords.from_work to {other.root}"
    with pytest.raises(UserError, match=message):
        train(work, tuned(other))
    assert work.checkpoint(7).is_dir()


@pytest.mark.parametrize(
    ("setting", "value"), [("decoder_units", 12), ("architecture", "rnnencdec"), ("readout_state", "previous")]
)
def test_another_network_is_refused(setting: str, value: Any, other: WorkDirectory[Path], tmp_path: Path) -> None:
    work = write_data(tmp_path / "run", RECIPE)
    recipe = RECIPE.model_copy(update={"model": RECIPE.model.model_copy(update={setting: value})})
    theirs = getattr(RECIPE.model, setting)
    message = f"has model.{setting} {theirs}, and this recipe {value}; set model.{setting} to {theirs}"
    with pytest.raises(UserError, match=message):
        check_fits(other, work, recipe)


@pytest.mark.parametrize(
    "setting", ["dropout", "embedding_dropout", "layer_dropout", "readout_dropout", "recurrent_dropout"]
)
def test_another_dropout_is_not(setting: str, other: WorkDirectory[Path], tmp_path: Path) -> None:
    work = write_data(tmp_path / "run", RECIPE)
    recipe = RECIPE.model_copy(update={"model": RECIPE.model.model_copy(update={setting: 0.5})})
    check_fits(other, work, recipe)
    network = fresh_network(work, recipe)
    start_from(other, network)
    assert digest_of(network) == read_json(other.training_mark)["weights"]


def test_an_unfinished_training_is_refused(tmp_path: Path) -> None:
    work = write_data(tmp_path / "run", RECIPE)
    unfinished = WorkDirectory(tmp_path / "unfinished")
    save_recipe(RECIPE, unfinished.recipe)
    message = f"{unfinished.root} holds no finished training; make one with make train WORK={unfinished.root}"
    with pytest.raises(UserError, match=message):
        train(work, tuned(unfinished))
    with pytest.raises(UserError, match="holds no run"):
        train(work, tuned(WorkDirectory(tmp_path / "nothing")))
