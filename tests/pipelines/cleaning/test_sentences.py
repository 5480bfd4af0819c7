"""The columns of a block against the same figures worked out sentence by sentence, in the plainest way."""

# Text of many scripts, in which letters that look alike are meant.
# ruff: noqa: RUF001

from __future__ import annotations

import re
from collections.abc import Sequence

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


IDEOGRAPH = regex.compile(
    r"[[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Bopo}\p{Yi}]&&\p{L}&&[^\u02c7-\u02d9]]", regex.V1
)
SYLLABIC = regex.compile(r"[[\p{lb=SA}\p{Tibetan}\p{Balinese}\p{Javanese}]&&[\p{Alphabetic}\p{M}]]", regex.V1)


def words_of(text: str) -> int:
    """What stands between spaces is a word, or as many as its letters of scripts without spaces are, in twelfths."""
    twelfths = (8 * len(IDEOGRAPH.findall(token)) + 3 * len(SYLLABIC.findall(token)) for token in text.split())
    return sum(max(12, each) for each in twelfths) // 12


def longest_run_of(text: str) -> int:
    spaced = SYLLABIC.sub("\n", IDEOGRAPH.sub("\n", text))
    return max(*map(len, re.split("[ \n]", spaced)), int("\n" in spaced), 0)


@given(TEXTS)
def test_lengths_and_words(texts: list[str]) -> None:
    columns = Sentences(texts)
    assert columns.lengths.tolist() == [len(text) for text in texts]
    assert columns.words.tolist() == list(map(words_of, texts))
    assert columns.longest_word.tolist() == [longest_run_of(text) for text in texts]


@given(TEXTS)
def test_counts_of_characters(texts: list[str]) -> None:
    columns = Sentences(texts)
    kinds = {
        LETTER: is_letter,
        DIGIT: str.isdecimal,
        TERMINAL: lambda character: regex.fullmatch(r"[\p{Sentence_Terminal}…\u037e]", character) is not None,
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


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("One. Two? Three!", 3),
        ("What?! No... Yes…", 3),
        ("Well . . . Yes", 1),
        ("well... you know… it is", 0),
        ("Cats, dogs etc. are pets, e.g. ours.", 1),
        ("J. S. Bach was here. So was B.", 2),
        ("Version 2.5 is at www.example.com. Get it", 1),
        ("它来了。我看见了！你呢？", 3),
        ("它来了.我看见了", 1),
        ("私は３．５キロ走った。", 1),
        ("राम आया। सीता गई॥", 2),
        ("ሰላም። ደህና፧", 2),
        ("សួស្តី។ លាហើយ៕", 2),
        ("Τι; Πού; Να; ok; no", 3),
        ("Ποιος\u037e Πώς\u037e Ναι.", 3),
        ("Γιατί\u037e\u037e «Έτσι\u037e» 12\u037e", 3),
        ("He said “Go.” Then he went.", 2),
    ],
)
def test_sentence_ends(text: str, ends: int) -> None:
    assert Sentences([text]).sentence_ends.tolist() == [ends]


@given(TEXTS)
def test_sentence_ends_do_not_depend_on_the_block(texts: list[str]) -> None:
    assert Sentences(texts).sentence_ends.tolist() == [Sentences([text]).sentence_ends[0] for text in texts]


@pytest.mark.parametrize(
    ("text", "marks"), [("hello", True), ("你好", True), ("สวัสดี", False), ("ສະບາຍດີ", False), ("မင်္ဂလာပါ", True)]
)
def test_whether_a_script_marks_sentences(text: str, marks: bool) -> None:
    assert Sentences([text, "x"]).marks_sentences.tolist() == [marks, True]


def times_in_a_row(units: Sequence[str], start: int, length: int) -> int:
    """How often the ``length`` units from ``start`` on are followed by themselves."""
    gram, times = units[start : start + length], 0
    while len(gram) == length and units[start + (times + 1) * length :][:length] == gram:
        times += 1
    return times


def repetitions_of(text: str) -> int:
    """The largest k for which some n ≤ 8 words are followed k times by themselves, or 2 to 16 characters, not all the
    same, with a letter of a script without spaces."""
    words = text.split(" ")
    found = [times_in_a_row(words, start, length) for length in range(1, 9) for start in range(len(words))]
    for length in range(2, 17):
        for start in range(len(text)):
            gram = text[start : start + length]
            if len(set(gram)) > 1 and (IDEOGRAPH.search(gram) or SYLLABIC.search(gram)):
                found.append(times_in_a_row(text, start, length))
    return max(found, default=0)


@given(TEXTS | st.lists(st.text("日本ไทhé.ab ", max_size=30).map(lambda text: " ".join(text.split()))))
def test_repetitions(texts: list[str]) -> None:
    assert Sentences(texts).repetitions().tolist() == [repetitions_of(text) for text in texts]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("你好你好你好你好。", 3),
        ("我们去，我们去，我们去，家里。", 2),
        ("そしてそしてそして", 2),
        ("อย่าไปอย่าไปอย่าไปอย่าไป", 3),
        ("ទៅផ្ទះទៅផ្ទះទៅផ្ទះ", 2),
        ("哈哈哈哈哈哈哈哈", 0),
        ("等等…………………………", 0),
        ("好的——————", 0),
        ("二〇二二年二月二十二日", 0),
        ("รีบๆ มาเร็วๆ", 0),
    ],
)
def test_repetitions_without_spaces(text: str, times: int) -> None:
    assert Sentences(["a b", text, "c"]).repetitions().tolist() == [0, times, 0]


def test_no_sentences_at_all() -> None:
    nothing = Sentences([])
    for column in (nothing.words, nothing.longest_word, nothing.count(LETTER), nothing.repetitions()):
        assert isinstance(column, np.ndarray)
        assert column.tolist() == []
    assert nothing.letter_keys() == []
