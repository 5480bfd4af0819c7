"""Training with products of fewer bits: what it learns, and how float16 keeps its gradients in range."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.training.loop import train
from model.training.optimizer import Optimizer
from model.training.update import update_functions
from recipes import schema
from tests.model.shards import recipe_for, write_data
from tests.model.support import padded, random_pairs, small_network
from workspace.history import read_history


def updating(**settings: Any) -> tuple[Any, Any, Any]:
    """A network, the scale of its loss, and an update of it by always the same batch."""
    training = schema.Training(batch_pairs=1, optimizer="sgd", learning_rate=0.1, clip_norm=1e9, **settings)
    network = small_network(precision=training.precision)
    optimizer = Optimizer(training, 100, network.trainable_variables)
    functions = update_functions(tf.distribute.get_strategy(), network, optimizer, training)
    batch = [padded(list(side)) for side in zip(*random_pairs(8), strict=True)]
    return network, optimizer.loss_scale, lambda: functions.update(*batch)


def weights_of(network: Any) -> list[np.ndarray]:
    return [variable.numpy() for variable in network.trainable_variables]


@pytest.mark.slow
def test_an_update_whose_gradient_overflows_is_left_out() -> None:
    network, scale, update = updating(precision="float16")
    exact, _, exact_update = updating()
    before, loss = weights_of(network), float(exact_update().loss)
    scale.value.assign(2.0**40)
    for overflows in range(1, 100):
        result = update()
        assert float(result.loss) == pytest.approx(loss, rel=1e-3)
        if float(result.gradient_norm):
            break
        assert float(scale.value) == 2.0 ** (40 - overflows)
        for now, then in zip(weights_of(network), before, strict=True):
            np.testing.assert_array_equal(now, then)
    assert overflows > 10
    for ours, theirs, then in zip(weights_of(network), weights_of(exact), before, strict=True):
        assert np.linalg.norm(ours - theirs) < 0.03 * np.linalg.norm(theirs - then)


@pytest.mark.slow
def test_the_loss_scale_grows_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.training.optimizer.UPDATES_BEFORE_GROWTH", 3)
    _, scale, update = updating(precision="float16")
    scale.value.assign(8.0)
    found = []
    for _ in range(7):
        update()
        found.append(float(scale.value))
    assert found == [8, 8, 16, 16, 16, 32, 32]


def losses_of(directory: Path, precision: str) -> list[float]:
    """The loss of every epoch of a training."""
    recipe = recipe_for(dropout=0.0, epochs=3, precision=precision)
    work = write_data(directory, recipe)
    train(work, recipe)
    return [entry["loss"] for entry in read_history(work)]


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    return losses_of(tmp_path_factory.mktemp("exact") / "run", "float32")


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.slow
def test_training_learns_as_much(tmp_path: Path, exact: list[float], precision: str) -> None:
    mixed = losses_of(tmp_path / "run", precision)
    assert mixed[-1] < 0.8 * mixed[0]
    assert mixed == pytest.approx(exact, rel=0.02)
    assert mixed != exact
