"""How fast a core multiplies matrices of float32, and how fast it reads weights: of NumPy and TensorFlow the faster."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from benchmarks.search_ways.floors import PRODUCTS, READING, weights_of_step
from benchmarks.search_ways.turns import SEED

TRIES = 5
SECONDS_OF_A_TRY = 0.1


def peaks() -> dict[str, float]:
    """The best of some tries, by the names in ``benchmarks.search_ways.floors``."""
    numbers = np.random.default_rng(SEED)
    found = {}
    for name, (rows, inner, columns) in PRODUCTS.items():
        left = numbers.standard_normal((rows, inner), np.float32)
        right = numbers.standard_normal((inner, columns), np.float32)
        found[name] = most_often(product_by_numpy(left, right), product_by_tensorflow(left, right)) * rows * right.size
    weights = numbers.standard_normal(weights_of_step(beam=1), np.float32)
    found[READING] = most_often(lambda: np.dot(weights, weights)) * weights.nbytes
    return {name: value / 1e9 for name, value in found.items()}


def product_by_numpy(left: np.ndarray, right: np.ndarray) -> Callable[[], object]:
    return lambda: left @ right


def product_by_tensorflow(left: np.ndarray, right: np.ndarray) -> Callable[[], object]:
    tensors = tf.constant(left), tf.constant(right)
    return lambda: tf.matmul(*tensors)


def most_often(*kinds: Callable[[], object]) -> float:
    """How often a second it can be done in one of these ways."""
    best = 0.0
    for work in kinds * TRIES:
        times, began = 0, time.process_time()
        while (seconds := time.process_time() - began) < SECONDS_OF_A_TRY:
            work()
            times += 1
        best = max(best, times / seconds)
    return best
