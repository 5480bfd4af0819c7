"""What can be asked of a search, against exhaustive enumeration and against a plain Python beam, on a toy model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings, strategies

from model.network.decoder import Summarized
from model.network.network import Next
from model.search.beam import Hypotheses, beam_search
from model.search.sampling import Distribution, sample
from recipes.schema import Search
from tests.model.search.test_search import assert_same, found
from tests.model.support import padded
from workspace.layout import END_ID, PADDING_ID

LONGEST = 5
# Of each of the toy's sentences: the positions of the source with the end, and the most words of a translation.
SOURCE_LENGTHS, LONGEST_OF = (4, 1, 3, 5), (4, 1, 3, LONGEST)
SENTENCES = range(len(SOURCE_LENGTHS))

Scored = list[tuple[float, tuple[int, ...]]]


class Attentive:
    """A model that gives any distribution after any prefix, and any attention: tables, looked up by the prefix as a
    number. The first word of a source says which sentence it is."""

    attends = True

    def __init__(self, seed: int, words: int = 3):
        """Words are numbered from 2 on."""
        self.words = tuple(range(2, 2 + words))
        self.vocabulary = 2 + words
        random = np.random.default_rng(seed)
        prefixes = (len(SENTENCES), self.vocabulary**LONGEST)
        self.table = random.normal(0, 2, (*prefixes, self.vocabulary)).astype(np.float32)
        self.attention = random.normal(0, 2, (*prefixes, max(SOURCE_LENGTHS))).astype(np.float32)

    def read(self, source: tf.Tensor) -> Summarized:
        """The 'state' is the prefix so far; the 'context' which sentence it is, and where its words are."""
        context = tf.concat([source[:, :1] - 2, tf.cast(source != PADDING_ID, tf.int32)], axis=1)
        return Summarized(tf.cast(context, tf.float32), tf.zeros([tf.shape(source)[0], 1]))

    def output_kernel(self) -> tf.Tensor:
        return tf.constant(self.table)

    def step(self, read: Summarized, state: tf.Tensor, previous: tf.Tensor, output_kernel: tf.Tensor) -> Next:
        context = tf.repeat(read.context, tf.shape(previous)[0] // tf.shape(read.context)[0], axis=0)
        prefix = tf.cast(state[:, 0], tf.int32) * self.vocabulary + previous
        which = tf.stack([tf.cast(context[:, 0], tf.int32), prefix], axis=1)
        is_word = context[:, 1:]
        energies = tf.gather_nd(self.attention, which)
        energies = tf.pad(energies, [[0, 0], [0, tf.maximum(0, tf.shape(is_word)[1] - energies.shape[1])]])
        alignment = tf.exp(energies[:, : tf.shape(is_word)[1]]) * is_word
        alignment /= tf.reduce_sum(alignment, axis=1, keepdims=True)
        return Next(tf.gather_nd(output_kernel, which), tf.cast(prefix, tf.float32)[:, None], alignment)

    def log_p(self, sentence: int, prefix: tuple[int, ...]) -> np.ndarray:
        """log p of every next word after ``prefix``."""
        row = self.table[sentence, self._number(prefix)].astype(np.float64)
        return np.asarray(row - np.log(np.exp(row).sum()))

    def attention_of(self, sentence: int, prefix: tuple[int, ...]) -> np.ndarray:
        """Of the word after ``prefix`` to every position of the source."""
        row = self.attention[sentence, self._number(prefix)].astype(np.float64)
        weights = np.exp(row[: SOURCE_LENGTHS[sentence]])
        return np.asarray(weights / weights.sum())

    def _number(self, prefix: tuple[int, ...]) -> int:
        number = 0
        for word in (PADDING_ID, *prefix):
            number = number * self.vocabulary + word
        return number


class Plain:
    """One sentence of the toy and the settings, as the papers have them."""

    def __init__(self, toy: Attentive, sentence: int, settings: Search, silent: tuple[int, ...] = ()):
        self.toy, self.sentence, self.settings, self.silent = toy, sentence, settings, silent
        self.longest = LONGEST_OF[sentence]
        least = math.ceil(settings.min_length_ratio * (SOURCE_LENGTHS[sentence] - 1))
        self.least = min(least, self.longest - 1)

    def score(self, words: tuple[int, ...]) -> float:
        """s(Y, X) of Wu et al. 2016, equation 14, or the mean's."""
        toy, settings, n = self.toy, self.settings, len(words)
        log_p = sum(toy.log_p(self.sentence, words[:place])[word] for place, word in enumerate(words))
        attention = np.sum([toy.attention_of(self.sentence, words[:place]) for place in range(n)], axis=0)
        length = n if settings.length_penalty == "power" else (5 + n) / 6
        coverage = np.log(np.minimum(attention, 1)).sum()
        return float(log_p / length**settings.length_normalization + settings.coverage_penalty * coverage)

    def can_follow(self, words: tuple[int, ...]) -> list[int]:
        step, n = len(words) + 1, self.settings.no_repeat_ngram
        if step == self.longest:
            return [END_ID]
        has_spoken = not set(words) <= set(self.silent)
        follow = [word for word in self.toy.words if has_spoken or step < self.longest - 1 or word not in self.silent]
        if n:
            there = {words[place : place + n] for place in range(len(words) - n + 1)}
            follow = [word for word in follow if (*words, word)[-n:] not in there]
        return [END_ID, *follow] if not follow or (has_spoken and len(words) >= self.least) else follow

    def every(self, words: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
        """All whole sentences that begin so."""
        for word in self.can_follow(words):
            yield from [(*words, word)] if word == END_ID else self.every((*words, word))

    def search(self) -> Scored:
        """The beam, hypothesis by hypothesis; of each group those that grow, and those that have ended."""
        groups = range(self.settings.beam_groups)
        size = self.settings.beam_size // len(groups)
        alive: list[Scored] = [[(0.0, ())] for _ in groups]
        ended: list[list[tuple[int, ...]]] = [[] for _ in groups]
        while any(alive):
            taken: Counter[int] = Counter()
            for group in groups:
                grown = [
                    (log_p + log_p_of[word], (*words, word))
                    for log_p, words in alive[group]
                    for log_p_of in [self.toy.log_p(self.sentence, words)]
                    for word in self.can_follow(words)
                ]
                less = {words: log_p - self.settings.group_diversity * taken[words[-1]] for log_p, words in grown}
                best = sorted(grown, key=lambda one: -less[one[1]])[: size - len(ended[group])]
                taken.update(words[-1] for _, words in best)
                ended[group] += [words for _, words in best if words[-1] == END_ID]
                alive[group] = [one for one in best if one[1][-1] != END_ID]
        return sorted(((self.score(words), words) for group in ended for words in group), reverse=True)


def sources_of(order: Sequence[int] = SENTENCES) -> tuple[tf.Tensor, tf.Tensor]:
    """The toy's sentences in this order, and the most words of each."""
    sources = [[sentence + 2, *[2] * (SOURCE_LENGTHS[sentence] - 2), END_ID] for sentence in order]
    # The second is blank but for what says which it is: its only position is both.
    sources = [source[: SOURCE_LENGTHS[sentence]] for source, sentence in zip(sources, order, strict=True)]
    return padded(sources), tf.constant([LONGEST_OF[sentence] for sentence in order])


def search(
    toy: Attentive,
    settings: Search,
    silent: tuple[int, ...] = (),
    order: Sequence[int] = SENTENCES,
    more_padding: int = 0,
) -> Hypotheses:
    source, longest = sources_of(order)
    return beam_search(toy, tf.pad(source, [[0, 0], [0, more_padding]]), longest, settings, silent)


ALL: dict[str, Any] = {
    "length_penalty": "gnmt",
    "length_normalization": 0.8,
    "coverage_penalty": 0.4,
    "min_length_ratio": 0.75,
    "no_repeat_ngram": 2,
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "options",
    [
        {"length_penalty": "gnmt", "length_normalization": 0.6},
        {"coverage_penalty": 0.5},
        {"coverage_penalty": 2.0, "length_normalization": 0.0},
        {"min_length_ratio": 0.5},
        {"min_length_ratio": 2.0},
        {"no_repeat_ngram": 1},
        {"no_repeat_ngram": 2},
        {"no_repeat_ngram": 3},
        ALL,
    ],
    ids=str,
)
def test_wide_beam_finds_what_enumeration_finds(options: dict[str, Any], seed: int) -> None:
    toy, settings = Attentive(seed), Search(beam_size=125, **options)
    hypotheses, count = search(toy, settings), 0
    for sentence in SENTENCES:
        plain = Plain(toy, sentence, settings)
        expected = sorted(((plain.score(words), words) for words in plain.every()), reverse=True)
        assert_same(found(hypotheses, sentence), expected)
        count += len(expected)
    # Without the options there are 3 + 9 + 27 + 81 of the longest, and so on.
    assert count < 172 if {"min_length_ratio", "no_repeat_ngram"} & set(options) else count == 172


def searches() -> strategies.SearchStrategy[Search]:
    def made(groups: int, size: int, diversity: float, **others: Any) -> Search:
        diversity = diversity if groups > 1 else 0.0
        return Search(beam_size=groups * size, beam_groups=groups, group_diversity=diversity, **others)

    return strategies.builds(
        made,
        groups=strategies.integers(1, 3),
        size=strategies.integers(1, 4),
        diversity=strategies.sampled_from([0.1, 1.0, 10.0]),
        length_penalty=strategies.sampled_from(["power", "gnmt"]),
        length_normalization=strategies.sampled_from([0.0, 0.7, 1.0]),
        coverage_penalty=strategies.sampled_from([0.0, 0.3, 3.0]),
        min_length_ratio=strategies.sampled_from([0.0, 0.5, 1.0]),
        no_repeat_ngram=strategies.integers(0, 3),
    )


@given(searches(), strategies.integers(0, 4), strategies.sampled_from([(), (3,), (2, 4)]), strategies.integers(2, 3))
def test_narrow_beam_is_the_plain_one(asked: Search, seed: int, silent: tuple[int, ...], words: int) -> None:
    toy = Attentive(seed, words)
    hypotheses = search(toy, asked, silent)
    for sentence in SENTENCES:
        expected = Plain(toy, sentence, asked, silent).search()
        assert expected
        assert_same(found(hypotheses, sentence), expected)


@settings(max_examples=10)
@given(searches(), strategies.permutations(SENTENCES), strategies.integers(0, 3))
def test_order_and_padding_change_nothing(asked: Search, order: list[int], more_padding: int) -> None:
    toy = Attentive(0)
    together = search(toy, asked, order=order, more_padding=more_padding)
    alone = search(toy, asked, order=order[:1])
    assert_same(found(together, 0), found(alone, 0))


def test_a_sentence_that_no_word_can_go_on_with_ends_before_its_time() -> None:
    """Each of two words but once, and four of them at least."""
    settings = Search(beam_size=6, no_repeat_ngram=1, min_length_ratio=1.0)
    hypotheses = search(Attentive(0, words=2), settings)
    assert {words for _, words in found(hypotheses, 3)} == {(2, 3, END_ID), (3, 2, END_ID)}


def test_groups_that_must_differ_begin_with_different_words() -> None:
    """Each is greedy search, the first as it would be by itself."""
    toy = Attentive(1)
    diverse = search(toy, Search(beam_size=3, beam_groups=3, group_diversity=1000.0))
    greedy = search(toy, Search(beam_size=1))
    for sentence in (0, 2, 3):
        translations = [words for _, words in found(diverse, sentence)]
        assert len({words[0] for words in translations}) == 3
        assert found(greedy, sentence)[0][1] in translations


def test_what_nothing_attended_to_still_has_a_score() -> None:
    """The logarithm of no attention at all would be one of nothing."""
    toy = Attentive(0)
    toy.attention[0, :, 0] = -200.0
    with_penalty, without = (found(search(toy, Search(beam_size=2, coverage_penalty=beta)), 0) for beta in (1.0, 0.0))
    assert {words for _, words in with_penalty} == {words for _, words in without}


def test_samples_keep_to_the_options_and_have_their_scores() -> None:
    """Groups are the beam's alone."""
    toy, (source, longest) = Attentive(0), sources_of()
    asked = Search(beam_size=6, beam_groups=3, group_diversity=1.0, **ALL)
    of_the_model = Distribution(tf.ones(4), tf.zeros(4, tf.int32), tf.ones(4))
    samples = sample(toy, source, longest, tf.range(4, dtype=tf.int64), of_the_model, 20, asked)
    for sentence in SENTENCES:
        plain = Plain(toy, sentence, asked)
        possible, drawn = set(plain.every()), found(samples, sentence)
        assert len(drawn) == 20
        for score, words in drawn:
            assert words in possible
            assert score == pytest.approx(plain.score(words), rel=1e-4)
