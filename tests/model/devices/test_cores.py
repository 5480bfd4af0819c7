"""A batch that the cores share, against the same batch whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.devices.cores import FEWEST_PAIRS_OF_A_PART, parts_of_batch
from model.devices.strategies import choose_strategy, has_fixed_shapes
from model.training.optimizer import Optimizer
from model.training.update import update_functions
from recipes import schema
from tests.model.support import NETWORKS, padded, random_pairs, small_network
from workspace.machine import cores_of_worker

SETTINGS = schema.Training(batch_tokens=100, optimizer="sgd", learning_rate=1.0, clip_norm=0.5, label_smoothing=0.1)


def updates(parts: int, pairs: int, times: int = 1, **network: Any) -> list[tuple[list[float], list[np.ndarray]]]:
    """What an update finds, and the weights after it; made so many times from the same beginning."""
    made = small_network(**network)
    optimizer = Optimizer(SETTINGS, 10, made.trainable_variables)
    update = update_functions(choose_strategy("one"), made, optimizer, SETTINGS, parts).update
    batch = tuple(padded(list(side)) for side in zip(*random_pairs(pairs), strict=True))
    beginning, results = [variable.numpy() for variable in made.variables], []
    for _ in range(times):
        for variable, value in zip(made.variables, beginning, strict=True):
            variable.assign(value)
        found = [float(value) for value in update(*batch)]
        results.append((found, [variable.numpy() for variable in made.trainable_variables]))
    return results


@pytest.mark.parametrize(
    ("parts", "pairs", "more"),
    [(2, 8, NETWORKS["rnnsearch-options"]), (3, 7, {}), (4, 2, {"architecture": "rnnencdec"})],
    ids=["even", "uneven", "more parts than pairs"],
)
@pytest.mark.slow
def test_parts_make_the_update_of_the_whole(parts: int, pairs: int, more: dict[str, Any]) -> None:
    ((whole_found, whole),) = updates(1, pairs, **more)
    ((found, weights),) = updates(parts, pairs, **more)
    assert found == pytest.approx(whole_found, rel=1e-5)
    for ours, theirs in zip(weights, whole, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.slow
def test_parts_computed_side_by_side_are_the_same_every_time() -> None:
    """Bit for bit, with their random numbers: which of them is first must not matter."""
    (found, weights), *others = updates(4, 40, times=20, dropout=0.4, recurrent_dropout=0.3)
    for other_found, other_weights in others:
        assert other_found == found
        for ours, theirs in zip(other_weights, weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("cores", "pairs", "jit_compile", "parts"),
    [
        (1, 640, None, 1),
        (2, 2 * FEWEST_PAIRS_OF_A_PART, None, 2),
        (2, 2 * FEWEST_PAIRS_OF_A_PART - 1, None, 1),
        (64, 4.5 * FEWEST_PAIRS_OF_A_PART, None, 4),
        (2, 1, None, 1),
        (2, 640, False, 2),
        (2, 640, True, 1),
    ],
)
def test_a_part_for_each_core(
    cores: int, pairs: float, jit_compile: bool | None, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", str(cores))
    strategy, settings = choose_strategy("one"), schema.Training(batch_tokens=100, jit_compile=jit_compile)
    assert parts_of_batch(strategy, pairs, has_fixed_shapes(strategy, settings)) == parts


def test_no_number_of_threads_means_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """As TensorFlow has it: the variable is 0, or not there."""
    monkeypatch.delenv("TF_NUM_INTEROP_THREADS", raising=False)
    cores = cores_of_worker()
    assert cores >= 1
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "0")
    assert cores_of_worker() == cores


def test_replicas_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "4")
    mirrored = tf.distribute.MirroredStrategy([device.name for device in tf.config.list_logical_devices("CPU")])
    assert mirrored.num_replicas_in_sync == 2
    assert parts_of_batch(mirrored, 640, fixed_shapes=False) == 2
    assert parts_of_batch(mirrored, 4 * FEWEST_PAIRS_OF_A_PART - 1, fixed_shapes=False) == 1
