"""The generator against the vectors that its authors publish, and its noise against NumPy's float64."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from model.search.random_numbers import gumbel, key_of, threefry

# Of threefry2x32 with 20 rounds: counter, key, result (Random123, kat_vectors).
KNOWN = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


def words(*values: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.constant([low for low, _ in values], tf.uint32), tf.constant([high for _, high in values], tf.uint32)


@pytest.mark.parametrize("generate", [threefry, tf.function(threefry)], ids=["alone", "in a graph"])
def test_it_gives_the_published_numbers(generate: object) -> None:
    assert callable(generate)
    counters, keys, results = zip(*KNOWN, strict=True)
    found = generate(words(*keys), words(*counters))
    for ours, theirs in zip(found, words(*results), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_keys_are_the_bits_of_the_seed() -> None:
    seeds = [0, 1, -1, 2**63 - 1, -(2**63), 0x0123456789ABCDEF, -5]
    low, high = key_of(tf.constant(seeds, tf.int64))
    whole = [seed % 2**64 for seed in seeds]
    np.testing.assert_array_equal(low, np.array([seed & 0xFFFFFFFF for seed in whole], np.uint32))
    np.testing.assert_array_equal(high, np.array([seed >> 32 for seed in whole], np.uint32))


def test_noise_is_gumbels() -> None:
    ends = [(0, 0), (2**32 - 1, 2**32 - 1)]
    bits = [*ends, *(tuple(pair) for pair in np.random.default_rng(0).integers(0, 2**32, (5000, 2)).tolist())]
    noise = gumbel(words(*bits)).numpy()
    assert noise.dtype == np.float64
    assert np.isfinite(noise).all()
    uniform = np.array([((first >> 6) * 2**26 + (second >> 6) + 0.5) / 2**52 for first, second in bits])
    np.testing.assert_allclose(noise, -np.log(-np.log(uniform)), rtol=1e-9)
    # The distribution exp(-exp(-x)), to within what so many leave to chance (Kolmogorov-Smirnov, p = 0.001).
    drawn = np.sort(noise[len(ends) :])
    distance = np.abs(np.exp(-np.exp(-drawn)) - (np.arange(len(drawn)) + 0.5) / len(drawn)).max()
    assert distance < 1.95 / np.sqrt(len(drawn))
