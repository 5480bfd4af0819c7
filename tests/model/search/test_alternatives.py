"""The words that may follow a beginning against every sentence there is, on a toy model whose words have letters."""

from __future__ import annotations

import collections
import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from model.data.subwords import load_subwords
from model.search import alternatives as module
from model.search.alternatives import Edges, alternatives
from model.search.phrases import Pieces
from model.search.prefix import Prefix
from model.search.translator import TextTranslator
from recipes.schema import Search
from tests.model.search.test_constrained import CHINESE, LATIN, WITH_A_SPACE, Asked, constraints_of, text_of
from tests.model.search.test_search import WORDS, Toy
from tests.model.support import TINY, best
from workspace.layout import END_ID, PADDING_ID, WorkDirectory

EVERYTHING = 300
MOST = 5  # subwords of the words that are compared

BEGINNINGS = {
    "nothing": Asked(),
    "a word, or the beginning of one": Asked(prefix=(2,)),
    "what can be written in two ways": Asked(prefix=(4,)),
    "a whole word": Asked(prefix=(2,), ends_in_space=True),
    "two words": Asked(prefix=(4, 2)),
    "two whole words": Asked(prefix=(4, 2), ends_in_space=True),
}


def by_enumeration(toy: Toy, prefix: Prefix, tail: str, subwords: Sequence[str]) -> dict[str, float]:
    """By the definition: log p of the text of every word of at most MOST subwords among all that begins so."""
    head = tuple(int(word) for word in prefix.head[0][: prefix.head_length[0]])
    words: dict[str, float] = collections.defaultdict(float)
    mass = 0.0
    for length in range(1, MOST + 1):
        for written in itertools.product(WORDS, repeat=length):
            text, before = text_of(written, subwords), text_of(written[:-1], subwords)
            p = math.exp(sum(toy.log_p(0, (*head, *written[:place]))[word] for place, word in enumerate(written)))
            is_begun = len(text) >= len(tail) and text.startswith(tail)
            was_begun = length > 1 and len(before) >= len(tail)
            if is_begun and not was_begun:
                mass += p
            # All of it is one word: it has no edge but after its tail.
            edges = [
                place
                for place in range(1, length)
                if len(text_of(written[:place], subwords)) >= len(tail)
                and (subwords[written[place]].startswith("▁") or is_chinese(subwords[written[place - 1]]))
            ]
            if is_begun and not edges:
                following = toy.log_p(0, (*head, *written))
                ends = [
                    word
                    for word in (END_ID, *WORDS)
                    if word == END_ID or subwords[word].startswith("▁") or is_chinese(subwords[written[-1]])
                ]
                words[text] += p * sum(math.exp(following[word]) for word in ends)
    return {text: math.log(p / mass) for text, p in words.items() if p}


def is_chinese(subword: str) -> bool:
    return subword[-1:] in ("小", "狗")


@pytest.mark.parametrize("subwords", [LATIN, WITH_A_SPACE, CHINESE], ids=["latin", "with a space", "chinese"])
@pytest.mark.parametrize("name", BEGINNINGS)
def test_the_probability_of_a_word_is_that_of_all_ways_to_write_it(
    name: str, subwords: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ALTERNATIVES", EVERYTHING)
    toy, asked, pieces = Toy(5, sentences=2), BEGINNINGS[name], Pieces.of(subwords)
    # Another sentence, with another beginning, changes nothing.
    prefix = constraints_of([asked, Asked(prefix=(4, 2, 2))], pieces).prefix
    found = alternatives(toy, tf.constant([[2, END_ID], [3, END_ID]]), prefix, pieces, Edges.of(subwords), Search())
    ours: dict[str, float] = collections.defaultdict(float)
    for words, score in zip(found.words[0].numpy(), found.scores[0].numpy(), strict=True):
        written = tuple(int(word) for word in words if word != PADDING_ID)
        if score > -math.inf and len(written) <= MOST:
            ours[text_of(written, subwords)] += math.exp(score)
    head = tuple(int(word) for word in prefix.head[0][: prefix.head_length[0]])
    given = text_of(asked.prefix, subwords) + " " * asked.ends_in_space
    tail = given.removeprefix(text_of(head, subwords))
    expected = by_enumeration(toy, prefix, tail, subwords)
    assert expected
    # Longer words are of the same text where it is written in more subwords.
    short = [text for text, p in expected.items() if len(text) <= MOST - 2 and p > math.log(1e-6)]
    assert short
    for text in short:
        np.testing.assert_allclose(math.log(ours[text]), expected[text], atol=0.02, err_msg=text)
    assert sum(ours.values()) == pytest.approx(sum(map(math.exp, expected.values())), rel=0.05)


@pytest.mark.parametrize("subwords", [LATIN, CHINESE], ids=["latin", "chinese"])
def test_the_likeliest_come_first(subwords: list[str]) -> None:
    toy, pieces = Toy(7, sentences=1), Pieces.of(subwords)
    prefix = constraints_of([Asked()], pieces).prefix
    found = alternatives(toy, tf.constant([[2, END_ID]]), prefix, pieces, Edges.of(subwords), Search())
    scores = found.scores[0].numpy()
    assert (np.diff(scores[scores > -np.inf]) <= 0).all()
    assert np.exp(scores).sum() <= 1 + 1e-5


TEXTS = ["one two three", "forty-two", "", "seven hundred", "one " * 5000]


def test_words_of_a_network_are_as_likely_as_their_subwords(trained: WorkDirectory[Path]) -> None:
    """At least: a word may be written in other ways, and be followed by others than the end."""
    translator = TextTranslator(best(trained), load_subwords(trained, joint=True), TINY.search)
    texts, prefixes = tf.constant(TEXTS), tf.constant(["deux cent ", "", "un", "trente et un ", "un"])
    found = translator.alternatives(texts, prefixes)
    for row in (0, 1, 3):
        prefix = prefixes[row].numpy().decode()
        words = [word.decode() for word in found.word[row].numpy() if word]
        assert len(words) > 3
        assert sum(found.probability[row].numpy()) <= 1 + 1e-4
        assert (np.diff(found.probability[row].numpy()) <= 0).all()
        head = int(translator.target_subwords.ids(prefixes[row : row + 1]).lengths[0])
        given = tf.constant([prefix + word for word in words])
        scored = translator.score_subwords(tf.fill([len(words)], texts[row]), given)
        for number, probability in enumerate(found.probability[row].numpy()[: len(words)]):
            log_p, is_there = scored.log_probability[number].numpy(), scored.target_subwords[number].numpy() != b""
            assert probability >= np.exp(log_p[head : is_there.sum()].sum()) * (1 - 1e-4)
        alone = translator.alternatives(texts[row : row + 1], prefixes[row : row + 1])
        np.testing.assert_array_equal(alone.word[0], found.word[row])
        np.testing.assert_allclose(alone.probability[0], found.probability[row], rtol=1e-4)
    for nothing in (2, 4):
        assert set(found.word[nothing].numpy()) == {b""}
        assert not found.probability[nothing].numpy().any()


def test_a_word_goes_on_where_no_space_ends_it(trained: WorkDirectory[Path]) -> None:
    translator = TextTranslator(best(trained), load_subwords(trained, joint=True), TINY.search)
    prefixes = tf.constant(["quat", "deux cent s", "deux cent ", "", "un " * 5000])
    found = translator.alternatives(tf.fill([5], "two hundred seven"), prefixes)
    for row, begin in enumerate(("quat", "s", "", "")):
        words = [word.decode() for word in found.word[row].numpy() if word]
        assert words
        assert all(word.startswith(begin) and len(word.split()) == 1 for word in words)
        assert len(set(words)) == len(words)
    assert set(found.word[4].numpy()) == {b""}
