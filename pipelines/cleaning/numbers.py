"""How far two sentences have the same numbers, whatever the digits, the grouping and the way they are written.

Most pairs with numbers have the same ones in digits, which is seen at once. The others are looked at more closely: a
number may be an ordinal (the 18th, XVIIIe), of a decade (the 1960s, les années 60), an hour (3 pm, 15 h), in Roman or
Chinese numerals, or stand before a word that multiplies it (5 million, 5 lakh).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

# Smaller ones are often words on one side.
_LARGEST_SMALL = 12
# Characters of both sides: what follows compares every number with every other.
_MOST_READ = 5000
# Grouped by three digits, or, in India, by two before the last three.
_NUMBER = re.compile(
    r"\d(?:\d{0,2}(?:[.,' \u00a0\u202f\u2019\u066c\uff0c]\d{3})+(?!\d)|\d?(?:[,\u066c]\d{2})+[,\u066c]\d{3}(?!\d)|\d*)"
)
_IN_A_ROW = re.compile(r"\d+")
_NOT_DIGITS = re.compile(r"\D")

_MULTIPLIED = re.compile(
    r"\d\s?(?:[万萬億亿兆만억조]|[mb]illi|lakh|crore|लाख|करोड़|লাখ|লক্ষ|কোটি|لاکھ|کروڑ|พัน|หมื่น|แสน|ล้าน)", re.IGNORECASE
)
_FIGURE = re.compile(r"\d+(?:[.,\u066b\u066c\uff0c]\d+|[' \u00a0\u202f\u2019]\d{3}(?!\d))*")

# What is before a number and behind it, by what it is then.
_KINDS = {
    "hour": (
        re.compile(r"(?:\bkl\.? |\bklo |[午晨晚]|오전 |오후 )$", re.IGNORECASE),
        re.compile(
            r"(?::|\.|\s?h\s?)[0-5]\d(?!\d)|\s?(?:h|hrs?|uhr|uur|o['\u2019]clock|heures?|horas?|час\w*|годин\w*|giờ"
            r"|[ap]\.?\s?m)(?!\w)|\s?[時时點点시]|\sबजे|\sนาฬิกา",
            re.IGNORECASE,
        ),
    ),
    "decade": (
        re.compile(r"\b(?:ann[ée]es|años|anys|anos|anni|anii|lata|léta|roky|åren) ['\u2019]?$", re.IGNORECASE),
        re.compile(r"(?:['\u2019]?s|-?ern?|-?[ех]|-?luvu\w*|-?talet|['\u2019]?l[ae]r\w*)(?!\w)|\s?(?:年代|년대)"),  # noqa: RUF001
    ),
    "ordinal": (
        re.compile(r"(?:第|제|\bthứ )\s?$"),
        re.compile(
            r"(?:st|nd|rd|th|er?|re|[èe]re|[èe]me|os?|as?|[ºª°]|de|ste|ος|η|ο)(?!\w)|-?[а-яіїє]{1,3}(?!\w)"  # noqa: RUF001
            r"|\.\s(?=[^\W\d_])|\s?(?:番目|つ目|번째)"
        ),
    ),
}

# Nobody writes these in words; 13:12 may be a verse.
_ODD_MINUTES = re.compile(r"(?::|\.|\s?h\s?)\d[1-46-9](?!\d)")

_ROMAN = re.compile(r"(?<![^\W_])(?=[IVXLCDM]{2})M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})(?![A-Z])")
_ROMAN_DIGITS = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_HAN = re.compile("[〇零一二两三四五六七八九十百千]{2,}")
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000}


def shared_numbers(source: str, target: str) -> float:
    """Share of the numbers above twelve of both sides that the other side has too (Dice coefficient), 1 if none.

    Separators of thousands and leading zeros are left out; a decimal point makes two numbers.
    """
    if _IN_A_ROW.findall(source) == _IN_A_ROW.findall(target):
        return 1.0
    left, right = (Counter(number for number in _numbers(side) if not _is_small(number)) for side in (source, target))
    if left == right:
        return 1.0
    if len(source) + len(target) > _MOST_READ:
        return 2 * (left & right).total() / (left.total() + right.total())
    if _MULTIPLIED.search(source) or _MULTIPLIED.search(target):
        return _shared_figures(source, target)
    return _shared_readings(source, target)


def _numbers(text: str) -> list[str]:
    return [_digits(number) for number in _NUMBER.findall(text)]


def _digits(number: str) -> str:
    digits = _NOT_DIGITS.sub("", number)
    if not digits.isascii():
        digits = "".join(str(unicodedata.decimal(digit)) for digit in digits)
    return digits.lstrip("0")


def _is_small(digits: str) -> bool:
    return len(digits) < 2 or (len(digits) == 2 and int(digits) <= _LARGEST_SMALL)


def _shared_figures(source: str, target: str) -> float:
    """The share of numbers by their digits up to the trailing zeros: 1.5 million are 150 times ten thousand."""
    left, right = (
        Counter(_digits(figure).rstrip("0") for figure in _FIGURE.findall(side)) for side in (source, target)
    )
    shared = 2 * (left & right).total()
    missing = [left - right, right - left]
    if not all(missing):
        # Small ones may be in words.
        missing = [Counter({digits: n for digits, n in side.items() if not _is_small(digits)}) for side in missing]
    alone = sum(side.total() for side in missing)
    return shared / (shared + alone) if shared or alone else 1.0


class _Reading(NamedTuple):
    """A number of a sentence, whether the other must have it, and where it stands; numerals have no text."""

    number: str
    is_needed: bool
    text: str
    begin: int = 0
    end: int = 0

    def is_a(self, kind: str) -> bool:
        before, behind = _KINDS[kind]
        near = self.text[max(0, self.begin - 10) : self.begin]
        return bool(behind.match(self.text, self.end) or before.search(near))

    @property
    def is_numeral(self) -> bool:
        """Whether it is a number above twelve in Roman or Chinese numerals."""
        return not self.text and not _is_small(self.number)

    @property
    def is_hour(self) -> bool:
        return len(self.number) <= 2 and self.is_a("hour")

    @property
    def is_decade(self) -> bool:
        return self.number.endswith("0") and self.is_a("decade")

    @property
    def may_be_words(self) -> bool:
        is_hour = self.is_hour and not _ODD_MINUTES.match(self.text, self.end)
        return is_hour or self.is_decade or self.is_a("ordinal")


def _shared_readings(source: str, target: str) -> float:
    """The share of numbers that mean the same.

    An ordinal, a decade or an hour may be in words on the other side, where that has no number left that it could be.
    """
    left, right = _readings(source), _readings(target)
    shared = _paired(left, right, lambda one, other: one.number == other.number)
    shared += _paired(left, right, _mean_the_same)
    could_be = [any(one.is_needed or one.is_numeral or one.may_be_words for one in side) for side in (left, right)]
    alone = sum(
        one.is_needed and (in_digits or not one.may_be_words)
        for side, in_digits in ((left, could_be[1]), (right, could_be[0]))
        for one in side
    )
    return shared / (shared + alone) if shared or alone else 1.0


def _paired(left: list[_Reading], right: list[_Reading], are_same: Callable[[_Reading, _Reading], bool]) -> int:
    """Takes what is the same out of both sides; gives how many needed numbers these were."""
    shared = 0
    for one in list(left):
        for other in right:
            if (one.is_needed or other.is_needed) and are_same(one, other):
                left.remove(one)
                right.remove(other)
                shared += one.is_needed + other.is_needed
                break
    return shared


def _mean_the_same(one: _Reading, other: _Reading) -> bool:
    """Whether the numbers are a decade with and without its century, or an hour of both clocks."""
    short, long = sorted((one.number, other.number), key=len)
    if len(long) > 2:
        return len(long) == 4 and len(short) == 2 and long.endswith(short) and (one.is_decade or other.is_decade)
    return abs(int(short or 0) - int(long or 0)) == 12 and (one.is_hour or other.is_hour)


def _readings(text: str) -> list[_Reading]:
    """The numbers in digits, and those in Roman and Chinese numerals, which the other side need not have."""
    found = []
    for match in _NUMBER.finditer(text):
        number = _digits(match[0])
        found.append(_Reading(number, not _is_small(number), text, *match.span()))
    numerals = [*map(_roman, _ROMAN.findall(text)), *map(_han, _HAN.findall(text))]
    return found + [_Reading(number, False, "") for number in numerals]


def _roman(numeral: str) -> str:
    values = [_ROMAN_DIGITS[letter] for letter in numeral]
    return str(sum(-value if value < after else value for value, after in zip(values, [*values[1:], 0], strict=True)))


def _han(numeral: str) -> str:
    """Of digits one after the other, as in a year, or with the words for ten, hundred and thousand."""
    total, digits = 0, ""
    for character in numeral:
        if unit := _HAN_UNITS.get(character):
            total, digits = total + int(digits or 1) * unit, ""
        else:
            digits += str(int(unicodedata.numeric(character)))
    return str(total + int(digits or 0))
