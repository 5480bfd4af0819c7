"""Which sentences have the same numbers, in whatever digits and way they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.numbers import shared_numbers

# The digits nought of scripts that have ten in a row.
NOUGHTS = "0\u0660\u06f0\u0966\u09e6\u0e50\u0ed0\u0f20\u1040\u17e0\uff10"


@given(st.integers(0, 10**9), st.sampled_from(NOUGHTS), st.sampled_from(NOUGHTS))
def test_a_number_is_the_same_in_the_digits_of_every_script(number: int, one: str, other: str) -> None:
    sides = ["".join(chr(ord(nought) + int(digit)) for digit in str(number)) for nought in (one, other)]
    assert shared_numbers(*sides) == 1
    assert shared_numbers(sides[0], f"{sides[1]}7") == (number == 0)


@given(st.integers(1000, 10**12))
def test_a_number_is_the_same_in_groups_of_either_kind(number: int) -> None:
    indian = str(number)[-3:]
    for begin in range(len(str(number)) - 3, 0, -2):
        indian = f"{str(number)[max(0, begin - 2) : begin]},{indian}"
    assert shared_numbers(indian, f"{number:,}") == shared_numbers(f"{number:,}".replace(",", "\u066c"), indian) == 1


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("a painter of the 17th century", "un peintre du XVIIe siècle"),
        ("on her 21st birthday", "an ihrem einundzwanzigsten Geburtstag"),
        ("the 14th of July", "le quatorze juillet"),
        ("the 19th century", "XIX век"),
        ("die 18. Auflage", "the 18th edition"),
        ("第15回", "the fifteenth time"),
        ("music of the 1970s", "la musique des années 70"),
        ("the '50s", "les années cinquante"),
        ("in den 90er Jahren", "in the 1990s"),
        ("1980年代", "in the eighties"),
        ("it opens at 2 p.m.", "ouvert à 14 h"),
        ("at 5:45 PM", "um 17.45 Uhr"),
        ("the shop closes at 20:00", "the shop closes at eight"),
        ("午後6時", "at 18:00"),
        ("kl. 16", "4 pm"),
        ("7 million people", "700万人"),
        ("400 million", "4億"),
        ("2.5 billion yen", "25億円"),
        ("30,000 houses", "3만 채"),
        ("600,000 rupees", "6 लाख रुपये"),
        ("in 1936", "一九三六年"),
        ("two hundred and 48 sheep", "四十八只羊"),
        ("130 days", "一百三十天"),
        ("Psalm 23", "Psaume XXIII"),
    ],
)
def test_what_means_the_same(source: str, target: str) -> None:
    assert shared_numbers(source, target) == shared_numbers(target, source) == 1


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("the 17th century", "le XIXe siècle"),
        ("the 21st", "der 25."),
        ("the 1970s", "les années 80"),
        ("1970 people", "70 personnes"),
        ("at 2 pm", "à 15 h"),
        ("17 men", "5 hommes"),
        ("(14:12) They left", "Ils partirent"),
        ("in 1936", "then"),
        ("7 million", "800万"),
        ("in 1936", "一九三七年"),
        ("\u06f2\u06f0\u06f1\u06f9", "2018"),
        ("1,00,000", "10,000"),
    ],
)
def test_what_does_not(source: str, target: str) -> None:
    assert shared_numbers(source, target) == shared_numbers(target, source) == 0


def test_the_share_is_of_the_numbers_of_both_sides() -> None:
    assert shared_numbers("20 and 30", "20 or 31 or 32") == pytest.approx(2 / 5)


def test_a_line_of_numbers_only_takes_no_time() -> None:
    """Comparing each of 100,000 numbers with every other would take minutes."""
    source, target = (" ".join(map(str, range(begin, begin + 100_000))) for begin in (20, 21))
    assert shared_numbers(source, target) == pytest.approx(1, abs=1e-4)
