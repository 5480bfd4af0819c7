"""Optimizers against NumPy, float64; learning rates at given updates."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from model.optimizer import Optimizer, learning_rate
from recipes import schema

GRADIENTS = np.random.default_rng(1).normal(size=(5, 2, 3))


def trained(settings: schema.Training) -> np.ndarray:
    """A weight of ones [2, 3] after one update for each of ``GRADIENTS``."""
    weight = keras.Variable(np.ones([2, 3], np.float32))
    optimizer = Optimizer(settings, 100, [weight])
    for gradient in GRADIENTS:
        optimizer.apply([tf.constant(gradient, tf.float32)])
    assert int(optimizer.updates) == len(GRADIENTS)
    return np.array(weight)


def test_adadelta_is_zeilers() -> None:
    """Zeiler 2012, algorithm 1, with rho 0.95, epsilon 1e-6 and learning rate 1, as the paper uses it."""
    weight, squares, changes = np.ones([2, 3]), np.zeros([2, 3]), np.zeros([2, 3])
    for gradient in GRADIENTS:
        squares = 0.95 * squares + 0.05 * gradient**2
        change = -np.sqrt(changes + 1e-6) / np.sqrt(squares + 1e-6) * gradient
        changes = 0.95 * changes + 0.05 * change**2
        weight = weight + change
    found = trained(schema.Training(batch_pairs=1, optimizer="adadelta", learning_rate=1.0))
    np.testing.assert_allclose(found, weight, rtol=1e-5)


def test_adam_is_kingmas_and_bas() -> None:
    """Kingma and Ba 2015, algorithm 1, in the form of the end of section 2."""
    weight, mean, squares = np.ones([2, 3]), np.zeros([2, 3]), np.zeros([2, 3])
    for number, gradient in enumerate(GRADIENTS, 1):
        mean = 0.9 * mean + 0.1 * gradient
        squares = 0.999 * squares + 0.001 * gradient**2
        rate = 0.01 * np.sqrt(1 - 0.999**number) / (1 - 0.9**number)
        weight = weight - rate * mean / (np.sqrt(squares) + 1e-7)
    np.testing.assert_allclose(trained(schema.Training(batch_pairs=1, learning_rate=0.01)), weight, rtol=1e-5)


def test_the_average_follows_the_weights() -> None:
    """Whether its decay is still small, (1 + t) / (10 + t), or what it is set to, from t = 3 on."""
    weight, average = (keras.Variable(np.ones([2, 3], np.float32)) for _ in range(2))
    optimizer = Optimizer(schema.Training(batch_pairs=1, learning_rate=0.1, ema_decay=0.3), 100, [weight], [average])
    expected = np.ones([2, 3])
    for decay, gradient in zip([2 / 11, 3 / 12, 0.3, 0.3, 0.3], GRADIENTS, strict=True):
        optimizer.apply([tf.constant(gradient, tf.float32)])
        expected = decay * expected + (1 - decay) * np.array(weight)
    np.testing.assert_allclose(average, expected, rtol=1e-5)
    assert np.abs(expected - np.array(weight)).max() > 0.01


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
    rate = learning_rate(schema.Training(batch_tokens=1, learning_rate=1.0, **settings), steps=100)
    for step, expected in rates.items():
        assert float(rate(tf.constant(step))) == pytest.approx(expected, abs=1e-6)
