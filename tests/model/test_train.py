"""Training: stopped and gone on with, early stopping, and what it leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from model.callbacks import read_history
from model.checkpoint import load_best
from model.network import Network
from model.subwords import load_subwords
from model.train import train
from recipes import schema
from recipes.errors import UserError
from recipes.files import read_json
from recipes.layout import WorkDirectory
from recipes.loading import load_recipe
from recipes.stages import TRAIN
from tests.model.shards import write_data


def recipe_for(**training: Any) -> schema.Recipe:
    """tiny, smaller still, with dropout so that its random numbers matter too."""
    return load_recipe(
        "tiny",
        {
            "model": {"embedding_units": 8, "encoder_units": 8, "decoder_units": 8, "dropout": 0.2},
            "training": {"batch_tokens": 400, "epochs": 2, **training},
        },
    )


def values_of(network: Network) -> list[np.ndarray]:
    return [variable.numpy() for variable in network.trainable_variables]


class StopAt(keras.callbacks.Callback):
    """Ctrl-C at a given update."""

    def __init__(self, step: int):
        super().__init__()
        self._step = step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == self._step:
            raise KeyboardInterrupt


def test_stopped_and_gone_on_with_is_never_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit: weights, optimizer, order of batches, dropout, history; with a checkpoint after every update."""
    monkeypatch.setattr("model.train.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    recipe = recipe_for(evaluate_every=8)
    whole = write_data(tmp_path / "whole", recipe)
    expected = train(whole, recipe)
    steps = read_json(whole.training_mark)["steps"]
    stopped = write_data(tmp_path / "stopped", recipe)
    for step in (3, steps - 2):
        with pytest.raises(KeyboardInterrupt):
            train(stopped, recipe, callbacks=(StopAt(step),))
        assert not stopped.training_mark.exists()
    for ours, theirs in zip(values_of(train(stopped, recipe)), values_of(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert read_json(stopped.training_mark)["weights"] == read_json(whole.training_mark)["weights"]
    assert [line["step"] for line in read_history(stopped)] == [line["step"] for line in read_history(whole)]


def test_training_learns_and_leaves_its_results(tmp_path: Path) -> None:
    recipe = recipe_for(epochs=3)
    work = write_data(tmp_path / "run", recipe)
    network = train(work, recipe)
    history = read_history(work)
    assert len(history) == 3
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]
    mark = read_json(work.training_mark)
    assert mark["made_from"] == TRAIN.made_from(recipe, work)
    assert mark["best_dev_bleu"] == max(line["dev_bleu"] for line in history)
    assert list(work.tensorboard.glob("events.*"))
    loaded = load_best(work, recipe, load_subwords(work, joint=True))
    for ours, theirs in zip(values_of(loaded), values_of(network), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_training_stops_when_patience_is_at_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([1.0, 5.0, 4.0, 3.0])
    monkeypatch.setattr("model.train.dev_bleu", lambda *_: next(scores))
    recipe = recipe_for(epochs=50, evaluate_every=2, patience=2)
    work = write_data(tmp_path / "run", recipe)
    train(work, recipe)
    mark = read_json(work.training_mark)
    assert (mark["steps"], mark["best_step"], mark["best_dev_bleu"]) == (8, 4, 5.0)


def test_other_settings_put_the_training_aside(tmp_path: Path) -> None:
    recipe = recipe_for(max_steps=2)
    work = write_data(tmp_path / "run", recipe)
    train(work, recipe)
    before = read_json(work.training_mark)
    other = recipe_for(max_steps=3)
    train(work, other)
    assert read_json(work.training_mark)["steps"] == 3
    assert read_json(work.root / "training.previous" / "training.json") == before


def test_exploding_loss_ends_in_a_sentence(tmp_path: Path) -> None:
    recipe = recipe_for(learning_rate=1e30, optimizer="adam", schedule="constant")
    work = write_data(tmp_path / "run", recipe)
    with pytest.raises(UserError, match=r"the loss became nan at step \d+; lower training.learning_rate"):
        train(work, recipe)


def test_unprepared_corpus_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no prepared corpus; make one with make prepare"):
        train(WorkDirectory(tmp_path), recipe_for())
