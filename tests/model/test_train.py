"""Training: one batch on one replica or two, early stopping, and what it leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from model.callbacks import read_history
from model.checkpoint import load_best
from model.network import Network
from model.optimizer import make_optimizer
from model.subwords import load_subwords
from model.train import make_room, train, update_function
from recipes import schema
from recipes.errors import UserError
from recipes.files import read_json
from recipes.layout import WorkDirectory
from recipes.stages import TRAIN
from tests.model.conftest import padded, random_pairs, small_network
from tests.model.shards import recipe_for, write_data


def values_of(network: Network) -> list[np.ndarray]:
    return [variable.numpy() for variable in network.trainable_variables]


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


def test_a_training_that_came_to_nothing_takes_no_better_ones_place(tmp_path: Path) -> None:
    work = write_data(tmp_path / "run", recipe_for())
    make_room(work, recipe_for())
    work.checkpoint(5).mkdir(parents=True)
    make_room(work, recipe_for())
    assert work.checkpoint(5).is_dir()
    for rate in (0.1, 0.01):
        make_room(work, recipe_for(learning_rate=rate))
        assert [path.name for path in work.training.iterdir()] == ["started.json"]
        assert (work.root / "training.previous" / "checkpoints" / "5").is_dir()


def test_two_replicas_make_the_update_of_one() -> None:
    """The same global batch on one device and on two: the same loss and the same weights after it."""
    settings = schema.Training(batch_tokens=100, clip_norm=0.05, label_smoothing=0.1)
    source, target = (padded(list(side)) for side in zip(*random_pairs(7), strict=True))

    def updated(strategy: tf.distribute.Strategy) -> tuple[float, list[np.ndarray]]:
        with strategy.scope():
            network = small_network()
            optimizer = make_optimizer(settings, 10)
            optimizer.build(network.trainable_variables)
        update = update_function(strategy, network, optimizer, settings)
        batches = tf.data.Dataset.from_tensors((source, target)).repeat(3)
        for batch in strategy.experimental_distribute_dataset(batches):
            loss, words, _, _ = update(*batch)
        assert int(words) == sum(len(words) for _, words in random_pairs(7))
        return float(loss), values_of(network)

    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    assert len(devices) == 2
    one_loss, one = updated(tf.distribute.get_strategy())
    two_loss, two = updated(tf.distribute.MirroredStrategy(devices))
    assert one_loss == pytest.approx(two_loss, rel=1e-5)
    for ours, theirs in zip(one, two, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "rates"),
    [
        ({"schedule": "constant"}, {0: 1.0, 50: 1.0, 100: 1.0}),
        ({"schedule": "constant", "warmup_steps": 10}, {0: 0.0, 5: 0.5, 10: 1.0, 100: 1.0}),
        ({"schedule": "cosine"}, {0: 1.0, 50: 0.5, 100: 0.0}),
        ({"schedule": "cosine", "warmup_steps": 20}, {10: 0.5, 20: 1.0, 60: 0.5, 100: 0.0}),
    ],
)
def test_learning_rates(settings: dict[str, Any], rates: dict[int, float]) -> None:
    optimizer = make_optimizer(schema.Training(batch_tokens=1, learning_rate=1.0, **settings), steps=100)
    for step, rate in rates.items():
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == pytest.approx(rate, abs=1e-6)


def test_adadelta_is_zeilers() -> None:
    """Two updates by hand: rho 0.95, epsilon 1e-6, learning rate 1, as the paper uses it."""
    settings = schema.Training(batch_pairs=1, optimizer="adadelta", learning_rate=1.0)
    variable, gradients = keras.Variable([1.0]), [0.5, -0.25]
    optimizer = make_optimizer(settings, steps=100)
    value = 1.0
    squares = changes = 0.0
    for gradient in gradients:
        optimizer.apply([tf.constant([gradient])], [variable])
        squares = 0.95 * squares + 0.05 * gradient**2
        change = -gradient * (changes + 1e-6) ** 0.5 / (squares + 1e-6) ** 0.5
        changes = 0.95 * changes + 0.05 * change**2
        value += change
    assert variable.numpy()[0] == pytest.approx(value, rel=1e-5)


def test_unprepared_corpus_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no prepared corpus; make one with make prepare"):
        train(WorkDirectory(tmp_path), recipe_for())
