"""The likeliest continuations, against a whole sort in float64."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from model.search.scores import likeliest, log_sum_exp

ANY, END, NO_END, SPEAKS = range(4)


@pytest.mark.parametrize("vocabulary", [7, 300, 1024, 2001])
@pytest.mark.parametrize("k", [1, 5, 30])
def test_the_likeliest_are_those_of_a_whole_sort(vocabulary: int, k: int) -> None:
    """Of hypotheses of all kinds, of some that are dead, and of equal logits, of which there are many."""
    random = np.random.default_rng(vocabulary + k)
    sentences = 60
    logits = random.normal(0, 4, [sentences, k, vocabulary]).astype(np.float32)
    logits[40:] = random.integers(-3, 3, [20, k, vocabulary])
    before = np.where(random.random([sentences, k]) < 0.2, -np.inf, random.normal(-5, 2, [sentences, k]))
    before = before.astype(np.float32)
    can_follow = np.tile(np.arange(vocabulary) != 0, [4, 1])
    can_follow[END] = np.arange(vocabulary) == 1
    can_follow[NO_END, 1] = can_follow[SPEAKS, [1, 5, vocabulary - 1]] = False
    kinds = random.integers(0, 4, [sentences, k]).astype(np.int32)
    found = tf.function(lambda *given: likeliest(given[0], given[1], can_follow, given[2]))(
        logits.reshape(-1, vocabulary), before, kinds
    )
    best, hypothesis, word = (values.numpy() for values in found)
    exact = logits.astype(np.float64)
    log_p = exact - np.log(np.exp(exact).sum(axis=2, keepdims=True)) + before[:, :, None]
    log_p = np.where(can_follow[kinds], log_p, -np.inf).reshape(sentences, -1)
    sums = tf.reshape(log_sum_exp(logits.reshape(-1, vocabulary)), [sentences, k, 1]).numpy()
    as_computed = np.where(can_follow[kinds], logits + (before[:, :, None] - sums), -np.inf).reshape(sentences, -1)
    order = np.argsort(-as_computed, axis=1, kind="stable")[:, :k]
    np.testing.assert_allclose(best, np.take_along_axis(log_p, order, axis=1), atol=1e-5)
    np.testing.assert_allclose(best, -np.sort(-log_p, axis=1)[:, :k], atol=1e-5)
    assert ((hypothesis < k) & (word < vocabulary)).all()
    there = best > -np.inf
    np.testing.assert_array_equal((hypothesis * vocabulary + word)[there], order[there])


def test_log_sum_exp_of_large_and_of_impossible_values() -> None:
    values = np.random.default_rng(1).normal(0, 1, [6, 500]).astype(np.float32)
    values[1] *= 100
    values[2, 3:] = -np.inf
    values[3] += 1e4
    largest = values.max(axis=1, keepdims=True).astype(np.float64)
    expected = largest[:, 0] + np.log(np.exp(values - largest).sum(axis=1))
    np.testing.assert_allclose(log_sum_exp(values), expected, rtol=1e-6)
