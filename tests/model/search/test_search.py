"""Search against exhaustive enumeration and against a plain Python beam, on toy models and real networks."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.network.decoder import Summarized
from model.network.network import Network, Next
from model.search.beam import Hypotheses, beam_search
from model.search.forced import forced_decoding
from model.search.scores import top_k
from recipes.schema import Search
from tests.model import reference
from tests.model.support import padded, random_pairs
from workspace.layout import END_ID, PADDING_ID

LONGEST = 4
WORDS = (2, 3, 4)
VOCABULARY = 5  # padding, end, and the three words


class Toy:
    """A model that gives any distribution after any prefix: a table, looked up by the prefix as a number. Prefixes of
    more than LONGEST words share its rows."""

    attends = True

    def __init__(self, seed: int, sentences: int):
        prefixes = VOCABULARY**LONGEST
        table = np.random.default_rng(seed).normal(0, 2, (sentences, prefixes, VOCABULARY))
        self.table = table.astype(np.float32)

    def read(self, source: tf.Tensor) -> Summarized:
        """The 'state' is the prefix so far, base VOCABULARY; the 'context' which sentence it is."""
        sentence = tf.cast(tf.range(tf.shape(source)[0])[:, None], tf.float32)
        return Summarized(sentence, tf.zeros_like(sentence))

    def output_kernel(self) -> tf.Tensor:
        return tf.constant(self.table)

    def step(self, read: Summarized, state: tf.Tensor, previous: tf.Tensor, output_kernel: tf.Tensor) -> Next:
        sentences = tf.cast(read.context[:, 0], tf.int32)
        sentence = tf.repeat(sentences, tf.shape(previous)[0] // tf.shape(sentences)[0])
        prefix = tf.cast(state[:, 0], tf.int32) * VOCABULARY + previous
        logits = tf.gather_nd(output_kernel, tf.stack([sentence, prefix % output_kernel.shape[1]], axis=1))
        return Next(logits, tf.cast(prefix, tf.float32)[:, None], tf.one_hot(previous % 3, 3))

    def log_p(self, sentence: int, prefix: tuple[int, ...]) -> np.ndarray:
        """log p of every next word after ``prefix``; padding cannot follow."""
        number = 0
        for word in (PADDING_ID, *prefix):
            number = number * VOCABULARY + word
        row = self.table[sentence, number % self.table.shape[1]].astype(np.float64)
        log_p = row - np.log(np.exp(row - row.max()).sum()) - row.max()
        log_p[PADDING_ID] = -math.inf
        return log_p


def every_sentence(
    toy: Toy, sentence: int, longest: int, exponent: float, silent: tuple[int, ...] = ()
) -> list[tuple[float, tuple[int, ...]]]:
    """(score, words) of all whole sentences of at most ``longest`` words that say something, best first."""
    scored = []
    for length in range(1, longest + 1):
        for words in itertools.product(WORDS, repeat=length - 1):
            if longest > 1 and set(words) <= set(silent):
                continue
            whole = (*words, END_ID)
            log_p = sum(toy.log_p(sentence, whole[:i])[word] for i, word in enumerate(whole))
            scored.append((log_p / length**exponent, whole))
    return sorted(scored, reverse=True)


def plain_beam(
    toy: Toy, sentence: int, longest: int, k: int, exponent: float, silent: tuple[int, ...] = ()
) -> list[tuple[float, tuple[int, ...]]]:
    """The search that model.search.beam documents, hypothesis by hypothesis."""
    alive: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    ended: list[tuple[float, tuple[int, ...]]] = []

    def can_follow(words: tuple[int, ...], step: int) -> tuple[int, ...]:
        if step == longest:
            return (END_ID,)
        if not set(words) <= set(silent):
            return (END_ID, *WORDS)
        return tuple(word for word in WORDS if step < longest - 1 or word not in silent)

    for step in range(1, longest + 1):
        grown = [
            (log_p + toy.log_p(sentence, words)[word], (*words, word))
            for log_p, words in alive
            for word in can_follow(words, step)
        ]
        best = sorted(grown, reverse=True)[: k - len(ended)]
        ended += [(log_p / step**exponent, words) for log_p, words in best if words[-1] == END_ID]
        alive = [(log_p, words) for log_p, words in best if words[-1] != END_ID]
    return sorted(ended, reverse=True)


def found(hypotheses: Hypotheses, sentence: int) -> list[tuple[float, tuple[int, ...]]]:
    """(score, words) of the hypotheses there are for one sentence."""
    rows = zip(hypotheses.scores[sentence].numpy(), hypotheses.words[sentence].numpy(), strict=True)
    return [
        (float(score), tuple(int(w) for w in words if w != PADDING_ID)) for score, words in rows if score > -math.inf
    ]


def assert_same(ours: list[Any], theirs: list[Any]) -> None:
    assert [words for _, words in ours] == [words for _, words in theirs]
    np.testing.assert_allclose([score for score, _ in ours], [score for score, _ in theirs], rtol=1e-4)


@pytest.mark.parametrize("silent", [(), (4,), (2, 4)])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("exponent", [0.0, 0.6, 1.0])
def test_wide_beam_finds_what_enumeration_finds(seed: int, exponent: float, silent: tuple[int, ...]) -> None:
    toy, longest = Toy(seed, sentences=3), tf.constant([3, 1, 2])
    settings = Search(beam_size=40, length_normalization=exponent)
    hypotheses = beam_search(toy, tf.fill([3, 2], END_ID), longest, settings, silent)
    for sentence in range(3):
        expected = every_sentence(toy, sentence, int(longest[sentence]), exponent, silent)
        assert_same(found(hypotheses, sentence), expected)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_something_is_said_however_likely_the_end_is(k: int) -> None:
    """Also where a word that says nothing is likelier than all that do; scores stay those of the network."""
    toy, silent = Toy(0, sentences=3), (4,)
    toy.table[:, :, END_ID] += 30
    toy.table[:, :, silent] += 15
    longest = tf.constant([4, 3, 2])
    hypotheses = beam_search(toy, tf.fill([3, 2], END_ID), longest, Search(beam_size=k), silent)
    for sentence in range(3):
        ours = found(hypotheses, sentence)
        assert ours
        for score, words in ours:
            assert not set(words) <= {END_ID, *silent}
            log_p = [float(toy.log_p(sentence, words[:place])[word]) for place, word in enumerate(words)]
            assert score == pytest.approx(sum(log_p) / len(words), rel=1e-4)


@pytest.mark.parametrize("silent", [(), (3,)])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_narrow_beam_is_the_plain_one(seed: int, k: int, silent: tuple[int, ...]) -> None:
    toy, longest = Toy(seed, sentences=4), tf.constant([4, 2, 3, 4])
    settings = Search(beam_size=k, length_normalization=0.7)
    hypotheses = beam_search(toy, tf.fill([4, 2], END_ID), longest, settings, silent)
    for sentence in range(4):
        assert_same(found(hypotheses, sentence), plain_beam(toy, sentence, int(longest[sentence]), k, 0.7, silent))


def test_following_given_translations() -> None:
    """The toy attends to the previous word modulo 3, so the rows are known from the words."""
    toy = Toy(1, sentences=3)
    translations = [[3, 2, 4, END_ID], [END_ID], [2, END_ID]]
    forced = forced_decoding(toy, tf.fill([3, 2], END_ID), padded(translations))
    for sentence, words in enumerate(translations):
        log_p = [toy.log_p(sentence, tuple(words[:place]))[word] for place, word in enumerate(words)]
        assert float(forced.log_probability[sentence]) == pytest.approx(sum(log_p), rel=1e-5)
        np.testing.assert_allclose(forced.of_words[sentence], log_p + [0] * (4 - len(words)), rtol=1e-5)
        expected = np.zeros((4, 3))
        expected[range(len(words)), [word % 3 for word in [PADDING_ID, *words][: len(words)]]] = 1
        np.testing.assert_array_equal(forced.alignment[sentence], expected)


def test_following_a_translation_is_the_network_over_the_whole_of_it(network: Network) -> None:
    """Padding on either side included."""
    sources, targets = zip(*random_pairs(6, seed=4), strict=True)
    forced = forced_decoding(network, padded(list(sources)), padded(list(targets)))
    weights, attends = reference.weights_of(network), network.attends
    for index, (source, target) in enumerate(zip(sources, targets, strict=True)):
        logits, alignment = reference.logits(weights, source, target, network.settings)
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        expected = sum(log_p[place, word] for place, word in enumerate(target))
        assert float(forced.log_probability[index]) == pytest.approx(expected, rel=1e-4)
        found = forced.alignment[index].numpy()
        assert not found[len(target) :].any()
        if attends:
            np.testing.assert_allclose(found[: len(target), : len(source)], alignment, atol=1e-5)
            assert not found[:, len(source) :].any()
        else:
            assert found.shape[1] == 0


@pytest.mark.parametrize(("width", "k"), [(5, 3), (1000, 1), (1000, 6), (1280, 7), (1280, 10), (1281, 10), (6001, 12)])
def test_the_largest_are_those_of_a_whole_sort(width: int, k: int) -> None:
    """The first of equal ones, of which there are many, and of what is impossible."""
    random = np.random.default_rng(width + k)
    values = random.integers(0, 40, (50, width)).astype(np.float32)
    values[:10] = random.normal(size=(10, width))
    values[10:20, k - 1 :] = -np.inf
    values[20:30][random.random((10, width)) < 0.99] = -np.inf
    values[30] = -np.inf
    best, places = tf.function(lambda values: top_k(values, k))(values)
    expected = np.argsort(-values, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(places, expected)
    np.testing.assert_array_equal(best, np.take_along_axis(values, expected, axis=1))


@functools.cache
def searcher(network: Network, k: int) -> Callable[[list[list[int]]], Hypotheses]:
    """Beam search with ``network``, as one graph for any batch."""

    @tf.function(
        input_signature=[tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)], autograph=False
    )
    def search(source: tf.Tensor, longest: tf.Tensor) -> Hypotheses:
        return beam_search(network, source, longest, Search(beam_size=k))

    return lambda sources: search(padded(sources), tf.constant([2 * len(source) + 3 for source in sources]))


@functools.cache
def teacher(network: Network) -> Callable[[list[int], list[int]], np.ndarray]:
    """log p of every word after each prefix of a translation, [target length, vocabulary], as training computes it.

    One graph for any sentence: operation by operation it takes ten times as long.
    """

    @tf.function(input_signature=[tf.TensorSpec([1, None], tf.int32)] * 2, autograph=False)
    def log_p(source: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        return tf.nn.log_softmax(network(source, target).logits)[:, 0]

    return lambda source, target: log_p(padded([source]), padded([target])).numpy()


@pytest.mark.slow
def test_a_beam_of_one_takes_the_likeliest_word(network: Network) -> None:
    sources = [source for source, _ in random_pairs(20)]
    hypotheses = searcher(network, 1)(sources)
    log_p_of = teacher(network)
    translations = set()
    for index, source in enumerate(sources):
        words = [int(word) for word in hypotheses.words[index, 0] if word != PADDING_ID]
        # A word's probability is one after the words before it, so those of all can be had at once.
        log_p = log_p_of(source, words)
        log_p[:, PADDING_ID] = log_p[0, END_ID] = -math.inf  # nothing ends before it has begun
        likeliest = list(np.argmax(log_p, axis=1))
        if len(words) == 2 * len(source) + 3:
            likeliest[-1] = END_ID
        assert words == likeliest
        assert END_ID not in words[:-1]
        assert float(hypotheses.scores[index, 0]) == pytest.approx(
            log_p[range(len(words)), words].sum() / len(words), rel=1e-4
        )
        translations.add(tuple(words))
    assert len(translations) > 1


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 4])
def test_padding_never_changes_a_result(network: Network, k: int) -> None:
    sources = [source for source, _ in random_pairs(12, seed=9)]
    search = searcher(network, k)
    together = search(sources)
    for index, source in enumerate(sources):
        alone = search([source])
        length = alone.words.shape[2]
        np.testing.assert_array_equal(together.words[index, :, :length], alone.words[0])
        assert not together.words[index, :, length:].numpy().any()
        np.testing.assert_allclose(together.scores[index], alone.scores[0], rtol=1e-5)


def test_scores_are_those_of_the_words(network: Network) -> None:
    """The score of a hypothesis is what the network gives its words when it is told to say them."""
    sources = [source for source, _ in random_pairs(5)]
    hypotheses, log_p_of = searcher(network, 4)(sources), teacher(network)
    for index, source in enumerate(sources):
        for score, words in found(hypotheses, index):
            log_p = log_p_of(source, list(words))
            chosen = sum(float(log_p[i, word]) for i, word in enumerate(words))
            assert score == pytest.approx(chosen / len(words), rel=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_each_sentence_may_have_a_narrower_beam(seed: int) -> None:
    toy, longest, widths = Toy(seed, sentences=5), [4] * 5, [1, 2, 3, 9, 0]
    search = Search(beam_size=4, length_normalization=0.6)
    hypotheses = beam_search(toy, tf.fill([5, 2], END_ID), tf.constant(longest), search, (), tf.constant(widths))
    for sentence, width in enumerate(widths):
        expected = plain_beam(toy, sentence, 4, min(width, 4), 0.6) if width else []
        assert_same(found(hypotheses, sentence), expected)
