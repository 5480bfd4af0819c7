"""Which sentences have the same numbers, in whatever digits and way they are written."""

# ruff: noqa: RUF001

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.numbers import shared_numbers

# The digits nought of scripts that have ten in a row.
NOUGHTS = "0\u0660\u06f0\u0966\u09e6\u0e50\u0ed0\u0f20\u1040\u17e0\uff10"
# What numbers are written of, and what is beside them.
PARTS = [
    *"0123456789٣३.,' :-年时半第제元〇零一二两両亖十廿百千万亿兆京多조만천፩፲፻፼ⅣⅩ⑮Ⅻ½²\ud800",
    *("9" * 30, "XIV", " million", " billion", " lakh", "ล้าน", "พัน", "th", " pm", "s", "-talet", "พ.ศ. ", " AH", " "),
]


def japanese(number: int) -> str:
    """Digits with the units of ten thousand, as in 1億2345万6789."""
    groups = [(number // 10**power % 10**4, unit) for power, unit in ((12, "兆"), (8, "億"), (4, "万"), (0, ""))]
    return "".join(f"{group}{unit}" for group, unit in groups if group)


def chinese(number: int) -> str:
    """Chinese numerals, with a nought where units are left out."""
    for power, unit in ((12, "兆"), (8, "亿"), (4, "万"), (3, "千"), (2, "百"), (1, "十")):
        many, rest = divmod(number, 10**power)
        if many:
            nought = "零" if 0 < rest < 10 ** (power - 1) else ""
            return chinese(many) + unit + nought + (chinese(rest) if rest else "")
    return "零一二三四五六七八九"[number]


def traditional(number: int) -> str:
    """The same in characters of Taiwan, two digits being those of banks."""
    return chinese(number).translate(str.maketrans("万亿二三", "萬億貳參"))


def ethiopic(number: int) -> str:
    """Pairs of digits before the signs of a hundred and of ten thousand."""
    for power, unit in ((4, "፼"), (2, "፻")):
        many, rest = divmod(number, 10**power)
        if many:
            return ("" if many == 1 else ethiopic(many)) + unit + (ethiopic(rest) if rest else "")
    return (chr(0x1371 + number // 10) if number >= 10 else "") + (chr(0x1368 + number % 10) if number % 10 else "")


@given(st.integers(0, 10**9), st.sampled_from(NOUGHTS), st.sampled_from(NOUGHTS))
def test_a_number_is_the_same_in_the_digits_of_every_script(number: int, one: str, other: str) -> None:
    sides = ["".join(chr(ord(nought) + int(digit)) for digit in str(number)) for nought in (one, other)]
    assert shared_numbers(sides[0], sides[1]) == 1
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
        ("at 17:30", "午後五時半"),
        ("it ends at 4:30 pm", "下午4点半结束"),
        ("16:45", "quart d'heure avant cinq heures"),
        ("kl. 19.30", "half past seven"),
        ("18：30", "오후 6시 반"),
        ("18,000 of them", "1万8千"),
        ("34,500 yen", "3万4500円"),
        ("1億2千万", "120,000,000"),
        ("23,450 won", "2만 3450원"),
        ("3억 5000만 명", "350 million people"),
        ("30,000 men", "三万人"),
        ("200 years", "二百年"),
        ("a hundred and 100 more", "百"),
        ("40,000 metres", "40千米"),
        ("300,000 books", "30多万册书"),
        ("400,000 books", "四十余万册书"),
        ("4700 lines", "四千七百行"),
        ("30,000 people", "30 mil personas"),
        ("30.000 Einwohner", "30 tuhatta asukasta"),
        ("1500 tonnes", "1,5 tys. ton"),
        ("30,000 people", "watu elfu 30"),
        ("40,000 books", "٤٠ ألف كتاب"),
        ("30,000 dong", "3 vạn đồng"),
        ("45 thousand", "45 000"),
        ("3,00,000 rupees", "3 లక్షల రూపాయలు"),
        ("40,000,000", "4 கோடி"),
        ("2,000,000", "သိန်း ၂၀"),
        ("1 crore 20 lakh", "12 million"),
        ("5,000 million", "5 Milliarden"),
        ("3 billion", "3 mil millones"),
        ("2.000.000 Stück", "2 juta buah"),
        ("3 billion", "3 Billionen"),
        ("2 trillion yen", "2兆円"),
        ("4 million soldiers", "vier Millionen Soldaten"),
        ("1.250 Mio. Euro", "1.25 billion euros"),
        ("32 ships", "፴፪ መርከቦች"),
        ("in 1984", "በ፲፱፻፹፬"),
        ("(20)", "⑳"),
        ("in 1998", "ในปี พ.ศ. 2541"),
        ("in 1998", "১৯৯৮ সালে"),
        ("in 1979", "سال ۱۳۵۷ هجری شمسی"),
        ("in 1989", "平成元年"),
        ("in 1964", "昭和39年"),
        ("the 18th century", "1700-talet"),
        ("17. vuosisata, 1600-luku", "the 17th century, the 1600s"),
        ("15.50 euros", "15,5 Euro"),
        ("Article 27 on 3 million", "제27조 3백만"),
        ("25 species, 14 kinds, 3 million", "25 พันธุ์ 14 ชนิด 3 ล้าน"),
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
        ("4 million", "40万"),
        ("4 million people", "400億人"),
        ("2.5 million", "250 Millionen"),
        ("$3.5 million", "3,5 milliards de dollars"),
        ("3 lakh", "3 crore"),
        ("3 lakh", "3 करोड़"),
        ("6 thousand", "6 миллионов"),
        ("3.5 million people", "35人"),
        ("3.5 million people", "35 Leute"),
        ("2 million", "3 Millionen"),
        ("20 people", "200 personnes"),
        ("30,000", "三万二"),
        ("1億2千万", "12,000,000"),
        ("at 17:30", "午後四時二十分"),
        ("32 ships", "፴፫ መርከቦች"),
        ("the 18th century", "1800-talet"),
    ],
)
def test_what_does_not(source: str, target: str) -> None:
    assert shared_numbers(source, target) == shared_numbers(target, source) == 0


@pytest.mark.parametrize(
    ("english", "other", "share"),
    [
        ("20 people", "20.000 personnes", 0),
        ("15 ships", "15,000,000 kapal", 0),
        ("20 people", "20 orang", 1),
        ("20,000 people", "20 ribu orang", 1),
        ("20k people", "20.000 personnes", 1),
        ("$35 bn", "35.000.000.000 dollars", 1),
        ("25 mn years", "25 juta tahun", 1),
    ],
)
def test_in_english_it_is_known_what_multiplies(english: str, other: str, share: float) -> None:
    assert shared_numbers(english, other, (True, False)) == shared_numbers(other, english, (False, True)) == share


@pytest.mark.parametrize(
    ("numeral", "most"), [(japanese, 10**15), (chinese, 10**15), (traditional, 10**15), (ethiopic, 10**8 - 1)]
)
def test_a_number_is_the_same_in_numerals(numeral: Callable[[int], str], most: int) -> None:
    @given(st.integers(13, most))
    def is_the_same(number: int) -> None:
        assert shared_numbers(str(number), numeral(number)) == shared_numbers(numeral(number), f"{number:,}") == 1
        assert shared_numbers(str(number + 1), numeral(number)) == 0

    is_the_same()


@given(st.lists(st.sampled_from(PARTS) | st.characters()).map("".join), st.lists(st.sampled_from(PARTS)).map("".join))
def test_any_text_has_a_share(source: str, target: str) -> None:
    assert 0 <= shared_numbers(source, target) <= 1
    assert shared_numbers(source, source) == 1


def test_every_character_that_is_a_number_is_read() -> None:
    """Versions of Python differ in which are, and Unicode has no number for some."""
    numbers = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.numeric(chr(code), None) is not None]
    for character in [*numbers, *"两両兩亖○京元"]:
        assert 0 <= shared_numbers("the 15th, 2500", f"第{character}百{character}") <= 1


def test_the_share_is_of_the_numbers_of_both_sides() -> None:
    assert shared_numbers("20 and 30", "20 or 31 or 32") == pytest.approx(2 / 5)


def test_a_line_of_numbers_only_takes_no_time() -> None:
    """Comparing each of 100,000 numbers with every other would take minutes."""
    source, target = (" ".join(map(str, range(begin, begin + 100_000))) for begin in (20, 21))
    assert shared_numbers(source, target) == pytest.approx(1, abs=1e-4)
