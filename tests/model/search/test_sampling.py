"""Samples against the probabilities of all sentences of a toy model, and against other batches."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.network.decoder import Summarized
from model.network.network import Next
from model.search.beam import Hypotheses
from model.search.forced import forced_decoding
from model.search.sampling import Distribution, is_distribution, sample
from recipes.schema import Search
from tests.model.search.test_search import VOCABULARY, WORDS, Toy
from tests.model.support import padded, random_pairs, small_network
from workspace.layout import END_ID, PADDING_ID

# How unlikely what is counted may be: seeds are fixed, so that a test fails always or never.
LEAST_P = 1e-3
AS_IT_IS = (1.0, 0, 1.0)
DISTRIBUTIONS = [AS_IT_IS, (0.6, 0, 1.0), (1.7, 0, 1.0), (1.0, 2, 1.0), (1.0, 1, 1.0), (1.0, 0, 0.6), (2.0, 3, 0.8)]


def drawn_from(probabilities: np.ndarray, temperature: float, top_k: int, top_p: float) -> np.ndarray:
    """What is left of float64 [vocabulary], by the definitions, word by word."""
    tempered = probabilities ** (1 / temperature)
    tempered /= tempered.sum()
    likeliest = sorted(np.flatnonzero(tempered).tolist(), key=lambda word: -tempered[word])[: top_k or None]
    nucleus: list[int] = []
    while tempered[nucleus].sum() < top_p * tempered[likeliest].sum() and len(nucleus) < len(likeliest):
        nucleus.append(int(likeliest[len(nucleus)]))
    left = np.zeros_like(tempered)
    left[nucleus] = tempered[nucleus] / tempered[nucleus].sum()
    return left


def every_sample(
    toy: Toy, sentence: int, longest: int, distribution: tuple[float, int, float], silent: tuple[int, ...] = ()
) -> dict[tuple[int, ...], float]:
    """The probability of every sentence that can be drawn."""

    def from_here(prefix: tuple[int, ...], probability: float) -> Iterator[tuple[tuple[int, ...], float]]:
        left, has_spoken = longest - len(prefix), not set(prefix) <= set(silent)
        can_follow = [END_ID, *WORDS] if has_spoken else [word for word in WORDS if left > 2 or word not in silent]
        following = np.zeros(VOCABULARY)
        for word in [END_ID] if left == 1 else can_follow:
            following[word] = np.exp(toy.log_p(sentence, prefix)[word])
        for word, p in enumerate(drawn_from(following, *distribution)):
            if p and word == END_ID:
                yield (*prefix, word), probability * p
            elif p:
                yield from from_here((*prefix, word), probability * p)

    return dict(from_here((), 1.0))


def assert_distributed(counts: dict[Any, int], probabilities: dict[Any, float]) -> None:
    """By Pearson's chi-square test; nothing else is there, and what is rare counts together."""
    assert set(counts) <= set(probabilities)
    n = sum(counts.values())
    pairs = sorted((n * p, counts.get(outcome, 0)) for outcome, p in probabilities.items())
    rare = [pair for pair in pairs if pair[0] < 5]
    cells = [pair for pair in pairs if pair[0] >= 5]
    if rare:
        cells.append((sum(expected for expected, _ in rare), sum(seen for _, seen in rare)))
    assert sum(expected for expected, _ in cells) == pytest.approx(n)
    statistic = sum((seen - expected) ** 2 / expected for expected, seen in cells)
    freedom = len(cells) - 1
    assert (float(tf.math.igammac(freedom / 2, statistic / 2)) if freedom else 1 - statistic) > LEAST_P


def distribution_of(*rows: tuple[float, int, float]) -> Distribution:
    temperature, top_k, top_p = zip(*rows, strict=True)
    return Distribution(tf.constant(temperature, tf.float32), tf.constant(top_k), tf.constant(top_p, tf.float32))


def sentences_of(samples: Hypotheses, row: int) -> list[tuple[int, ...]]:
    return [tuple(int(word) for word in words if word != PADDING_ID) for words in samples.words[row].numpy()]


@pytest.mark.parametrize("silent", [(), (2, 4)])
def test_samples_come_as_often_as_they_are_likely(silent: tuple[int, ...]) -> None:
    """Of a batch in which the sentences have distributions and longest lengths of their own."""
    cases = [(AS_IT_IS, 1), *((distribution, longest) for distribution in DISTRIBUTIONS for longest in (4, 2))]
    rows = len(cases)
    toy, seeds = Toy(1, sentences=rows), tf.range(rows, dtype=tf.int64) - 3
    toy.table /= 2  # so that many words are likely
    samples = sample(
        toy,
        tf.fill([rows, 2], END_ID),
        tf.constant([longest for _, longest in cases]),
        seeds,
        distribution_of(*(distribution for distribution, _ in cases)),
        2500,
        Search(),
        silent,
    )
    for row, (distribution, longest) in enumerate(cases):
        expected = every_sample(toy, row, longest, distribution, silent)
        assert sum(expected.values()) == pytest.approx(1)
        assert_distributed(collections.Counter(sentences_of(samples, row)), expected)


def test_scores_are_those_of_the_words_whatever_they_are_drawn_from() -> None:
    toy = Toy(0, sentences=len(DISTRIBUTIONS))
    samples = sample(
        toy,
        tf.fill([len(DISTRIBUTIONS), 2], END_ID),
        tf.fill([len(DISTRIBUTIONS)], 4),
        tf.zeros([len(DISTRIBUTIONS)], tf.int64),
        distribution_of(*DISTRIBUTIONS),
        20,
        Search(length_normalization=0.7),
    )
    for row in range(len(DISTRIBUTIONS)):
        for words, score in zip(sentences_of(samples, row), samples.scores[row].numpy(), strict=True):
            log_p = sum(toy.log_p(row, words[:place])[word] for place, word in enumerate(words))
            assert score == pytest.approx(log_p / len(words) ** 0.7, rel=1e-4)


def test_samples_are_independent_of_one_another_and_the_first_are_always_the_same() -> None:
    toy = Toy(0, sentences=1)
    toy.table /= 2
    given = (toy, tf.fill([1, 2], END_ID), tf.constant([2]), tf.constant([7], tf.int64), distribution_of(AS_IT_IS))
    many = sentences_of(sample(*given, 4000, Search()), 0)
    assert sentences_of(sample(*given, 5, Search()), 0) == many[:5]
    alone = every_sample(toy, 0, 2, AS_IT_IS)
    pairs = {(first, second): alone[first] * alone[second] for first in alone for second in alone}
    assert_distributed(collections.Counter(zip(many[::2], many[1::2], strict=True)), pairs)


class OneWord:
    """A model with the same logits, [vocabulary], for every word of every sentence."""

    attends = True

    def __init__(self, logits: np.ndarray):
        self.logits = logits.astype(np.float32)

    def read(self, source: tf.Tensor) -> Summarized:
        nothing = tf.zeros([tf.shape(source)[0], 1])
        return Summarized(nothing, nothing)

    def output_kernel(self) -> tf.Tensor:
        return tf.constant(self.logits)

    def step(self, read: Summarized, state: tf.Tensor, previous: tf.Tensor, output_kernel: tf.Tensor) -> Next:
        return Next(tf.tile(output_kernel[None], [tf.size(previous), 1]), state, state)


def drawn_words(logits: np.ndarray, seeds: list[int], count: int, distribution: tuple[float, int, float]) -> list[int]:
    """The first word of each of ``count`` samples for each seed."""
    rows = len(seeds)
    samples = sample(
        OneWord(logits),
        tf.fill([rows, 1], END_ID),
        tf.fill([rows], 2),
        tf.constant(seeds, tf.int64),
        distribution_of(*[distribution] * rows),
        count,
        Search(),
    )
    return samples.words[:, :, 0].numpy().ravel().tolist()


@pytest.mark.parametrize("distribution", [AS_IT_IS, (0.5, 0, 1.0), (1.0, 40, 1.0), (1.0, 0, 0.7), (1.5, 150, 0.9)])
def test_of_many_words_each_comes_as_often_as_it_is_likely(distribution: tuple[float, int, float]) -> None:
    """Of more than one part of the vocabulary, some of which cannot be drawn at all; for one seed, and for many."""
    logits = np.random.default_rng(0).normal(0, 1.5, 300)
    logits[100:260] -= 30 * (np.arange(160) > 10)
    probabilities = np.exp(logits.astype(np.float32).astype(np.float64))
    probabilities[[PADDING_ID, END_ID]] = 0
    expected = {word: p for word, p in enumerate(drawn_from(probabilities, *distribution)) if p}
    for seeds, count in (([2**40 + 1], 6000), (list(range(-1000, 1000)), 3)):
        assert_distributed(collections.Counter(drawn_words(logits, seeds, count, distribution)), expected)


def test_of_words_that_are_equally_likely_all_are_left_or_none() -> None:
    logits = np.array([9.0, 9.0, 1.0, 2.0, 2.0, 2.0, 0.0])
    for distribution in ((1.0, 1, 1.0), (1.0, 2, 1.0), (1.0, 3, 1.0), (1.0, 0, 0.1), (1.0, 4, 0.5), (1e-3, 0, 1.0)):
        assert set(drawn_words(logits, [1], 100, distribution)) == {3, 4, 5}


@pytest.mark.parametrize("distribution", [(1.0, 1, 1.0), (1.0, 0, 1e-30), (1e-30, 0, 1.0)])
def test_what_is_sharpest_is_greedy(distribution: tuple[float, int, float]) -> None:
    logits = np.random.default_rng(1).normal(size=300)
    assert set(drawn_words(logits, [1, 2, 3], 5, distribution)) == {2 + int(np.argmax(logits[2:]))}


def test_the_flattest_temperature_makes_all_words_alike() -> None:
    words = drawn_words(np.random.default_rng(1).normal(size=20), [5], 3000, (1e30, 0, 1.0))
    assert_distributed(collections.Counter(words), dict.fromkeys(range(2, 20), 1 / 18))


def test_what_is_no_distribution_is_told() -> None:
    nan, inf = float("nan"), float("inf")
    wrong = [(0.0, 0, 1.0), (-1.0, 0, 1.0), (nan, 0, 1.0), (inf, 0, 1.0), (1.0, -1, 1.0)]
    wrong += [(1.0, 0, 0.0), (1.0, 0, -0.5), (1.0, 0, 1.01), (1.0, 0, nan)]
    right = [*DISTRIBUTIONS, (1e-30, 2**31 - 1, 1e-30), (1e30, 1, 1.0)]
    found = is_distribution(distribution_of(*wrong, *right)).numpy().tolist()
    assert found == [False] * len(wrong) + [True] * len(right)


@pytest.mark.slow
def test_a_sentence_has_its_samples_in_any_batch() -> None:
    """Alone, in another order, beside other distributions, and padded; and they score again by forced decoding."""
    network, sources = small_network(), [source for source, _ in random_pairs(9, seed=9)]
    seeds = [5, -1, 2**62, 5, 6, 7, 8, 9, 10]
    distributions = [DISTRIBUTIONS[row % len(DISTRIBUTIONS)] for row in range(len(sources))]
    specs = (
        tf.TensorSpec([None, None], tf.int32),
        tf.TensorSpec([None], tf.int64),
        Distribution(*(tf.TensorSpec([None], dtype) for dtype in (tf.float32, tf.int32, tf.float32))),
    )

    @tf.function(input_signature=specs, autograph=False)
    def draw(source: tf.Tensor, seed: tf.Tensor, distribution: Distribution) -> Hypotheses:
        longest = 2 * tf.reduce_sum(tf.cast(source != PADDING_ID, tf.int32), axis=1) + 3
        return sample(network, source, longest, seed, distribution, 4, Search(length_normalization=0.6))

    def drawn(rows: list[int], filling: int = 0) -> dict[int, tuple[list[tuple[int, ...]], np.ndarray]]:
        source = tf.pad(padded([sources[row] for row in rows]), [[0, 0], [0, filling]])
        of_rows = distribution_of(*(distributions[row] for row in rows))
        samples = draw(source, tf.constant([seeds[row] for row in rows], tf.int64), of_rows)
        return {row: (sentences_of(samples, place), samples.scores[place].numpy()) for place, row in enumerate(rows)}

    rows = list(range(len(sources)))
    together = drawn(rows)
    others = [drawn(rows[::-1]), drawn(rows, filling=5), drawn([3, 3, 1]), *(drawn([row]) for row in rows)]
    for other in others:
        for row, (sentences, scores) in other.items():
            assert sentences == together[row][0]
            np.testing.assert_allclose(scores, together[row][1], rtol=1e-4)
    assert len({sentence for sentences, _ in together.values() for sentence in sentences}) > 2 * len(sources)
    for row, (sentences, scores) in together.items():
        forced = forced_decoding(network, padded([sources[row]] * 4), padded([list(words) for words in sentences]))
        lengths = np.array([len(words) for words in sentences])
        np.testing.assert_allclose(scores, forced.log_probability / lengths**0.6, rtol=1e-4)
