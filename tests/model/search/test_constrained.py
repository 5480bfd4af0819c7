"""Constrained search against every sentence there is, on a toy model whose words have letters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import regex
import tensorflow as tf

from model.search import constrained
from model.search.beam import beam_search
from model.search.constrained import Constraints, constrained_search, keep_to
from model.search.phrases import Phrases, Pieces, phrases_of_ids
from model.search.prefix import prefix_of_ids
from recipes.schema import Search
from tests.model.search.test_search import WORDS, Toy, assert_same, every_sentence, found
from tests.model.support import padded
from workspace.layout import END_ID

# Of padding, the end, and three words; some texts can be written in two ways.
LATIN = ["", "", "▁a", "b", "▁ab"]
WITH_A_SPACE = ["", "", "▁", "a", "▁b"]
CHINESE = ["", "", "▁小", "狗", "小狗"]
UNASKED = 4  # words, with the end, of a translation of which nothing is asked
EVERYTHING = 400


class Asked(NamedTuple):
    """As subwords, of which what is asked can be written, and as text."""

    prefix: tuple[int, ...] = ()
    required: tuple[tuple[int, ...], ...] = ()
    forbidden: tuple[tuple[int, ...], ...] = ()
    ends_in_space: bool = False


def constraints_of(asked: list[Asked], pieces: Pieces) -> Constraints:
    def phrases(by_text: list[tuple[tuple[int, ...], ...]], as_letters: bool) -> Phrases:
        most = max(len(of_text) for of_text in by_text)
        ids = [phrase for of_text in by_text for phrase in [*of_text, *[()] * (most - len(of_text))]]
        shape = tf.constant([len(by_text), most])
        rows = padded([[*phrase, END_ID] for phrase in ids]) if ids else tf.zeros([0, 1], tf.int32)
        return phrases_of_ids(rows, shape, pieces, tf.fill([len(ids)], False), as_letters)

    rows = [list(one.prefix) for one in asked]
    ids = np.full([len(rows), 1 + max(map(len, rows))], END_ID, np.int32)
    for row, prefix in zip(ids, rows, strict=True):
        row[: len(prefix)] = prefix
    spaces = tf.constant([one.ends_in_space for one in asked])
    begin = prefix_of_ids(tf.constant(ids), tf.constant([len(row) for row in rows]), spaces, pieces)
    return Constraints(begin, phrases([a.required for a in asked], True), phrases([a.forbidden for a in asked], False))


def text_of(words: tuple[int, ...], subwords: Sequence[str | None]) -> str:
    return "".join(subwords[word] or "" for word in words).replace("▁", " ")


def keeps_to(asked: Asked, words: tuple[int, ...], subwords: Sequence[str | None]) -> bool:
    """By the definition: text and regular expressions, not subwords."""
    text = text_of(words, subwords)

    def stands(phrase: tuple[int, ...], text: str = text) -> bool:
        written = text_of(phrase, subwords).removeprefix(" ")
        letter = "[a-z]" if regex.search("[a-z]", written) else "(?!)"
        return regex.search(rf"(?<!{letter}){regex.escape(written)}(?!{letter})", text) is not None

    def stood_once(phrase: tuple[int, ...]) -> bool:
        """While the text was written."""
        return any(stands(phrase, text_of(words[:length], subwords)) for length in range(len(words) + 1))

    begin = text_of(asked.prefix, subwords)
    begins = text.startswith(begin)
    if asked.ends_in_space:
        begins = text == begin or text.startswith(begin + " ")
    return begins and all(map(stands, asked.required)) and not any(map(stood_once, asked.forbidden))


def search(
    toy: Toy, asked: list[Asked], subwords: Sequence[str | None], k: int, longest: list[int] | None = None
) -> tuple[list[list[tuple[float, tuple[int, ...]]]], list[int]]:
    """What is found for each, and how many words it might have had."""
    pieces = Pieces.of(subwords)
    constraints = constraints_of(asked, pieces)
    most = tf.constant(longest or [UNASKED] * len(asked))
    source = tf.fill([len(asked), 2], END_ID)
    whose = tf.range(len(asked))
    hypotheses = constrained_search(toy, source, most, whose, constraints, pieces, Search(beam_size=k))
    return [found(hypotheses, row) for row in range(len(asked))], (most + constraints.most_subwords).numpy().tolist()


ASKED = {
    "nothing": Asked(),
    "a word": Asked(required=((2,),)),
    "a longer word": Asked(required=((4,),)),
    "two words": Asked(required=((2,), (4,))),
    "a word twice": Asked(required=((2,), (2,))),
    "a phrase": Asked(required=((2, 4),)),
    "not a word": Asked(forbidden=((2,),)),
    "not a longer word": Asked(forbidden=((4,),)),
    "neither": Asked(forbidden=((2,), (4,))),
    "one without the other": Asked(required=((2,),), forbidden=((4,),)),
    "what contradicts itself": Asked(required=((2,),), forbidden=((2,),)),
    "a beginning": Asked(prefix=(2,)),
    "a beginning of two words": Asked(prefix=(4, 2)),
    "a whole word": Asked(prefix=(2,), ends_in_space=True),
    "a beginning, and more": Asked(prefix=(2,), required=((4,),)),
    "a beginning that is forbidden": Asked(prefix=(2, 2), forbidden=((2,),)),
}
CONTRADICTIONS = ("what contradicts itself", "a beginning that is forbidden")


@pytest.fixture(scope="module", autouse=True)
def narrow_beams() -> Iterator[None]:
    """Also narrower ones than the project has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constrained, "LEAST_BEAM", 1)
        yield


@pytest.mark.parametrize("subwords", [LATIN, CHINESE], ids=["latin", "chinese"])
@pytest.mark.parametrize("name", ASKED)
def test_a_wide_beam_finds_every_short_sentence_that_keeps_to_them(name: str, subwords: Sequence[str | None]) -> None:
    toy, asked = Toy(3, sentences=1), ASKED[name]
    (ours,), _ = search(toy, [asked], subwords, EVERYTHING)
    short = [(score, words) for score, words in ours if len(words) <= UNASKED]
    expected = [
        (score, words)
        for score, words in every_sentence(toy, 0, UNASKED, 1.0)
        if keeps_to(asked, words[:-1], subwords) and is_written_as_forced(asked, words, subwords)
    ]
    assert_same(short, expected)
    assert (name in CONTRADICTIONS) == (not ours)


def is_written_as_forced(asked: Asked, words: tuple[int, ...], subwords: Sequence[str | None]) -> bool:
    """All but the last word of a beginning is written with the subwords that it is given in."""
    head = asked.prefix if asked.ends_in_space else asked.prefix[: last_word(asked.prefix, subwords)]
    return words[: len(head)] == head


def last_word(prefix: tuple[int, ...], subwords: Sequence[str | None]) -> int:
    return max([place for place, word in enumerate(prefix) if (subwords[word] or "").startswith("▁")], default=0)


PHRASES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=2).map(tuple)


@st.composite
def what_is_asked(draw: st.DrawFn) -> Asked:
    prefix = draw(st.one_of(st.just(()), st.sampled_from([(2,), (4, 2)])))
    required = () if len(prefix) > 1 else tuple(draw(st.lists(st.sampled_from([(2,), (4,), (2, 3)]), max_size=1)))
    forbidden = tuple(draw(st.lists(PHRASES, max_size=2)))
    return Asked(prefix, required, forbidden, bool(prefix) and draw(st.booleans()))


@pytest.mark.slow
@hypothesis.settings(max_examples=6)
@hypothesis.given(st.lists(what_is_asked(), min_size=2, max_size=4), st.integers(0, 2**20), st.sampled_from([2, 3, 5]))
def test_a_narrow_beam_keeps_to_them_and_knows_no_neighbours(asked: list[Asked], seed: int, k: int) -> None:
    """What it finds is best first, each once, and scored by the model; the same in a batch as alone."""
    toy = Toy(seed, sentences=1)
    toy.table = np.repeat(toy.table, len(asked), axis=0)
    together, limits = search(toy, asked, LATIN, k)
    for one, ours, most in zip(asked, together, limits, strict=True):
        for score, words in ours:
            assert keeps_to(one, words[:-1], LATIN)
            log_p = [float(toy.log_p(0, words[:place])[word]) for place, word in enumerate(words)]
            assert score == pytest.approx(sum(log_p) / len(words), rel=1e-4)
        assert [score for score, _ in ours] == sorted((score for score, _ in ours), reverse=True)
        assert len({words for _, words in ours}) == len(ours)
        (alone,), (limit,) = search(toy, [one], LATIN, k)
        assert limit == most
        assert_same(alone, ours)


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("subwords", [LATIN, WITH_A_SPACE, CHINESE], ids=["latin", "with a space", "chinese"])
def test_a_required_phrase_is_always_found(k: int, subwords: list[str]) -> None:
    asked = [Asked(required=(required,)) for required in ((3,), (4,), (4, 3), (4, 4))] * 20
    ours, _ = search(Toy(0, len(asked)), asked, subwords, k)
    assert all(ours)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_where_nothing_is_asked_it_is_beam_search(k: int) -> None:
    toy, longest = Toy(5, sentences=4), [4, 2, 3, 4]
    ours, _ = search(toy, [Asked()] * 4, LATIN, k, longest)
    theirs = beam_search(toy, tf.fill([4, 2], END_ID), tf.constant(longest), Search(beam_size=k))
    for sentence in range(4):
        assert_same(ours[sentence], found(theirs, sentence))


def test_a_phrase_that_no_subwords_write() -> None:
    """Of characters that are not known, or too many: required ones are said to fail, as forbidden ones that are too
    long; others never stand."""
    subwords, k = ["", "", "▁a", None, "b"], 3
    toy = Toy(1, sentences=2)
    plain, _ = search(toy, [Asked(), Asked()], subwords, k)
    for impossible in ((3,), (4,) * 63):
        ours, _ = search(toy, [Asked(required=(impossible,)), Asked()], subwords, k)
        assert not ours[0]
        assert_same(ours[1], plain[1])
    ours, _ = search(toy, [Asked(forbidden=((3,),)), Asked(forbidden=((4,) * 63,))], subwords, k)
    assert_same(ours[0], plain[0])
    assert not ours[1]


def test_beside_what_is_not_known_nobody_knows_whether_a_word_stands() -> None:
    """So what is forbidden stands there, and what is required does not."""
    subwords = ["", "", "▁a", None, "▁b"]
    toy = Toy(2, sentences=2)
    toy.table[:, :, 3] += 5
    (without, with_it), _ = search(toy, [Asked(forbidden=((2,),)), Asked(required=((2,),))], subwords, EVERYTHING)
    assert without
    assert with_it
    for _, words in without:
        assert 2 not in words
    for _, words in with_it:
        assert any(word == 2 and after != 3 for word, after in itertools.pairwise(words))


def test_a_part_of_a_word_that_no_subwords_write_by_itself() -> None:
    """As a vocabulary of words has none for it: it is found by its letters."""
    subwords = ["", "", "▁a'b", None, "▁ab"]
    pieces = Pieces.of(subwords)
    nothing = constraints_of([Asked()], pieces)
    spelled = pieces.of_texts(tf.constant(["b"]))
    one = tf.constant([1, 1])
    forbidden = phrases_of_ids(padded([[3, END_ID]]), one, pieces, tf.constant([False]), False, spelled)
    source, most = tf.fill([1, 2], END_ID), tf.constant([UNASKED])
    wanted = nothing._replace(forbidden=forbidden)
    settings = Search(beam_size=EVERYTHING)
    hypotheses = constrained_search(Toy(3, 1), source, most, tf.constant([0]), wanted, pieces, settings)
    kept = {words for _, words in found(hypotheses, 0)}
    assert kept == {words for _, words in every_sentence(Toy(3, 1), 0, UNASKED, 1.0) if 2 not in words}


@pytest.mark.parametrize("name", ASKED)
def test_a_translation_is_known_to_keep_to_them(name: str) -> None:
    """As the definition has it, for every short text; the beginning apart."""
    asked = ASKED[name]._replace(prefix=(), ends_in_space=False)
    texts = [(*words, END_ID) for length in range(4) for words in itertools.product(WORDS, repeat=length)]
    pieces = Pieces.of(LATIN)
    kept = keep_to(padded([list(text) for text in texts]), constraints_of([asked] * len(texts), pieces), pieces)
    assert kept.numpy().tolist() == [keeps_to(asked, text[:-1], LATIN) for text in texts]
