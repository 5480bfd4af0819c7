"""Normal forms of any text, in a time that does not grow with the square of it."""

from __future__ import annotations

import time
import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.blocks import judged
from pipelines.cleaning.characters import SORTED_MARKS, every_character, normalized, table_of
from pipelines.corpora.line_files import PairBlock
from recipes.corpora import Corpus
from recipes.data_schema import Cleaning, PairFiles

FORMS = st.sampled_from(["NFC", "NFKC"])
# In their order they would be sorted already.
RUNS = {
    "two marks": "\u0301\u0323",
    "a mark that becomes two": "\u0344\u0323",
    "half-width sound marks": "\uff9e\u0323",
    "Tibetan vowels": "\u0f73",
    "Hebrew points": "\u05c1\u05b4",
}


@given(FORMS, st.text(st.sampled_from("ea \u0301\u0323\u1100\u1161\uff9e\u30ab") | st.characters(), max_size=30))
def test_ordinary_text_is_in_its_normal_form_however_long(form: Literal["NFC", "NFKC"], text: str) -> None:
    for long in (text, f"{text} " * 100):
        assert normalized(form, long) == unicodedata.normalize(form, long)


def test_the_marks_that_are_sorted_are_those_of_unicode() -> None:
    """Either Python or the package regex may know a few characters more, which are none in the other."""
    table = table_of(SORTED_MARKS)
    known = [character for character in every_character() if unicodedata.category(character) != "Cn"]
    sorted_ones = {
        character for character in known if unicodedata.combining(unicodedata.normalize("NFKD", character)[0])
    }
    assert {character for character in known if table[ord(character)]} == sorted_ones


def test_a_run_of_marks_is_parted_and_no_more_than_that() -> None:
    text = "x" * 600 + "\u0301" * 31 + "q" + "\u0301" * 30 + "z"
    assert normalized("NFC", text).replace("\u034f", "", 1) == text
    assert normalized("NFC", text[500:]) == unicodedata.normalize("NFC", text[500:])


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("cleaning", [None, Cleaning(), Cleaning(normalize_unicode=False)])
def test_a_line_of_marks_is_judged_in_time(run: str, cleaning: Cleaning | None) -> None:
    """Of some 50,000 characters; without bounds it takes from ten times as long to a minute."""
    line = ("a" + run * (50_000 // len(run))).encode()
    corpus = Corpus(0, "train", "marks", PairFiles(source="a.en", target="a.fr"), "en", "fr", cleaning)
    began = time.process_time()
    pairs = judged(PairBlock(0, 1, 1, line, b"un"), corpus)
    pairs.source.letter_keys()
    assert time.process_time() - began < 5
