# ruff: noqa: RUF001
"""Mistakes that the text of a translation tells, each on sentences worked out by hand, in several scripts."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.evaluation.mistakes import copied_words, numbers_in, repeated_words, wrong_numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("in 1984, 12 men", {"1984": 1, "12": 1}),
        ("1,000,000 or 1.000.000 or 1 000 000 or 1\u202f000\u202f000 or 1'000'000", {"1000000": 5}),
        ("in 2012 300 people", {"2012": 1, "300": 1}),
        ("20 30", {"20": 1, "30": 1}),
        ("3.5 and 3,5", {"35": 2}),
        ("007 and 0", {"7": 1, "0": 1}),
        ("١٩٨٤", {"1984": 1}),
        ("١٬٢٣٤٫٥", {"12345": 1}),
        ("१९८४ में", {"1984": 1}),
        ("１９８４年", {"1984": 1}),
        ("x² ½ Ⅳ 三", {}),
    ],
)
def test_numbers_are_found_in_any_digits(text: str, numbers: dict[str, int]) -> None:
    assert numbers_in(text) == numbers


@pytest.mark.parametrize(
    ("source", "translation", "references", "wrong"),
    [
        ("born in 1984", "né en 1984", ["né en 1984"], []),
        ("born in 1984", "né en 1948", ["né en 1984"], ["-1984", "+1948"]),
        ("born in 1984", "né", ["né en mille neuf cent quatre-vingt-quatre"], []),
        ("1984", "", ["1984", "l'année"], []),
        ("twenty men", "20 hommes", ["20 hommes"], []),
        ("twenty men", "30 hommes", ["vingt hommes"], ["+30"]),
        ("3 dogs", "trois chiens", ["3 chiens"], []),
        ("three dogs", "4 chiens", ["trois chiens"], []),
        ("born in 1984", "مولود عام ١٩٨٤", ["مولود عام ١٩٨٤"], []),
        ("born in 1984", "مولود عام ١٩٤٨", ["مولود عام ١٩٨٤"], ["-1984", "+1948"]),
        ("14 and 14", "14", ["14 et 14"], ["-14"]),
    ],
)
def test_numbers_are_wrong_that_neither_source_nor_references_have(
    source: str, translation: str, references: list[str], wrong: list[str]
) -> None:
    assert wrong_numbers(source, translation, references) == wrong


@pytest.mark.parametrize(
    ("source", "translation", "reference", "copied"),
    [
        ("the cat sat on the mat", "the cat sat on le tapis", "le chat était sur le tapis", "the cat sat on"),
        ("the cat sat on the mat", "The Cat sat", "le chat était", "The Cat sat"),
        ("the cat sat on the mat", "the cat était", "le chat était", ""),
        ("Amen.", "Amen.", "Amen.", ""),
        ("Amen.", "Amen.", "Ainsi soit-il.", "Amen."),
        ("The Lord of the Rings is good", "The Lord of the Rings, bon", "J'aime The Lord of the Rings", ""),
        ("我在院子里玩", "I play 我在院子里", "I play in the yard", "我在院子里"),
        ("1 2 3 4 5", "1 2 3 4 5", "un deux trois", ""),
        ("cat", "", "chat", ""),
        ("", "chat", "chat", ""),
    ],
)
def test_words_are_copied_that_no_reference_has(source: str, translation: str, reference: str, copied: str) -> None:
    assert copied_words(source, translation, [reference]) == copied
    if copied:
        assert copied_words(source, translation, [reference, translation]) == ""


@pytest.mark.parametrize(
    ("translation", "repeated"),
    [
        ("un homme un homme court", "un homme"),
        ("un homme Homme court", "homme"),
        ("dans la rue dans la rue dans la rue", "dans la rue"),
        ("un homme court", ""),
        ("il a a mal", ""),
        ("il a a a mal", "a"),
        ("oui , , , oui", ""),
        ("孩子们孩子们在玩", "孩子们"),
        ("看看书", ""),
        ("", ""),
    ],
)
def test_words_are_repeated_right_away(translation: str, repeated: str) -> None:
    assert repeated_words("a man runs", translation, ["un homme court"]).casefold() == repeated
    assert repeated_words("very very good", translation, ["un homme court"]) == ""
    assert repeated_words("a man runs", translation, ["un homme court", "bien bien"]) == ""


TEXTS = st.text("ab 12٣我、\u00a0'.", max_size=25)


@given(TEXTS, TEXTS, st.randoms())
def test_a_reference_makes_no_mistake(source: str, reference: str, shuffled: random.Random) -> None:
    references = [reference, source[::-1]]
    shuffled.shuffle(references)
    assert wrong_numbers(source, reference, references) == []
    assert copied_words(source, reference, references) == ""
    assert repeated_words(source, reference, references) == ""
