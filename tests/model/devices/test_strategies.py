"""Strategies: which one the environment asks for, and that two replicas are the same training as one."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from model.data.batches import shares
from model.devices.strategies import choose_strategy, is_chief, sum_over_workers
from model.training.loop import train
from model.training.optimizer import Optimizer
from model.training.update import update_functions
from recipes import schema
from recipes.stages import resolved_recipe
from tests.model.shards import write_data
from tests.model.support import NETWORKS, padded, random_pairs, same_training, small_network
from workspace.errors import UserError
from workspace.layout import PADDING_ID, WorkDirectory

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("TPU_NAME", raising=False)


@pytest.fixture(scope="module")
def mirrored() -> tf.distribute.Strategy:
    """One for all tests: a process cannot have several, whose collective operations would have the same names."""
    return choose_strategy("mirrored")


@pytest.mark.parametrize("name", ["auto", "one"])
def test_one_device_where_nothing_asks_for_more(name: str) -> None:
    strategy = choose_strategy(name)
    assert strategy.num_replicas_in_sync == 1
    assert is_chief(strategy)
    assert sum_over_workers(strategy, [3, 0.5]) == [3, 0.5]


def test_mirrored_takes_all_devices(mirrored: tf.distribute.Strategy) -> None:
    assert isinstance(mirrored, tf.distribute.MirroredStrategy)
    assert mirrored.num_replicas_in_sync == 2
    assert is_chief(mirrored)
    assert sum_over_workers(mirrored, [3, 0.5]) == [3, 0.5]


@pytest.mark.parametrize(
    ("name", "environment", "sentence"),
    [
        ("multi_worker", {}, "multi_worker needs the cluster in TF_CONFIG, which is not set"),
        ("auto", {"TF_CONFIG": "{"}, "TF_CONFIG must be JSON with a cluster and a task of it"),
        ("auto", {"TF_CONFIG": '{"cluster": {"worker": ["a:1"]}}'}, "TF_CONFIG must be JSON with a cluster and a task"),
        (
            "multi_worker",
            {"TF_CONFIG": '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}'},
            "TF_CONFIG must be JSON with a cluster and a task of it",
        ),
        ("tpu", {}, "tpu needs the name of the TPU in TPU_NAME, which is not set"),
        ("auto", {"TPU_NAME": "local"}, r"no TPU local was found \(.+\); check TPU_NAME"),
    ],
)
def test_what_is_not_there_is_a_sentence(
    name: str, environment: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(UserError, match=sentence):
        choose_strategy(name)


def test_one_device_cannot_be_mirrored(of_one_replica: WorkDirectory[Path]) -> None:
    """In a process of its own, for this one has two."""
    ended = subprocess.run(
        [sys.executable, "-m", "model.train", "--work", str(of_one_replica.root), "--strategy", "mirrored"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
    )
    assert ended.returncode == 1
    assert ended.stderr == "error: there is only one CPU to mirror the training on; leave out --strategy\n"


@pytest.mark.parametrize(
    ("pairs", "more"),
    [(7, NETWORKS["rnnsearch-options"]), (1, {"architecture": "rnnencdec"})],
    ids=["uneven", "fewer pairs than replicas"],
)
def test_two_replicas_make_the_update_of_one(
    pairs: int, more: dict[str, Any], mirrored: tf.distribute.Strategy
) -> None:
    """The same batch on one device and on two: the same loss and the same weights after it."""
    settings = schema.Training(batch_tokens=100, clip_norm=0.05, label_smoothing=0.1)
    batch = tuple(padded(list(side)) for side in zip(*random_pairs(pairs), strict=True))

    def updated(strategy: tf.distribute.Strategy) -> tuple[float, list[np.ndarray]]:
        with strategy.scope():
            network = small_network(**more)
            optimizer = Optimizer(settings, 10, network.trainable_variables)
        update = update_functions(strategy, network, optimizer, settings).update
        replicas = strategy.num_replicas_in_sync
        batches = shares(tf.data.Dataset.from_tensors(batch).repeat(3), replicas, range(replicas))
        for share in strategy.distribute_datasets_from_function(lambda _: batches):
            loss, words, *_ = update(*share)
        assert int(words) == sum(len(words) for _, words in random_pairs(pairs))
        return float(loss), [variable.numpy() for variable in network.trainable_variables]

    one_loss, one = updated(choose_strategy("one"))
    two_loss, two = updated(mirrored)
    assert one_loss == pytest.approx(two_loss, rel=1e-5)
    for ours, theirs in zip(one, two, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


PAIRS = random_pairs(12)
LONGEST = max(len(side) for pair in PAIRS for side in pair)


def two_updates(
    strategy: tf.distribute.Strategy, cuts: list[int], jit_compile: bool = False
) -> tuple[list[float], list[np.ndarray]]:
    """Each of all PAIRS, in batches cut like that: what they find, and the weights after them."""
    settings = schema.Training(
        batch_tokens=100, optimizer="sgd", learning_rate=1.0, clip_norm=0.5, accumulate=3, jit_compile=jit_compile
    )
    with strategy.scope():
        network = small_network()
        optimizer = Optimizer(settings, 10, network.trainable_variables)
    functions = update_functions(strategy, network, optimizer, settings, fixed_shapes=jit_compile)
    replicas = strategy.num_replicas_in_sync
    found: list[float] = []
    for _ in range(2):
        for first, last in itertools.pairwise([0, *cuts, len(PAIRS)]):
            batch = tuple(padded([*side, [PADDING_ID] * LONGEST])[:-1] for side in zip(*PAIRS[first:last], strict=True))
            batches = shares(tf.data.Dataset.from_tensors(batch), replicas, range(replicas))
            (share,) = strategy.distribute_datasets_from_function(lambda _, batches=batches: batches)
            if last < len(PAIRS):
                functions.add(*share)
            else:
                found += map(float, functions.update(*share))
    return found, [variable.numpy() for variable in network.trainable_variables]


@pytest.fixture(scope="module")
def of_whole_batches() -> tuple[list[float], list[np.ndarray]]:
    return two_updates(choose_strategy("one"), [])


@pytest.mark.parametrize(("name", "jit_compile"), [("one", False), ("one", True), ("mirrored", False)])
def test_batches_of_an_update_are_one_large_batch(
    name: str,
    jit_compile: bool,
    of_whole_batches: tuple[list[float], list[np.ndarray]],
    request: pytest.FixtureRequest,
) -> None:
    """Two updates, each of three batches of unlike numbers of words, and of all their pairs at once."""
    strategy = choose_strategy("one") if name == "one" else request.getfixturevalue(name)
    one_found, one = of_whole_batches
    # XLA compiles every shape for itself.
    found, several = two_updates(strategy, [4, 8] if jit_compile else [2, 7], jit_compile)
    loss, words, norm, *_ = found
    assert words == sum(len(target) for _, target in PAIRS)
    assert norm > 0.5
    assert [loss, words, norm] == pytest.approx(one_found[:3], rel=1e-5)
    for ours, theirs in zip(several, one, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_two_replicas_make_several_updates_a_call(mirrored: tf.distribute.Strategy) -> None:
    """Of one and of two batches: bit for bit what they are when made one by one."""
    settings = schema.Training(batch_tokens=100, accumulate=2)
    sides = [tuple(padded(list(side)) for side in zip(*random_pairs(5, seed), strict=True)) for seed in range(5)]

    with mirrored.scope():
        network = small_network(dropout=0.3)
        optimizer = Optimizer(settings, 10, network.trainable_variables)
    functions = update_functions(mirrored, network, optimizer, settings)
    variables = [*network.variables, optimizer.updates, *itertools.chain(*optimizer.slots)]
    beginning = [variable.numpy() for variable in variables]

    def updated(calls: list[list[int]]) -> tuple[list[list[float]], list[np.ndarray]]:
        for variable, value in zip(variables, beginning, strict=True):
            variable.assign(value)
        one_by_one = tf.data.Dataset.from_generator(
            lambda: sides, output_signature=(tf.TensorSpec([None, None], tf.int32),) * 2
        )
        batches = iter(mirrored.distribute_datasets_from_function(lambda _: shares(one_by_one, 2, range(2))))
        made = [update for sizes in calls for update in functions.make(batches, sizes)]
        return made, [variable.numpy() for variable in network.trainable_variables]

    apart, apart_weights = updated([[2], [1], [2]])
    together, weights = updated([[2, 1, 2]])
    assert len({tuple(update) for update in apart}) == 3
    assert together == apart
    for ours, theirs in zip(weights, apart_weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_two_replicas_have_dropout(mirrored: tf.distribute.Strategy) -> None:
    settings = schema.Training(batch_tokens=100)
    with mirrored.scope():
        network = small_network(dropout=0.5, recurrent_dropout=0.5)
        optimizer = Optimizer(settings, 10, network.trainable_variables)
    update = update_functions(mirrored, network, optimizer, settings).update
    batch = tuple(padded(list(side)) for side in zip(*random_pairs(6), strict=True))
    batches = shares(tf.data.Dataset.from_tensors(batch).repeat(3), 2, range(2))
    losses = [float(update(*share)[0]) for share in mirrored.distribute_datasets_from_function(lambda _: batches)]
    assert len(set(losses)) == 3
    states = mirrored.experimental_local_results(network.non_trainable_variables[0].value)
    np.testing.assert_array_equal(states[0].numpy(), states[1].numpy())
    assert states[0].numpy()[1] > 0


def test_two_replicas_lower_their_learning_rates(mirrored: tf.distribute.Strategy) -> None:
    settings = schema.Training(batch_tokens=1, optimizer="sgd", schedule="plateau", learning_rate=1.0)
    with mirrored.scope():
        weight = keras.Variable(np.zeros([1], np.float32))
        optimizer = Optimizer(settings, 10, [weight])
    apply = tf.function(lambda: mirrored.run(lambda: optimizer.apply([tf.constant([-1.0])])))
    apply()
    optimizer.reduce_on_plateau(best=0, patience=1)
    rates = mirrored.experimental_local_results(apply())
    assert [float(rate) for rate in rates] == [0.5, 0.5]
    assert [value.numpy().tolist() for value in mirrored.experimental_local_results(weight.value)] == [[1.5], [1.5]]


def test_two_replicas_are_the_training_of_one(
    of_one_replica: WorkDirectory[Path], mirrored: tf.distribute.Strategy, tmp_path: Path
) -> None:
    """From the first loss to the last weights."""
    recipe = resolved_recipe(of_one_replica)
    of_two = write_data(tmp_path / "run", recipe)
    train(of_two, recipe, mirrored)
    same_training(of_two, of_one_replica)
