"""Alignment error rate: by hand, by brute force, and what is said of gold files that are none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.evaluation.alignment_error import Gold, alignment_error, read_gold, running_text
from workspace.errors import UserError

LINKS = st.frozensets(st.tuples(st.integers(0, 3), st.integers(0, 3)))
WORDS = ["a", "b", "c", "d"]


def gold(sure: set[tuple[int, int]], possible: set[tuple[int, int]]) -> Gold:
    return Gold(WORDS, WORDS, frozenset(sure), frozenset(sure | possible))


def test_alignment_error_by_hand() -> None:
    """Two sentences: A has 3 + 1 links, S 2 + 2; of A in S are 1 + 0, in P 2 + 1."""
    sentences = [gold({(0, 0), (1, 1)}, {(2, 1)}), gold({(0, 1), (3, 3)}, {(0, 0)})]
    found = [[(0, 0), (2, 1), (3, 3)], [(0, 0)]]
    error = alignment_error(found, sentences)
    assert error.error == pytest.approx(1 - (1 + 3) / (4 + 4))
    assert (error.precision, error.recall, error.sentences) == (pytest.approx(3 / 4), pytest.approx(1 / 4), 2)


def test_what_is_sure_and_nothing_else_has_no_error() -> None:
    sentence = gold({(0, 0), (1, 1)}, {(2, 2)})
    assert alignment_error([[(0, 0), (1, 1)]], [sentence]).error == 0
    # Nor has what is possible besides: that is what it is for.
    assert alignment_error([[(0, 0), (1, 1), (2, 2)]], [sentence]).error == 0
    assert alignment_error([[(0, 1)]], [sentence]).error == 1
    nothing = alignment_error([[]], [sentence])
    assert (nothing.error, nothing.precision, nothing.recall) == (1, 0, 0)


@given(st.lists(st.tuples(LINKS, LINKS, LINKS), min_size=1, max_size=4))
def test_alignment_error_is_that_of_every_cell_counted(
    of_sentences: list[tuple[frozenset[tuple[int, int]], ...]],
) -> None:
    first = gold({(0, 0)}, set())
    sentences = [first, *(gold(set(sure), set(possible)) for _, sure, possible in of_sentences)]
    found = [frozenset({(0, 0)}), *(links for links, _, _ in of_sentences)]
    hits = total = 0
    for links, sentence in zip(found, sentences, strict=True):
        for cell in ((source, target) for source in range(4) for target in range(4)):
            is_found, is_sure = cell in links, cell in sentence.sure
            hits += (is_found and is_sure) + (is_found and cell in sentence.possible)
            total += is_found + is_sure
    assert alignment_error(found, sentences).error == pytest.approx(1 - hits / total)


def write_gold(directory: Path, source: str, target: str, align: str) -> Path:
    for ending, text in (("source", source), ("target", target), ("align", align)):
        (directory / f"gold.{ending}").write_text(text, encoding="utf-8")
    return directory / "gold"


@pytest.mark.parametrize("name", ["gold", "gold.align", "gold.source"])
def test_gold_is_read_in_both_forms_of_possible(tmp_path: Path, name: str) -> None:
    write_gold(tmp_path, "the dog\nno\n", "le chien\nnon\n", "0-0 1?1 0p1 1-1\n\n")
    first, second = read_gold(tmp_path / name)
    assert first == Gold(
        ["the", "dog"], ["le", "chien"], frozenset({(0, 0), (1, 1)}), frozenset({(0, 0), (1, 1), (0, 1)})
    )
    assert second == Gold(["no"], ["non"], frozenset(), frozenset())


@pytest.mark.parametrize(
    ("align", "sentence"),
    [
        ("0-0\n0-0 x\n", "gold.align:2: x is no link; write 1-2 for a sure one"),
        ("0-0\n0-1\n", "gold.align:2: 0-1: there are 1 source and 1 target words; count from 0"),
        ("2-0\n0-0\n", "gold.align:1: 2-0: there are 2 source and 2 target words; count from 0"),
        ("0-0\n", "its files have 2, 2 and 1 lines"),
        ("0?0\n0p0\n", "gold.align has no sure link"),
    ],
)
def test_what_is_wrong_with_gold_is_said(tmp_path: Path, align: str, sentence: str) -> None:
    name = write_gold(tmp_path, "the dog\nno\n", "le chien\nnon\n", align)
    with pytest.raises(UserError) as refused:
        read_gold(name)
    assert sentence in str(refused.value)


def test_gold_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gold.source: no such file; a gold alignment is three files of one name"):
        read_gold(tmp_path / "gold")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("The earth was corrupt , and full .", "The earth was corrupt, and full."),
        ("l' Éternel dit-il : qu' il vienne aujourd'hui !", "l'Éternel dit-il: qu'il vienne aujourd'hui!"),
        ("起初 神 创造 天地 。 A4 纸", "起初神创造天地。A4纸"),
        ("ในเริ่มแรก นั้น", "ในเริ่มแรกนั้น"),
        ("", ""),
    ],
)
def test_words_are_put_together_as_people_write_them(words: str, text: str) -> None:
    found, places = running_text(words.split())
    assert found == text
    assert [text.encode()[begin:end].decode() for begin, end in places] == words.split()


def test_the_verses_aligned_by_hand_are_gold_of_the_text_that_models_are_trained_on() -> None:
    verses = read_gold(Path(__file__).with_name("bible_alignments"))
    assert len(verses) == 50
    for verse in verses:
        for side in (verse.source, verse.target):
            text, _ = running_text(side)
            assert text.split() == re.sub(r" (?=[.,;:!?])|(?<=') ", "", " ".join(side)).split()
        # Every sure link right and nothing else: no error.
        assert alignment_error([verse.sure], [verse]).error == 0
