"""The columns of a block against the same figures worked out sentence by sentence, in the plainest way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.sentences import DIGIT, LETTER, MARKUP, TERMINAL, Sentences

# Texts in which words come again and the characters that matter are frequent.
WORDS = st.sampled_from(
    ["ha", "ha!", "the", "Été", "12", "x.", "...", "日本。", "हिन्दी", "<b>", "%s", "\U000e0041", "Ⅷ"]
)
TEXTS = st.lists(
    st.lists(WORDS | st.text(max_size=4), max_size=12).map(lambda words: " ".join(" ".join(words).split())), max_size=8
)


def is_letter(character: str) -> bool:
    return regex.fullmatch(r"\p{Alphabetic}", character) is not None


@given(TEXTS)
def test_lengths_and_words(texts: list[str]) -> None:
    columns = Sentences(texts)
    assert columns.lengths.tolist() == [len(text) for text in texts]
    assert columns.words.tolist() == [len(text.split()) for text in texts]
    assert columns.longest_word.tolist() == [max(map(len, text.split(" "))) for text in texts]


@given(TEXTS)
def test_counts_of_characters(texts: list[str]) -> None:
    columns = Sentences(texts)
    kinds = {
        LETTER: is_letter,
        DIGIT: str.isdecimal,
        TERMINAL: lambda character: character in ".?!…。？！｡؟।",  # noqa: RUF001
        MARKUP: lambda character: character in "@<{%$/",
    }
    for kind, belongs in kinds.items():
        assert columns.count(kind).tolist() == [sum(map(belongs, text)) for text in texts]


@given(TEXTS)
def test_letters_of_a_script(texts: list[str]) -> None:
    for script in ("Latin", "Devanagari"):
        letters = [
            sum(regex.fullmatch(rf"\p{{{script}}}", c) is not None and is_letter(c) for c in text) for text in texts
        ]
        assert Sentences(texts).letters_of(script).tolist() == letters


def test_there_is_no_such_script() -> None:
    with pytest.raises(ValueError, match="unknown property"):
        Sentences(["a"]).letters_of("Klingon")


@given(TEXTS)
def test_sentence_ends(texts: list[str]) -> None:
    ends = [
        sum(
            a in ".?!…。？！｡؟।" and not (b in ".?!…。？！｡؟।" or is_letter(b) or b.isdecimal())  # noqa: RUF001
            for a, b in itertools.pairwise(text + "\n")
        )
        for text in texts
    ]
    assert Sentences(texts).sentence_ends().tolist() == ends


def repetitions_of(text: str) -> int:
    """The largest k for which some n ≤ 8 words are followed k times by themselves."""
    words = text.split(" ")
    most = 0
    for length in range(1, 9):
        for start in range(len(words)):
            gram, times = words[start : start + length], 0
            while len(gram) == length and words[start + (times + 1) * length :][:length] == gram:
                times += 1
            most = max(most, times)
    return most


@given(TEXTS)
def test_repetitions(texts: list[str]) -> None:
    assert Sentences(texts).repetitions().tolist() == [repetitions_of(text) for text in texts]


@given(TEXTS)
def test_letter_keys_are_equal_where_letters_and_digits_are(texts: list[str]) -> None:
    def letters(text: str) -> str:
        kept = [character for character in text if is_letter(character) or character.isdecimal()]
        return "".join(low if len(low := character.lower()) == 1 else character for character in kept) or text

    keys = Sentences(texts).letter_keys()
    for (text, key), (other, other_key) in itertools.product(zip(texts, keys, strict=True), repeat=2):
        assert (key == other_key) == (letters(text) == letters(other))


def test_letter_keys_do_not_depend_on_the_block() -> None:
    texts = ["Hello, World!", "12 %", "…", ""]
    alone = [Sentences([text]).letter_keys()[0] for text in texts]
    assert Sentences(texts).letter_keys() == alone
    assert alone[0] == Sentences(["hello world"]).letter_keys()[0]


def test_no_sentences_at_all() -> None:
    nothing = Sentences([])
    for column in (nothing.words, nothing.longest_word, nothing.count(LETTER), nothing.repetitions()):
        assert isinstance(column, np.ndarray)
        assert column.tolist() == []
    assert nothing.letter_keys() == []
