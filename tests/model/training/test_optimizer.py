"""Optimizers against NumPy, float64; learning rates at given updates."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from model.training.optimizer import Optimizer, learning_rate
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


def test_adamw_is_loshchilovs_and_hutters() -> None:
    """Loshchilov and Hutter 2019, algorithm 2, whose eta alpha is the learning rate and eta lambda the rate times
    weight_decay."""
    matrix, mean, squares = np.ones([2, 3]), np.zeros([2, 3]), np.zeros([2, 3])
    for number, gradient in enumerate(GRADIENTS, 1):
        mean = 0.9 * mean + 0.1 * gradient
        squares = 0.999 * squares + 0.001 * gradient**2
        corrected_mean, corrected_squares = mean / (1 - 0.9**number), squares / (1 - 0.999**number)
        change = 0.01 * corrected_mean / (np.sqrt(corrected_squares) + 1e-7)
        matrix = matrix - (change + 0.01 * 0.3 * matrix)
    found = trained(schema.Training(batch_pairs=1, optimizer="adamw", weight_decay=0.3, learning_rate=0.01))
    np.testing.assert_allclose(found, matrix, rtol=1e-5)


def test_only_matrices_decay() -> None:
    settings = schema.Training(batch_pairs=1, optimizer="adamw", weight_decay=0.5, learning_rate=0.1)
    matrix, bias = (keras.Variable(np.ones(shape, np.float32)) for shape in ([2, 3], [3]))
    Optimizer(settings, 100, [matrix, bias]).apply([tf.zeros([2, 3]), tf.zeros([3])])
    np.testing.assert_allclose(matrix, np.full([2, 3], 0.95), rtol=1e-6)
    np.testing.assert_array_equal(bias, np.ones(3))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_gradient_descent_is_polyaks(momentum: float) -> None:
    """Polyak 1964, equation 9, as Sutskever et al. 2013 write it (equations 1 and 2); without momentum, none."""
    weight, velocity = np.ones([2, 3]), np.zeros([2, 3])
    for gradient in GRADIENTS:
        velocity = momentum * velocity - 0.1 * gradient
        weight = weight + velocity
    found = trained(schema.Training(batch_pairs=1, optimizer="sgd", momentum=momentum, learning_rate=0.1))
    np.testing.assert_allclose(found, weight, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "slots"),
    [
        ({"optimizer": "adam"}, 2),
        ({"optimizer": "adamw", "weight_decay": 0.1}, 2),
        ({"optimizer": "adadelta"}, 2),
        ({"optimizer": "sgd", "momentum": 0.5}, 1),
        ({"optimizer": "sgd"}, 0),
    ],
)
def test_nothing_is_remembered_that_is_not_needed(settings: dict[str, Any], slots: int) -> None:
    optimizer = Optimizer(schema.Training(batch_pairs=1, **settings), 100, [keras.Variable(np.ones([2, 3]))])
    assert [len(each) for each in optimizer.slots] == [slots]


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
        (
            {"schedule": "inverse_sqrt", "warmup_steps": 4},
            {0: 0.0, 1: 0.25, 2: 0.5, 4: 1.0, 9: 2 / 3, 16: 0.5, 100: 0.2},
        ),
        ({"schedule": "inverse_sqrt", "warmup_steps": 1}, {0: 0.0, 1: 1.0, 4: 0.5}),
        ({"schedule": "plateau", "warmup_steps": 10}, {0: 0.0, 5: 0.5, 10: 1.0, 100: 1.0}),
    ],
)
def test_learning_rates(settings: dict[str, Any], rates: dict[int, float]) -> None:
    rate = learning_rate(schema.Training(batch_tokens=1, learning_rate=1.0, **settings), steps=100)
    for step, expected in rates.items():
        assert float(rate(tf.constant(step))) == pytest.approx(expected, abs=1e-6)


def test_an_update_says_its_learning_rate() -> None:
    settings = schema.Training(batch_pairs=1, optimizer="sgd", learning_rate=0.8, warmup_steps=4)
    weight = keras.Variable(np.zeros([1], np.float32))
    optimizer = Optimizer(settings, 100, [weight])
    said = [float(optimizer.apply([tf.constant([-1.0])])) for _ in range(6)]
    assert said == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 0.8])
    assert float(np.array(weight)[0]) == pytest.approx(sum(said))
