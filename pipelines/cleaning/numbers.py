"""How far two sentences have the same numbers, whatever the digits, the grouping and the way they are written.

Most pairs with numbers have the same ones in digits, which is seen at once. The others are looked at more closely: a
number may be an ordinal (the 18th, XVIIIe), of a decade or a century (the 1960s, 1800-talet), an hour (3 pm, 15 h), in
numerals, or multiplied by what is behind it (5 million, 5万).
"""

# ruff: noqa: RUF001

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from functools import cached_property

import regex

from pipelines.cleaning.numerals import NUMBER, UNIT, Form, Written, written_numbers

# Smaller ones are often words on one side.
_LARGEST_SMALL = 12
# Characters of both sides: what follows compares every number with every other.
_MOST_READ = 5000
# Twice as fast as with the module re.
_IN_A_ROW = regex.compile(r"\d+")
_NOT_DIGITS = re.compile(r"\D")

# What is before a number and behind it, by what it is then.
_KINDS = {
    "hour": (
        re.compile(r"(?:\bkl\.? |\bklo |[午晨晚]|오전 |오후 )$", re.IGNORECASE),
        re.compile(
            r"(?:[:\uff1a.]|\s?h\s?)[0-5]\d(?!\d)|\s?(?:h|hrs?|uhr|uur|o['\u2019]clock|heures?|horas?|час\w*|годин\w*|giờ"
            r"|[ap]\.?\s?m)(?!\w)|\s?[時时點点시]|\sबजे|\sนาฬิกา",
            re.IGNORECASE,
        ),
    ),
    # In brackets it is a verse.
    "minutes": (
        re.compile(
            r"(?<![(\[\d])[012]?\d(?:[:\uff1a]|\s?h\s?|\s?[時时點点시]\s?)$|\bklo? ?\.? ?\d\d?\.$", re.IGNORECASE
        ),
        re.compile(r"(?!)"),
    ),
    "decade": (
        re.compile(r"\b(?:ann[ée]es|años|anys|anos|anni|anii|lata|léta|roky|åren) ['\u2019]?$", re.IGNORECASE),
        re.compile(
            r"(?:['\u2019]?s|-?ern?|-?[ех]|-?lu[vk]u\w*|-?tall?(?:et)?s?|['\u2019]?l[ae]r\w*)(?!\w)|\s?(?:年代|년대)"
        ),
    ),
    "ordinal": (
        re.compile(r"(?:第|제|\bthứ )\s?$"),
        re.compile(
            r"(?:st|nd|rd|th|er?|re|[èe]re|[èe]me|os?|as?|[ºª°]|de|ste|ος|η|ο)(?!\w)|-?[а-яіїє]{1,3}(?!\w)"
            r"|\.\s(?=[^\W\d_])|\s?(?:番目|つ目|번째)"
        ),
    ),
    # Years that are not counted from the birth of Christ.
    "era": (
        re.compile(
            r"(?:[พພ]\.?\s?[ศສ]|ព\.?\s?ស|ฮ\.?\s?ศ|令和|平成|昭和|大正|明治|民[國国]|단기|वि\.?\s?सं|संवत|सम्वत्?|\bA\.?H)\.?\s?$"
        ),
        re.compile(
            r"\s?(?:A\.?H|B\.?E|[Hh]ijri\w*|هـ|ه\u200d?\.?\s?[شق]|(?:لل)?هجر[يیة]\w*|خورشیدی|شمسی|ዓ\.?\s?ም)(?!\w)"
        ),
    ),
}
# Of quarters of an hour, which are said in words; who writes 13:12 writes no words, or means a verse.
_QUARTERS = ("15", "30", "45")
_ODD_MINUTES = re.compile(r"(?:[:\uff1a.]|\s?h\s?)\d[1-46-9](?!\d)")

# Letters beside a number, of a word that may multiply it: all words for that in Chinese, Japanese, Korean and Thai are
# known. Only Tibetan and Burmese have unknown ones for other powers than those of a thousand.
_LETTER = "[A-Za-z\u00c0-\u0dff\u0e80-\u10ff\u1200-\u1fff\u2c00-\u2dff\ua000-\uabff]"
_WORD_BEHIND = re.compile(f"[ \u00a0\u202f-]?{_LETTER}")
_WORD_BEFORE = re.compile(f"{_LETTER}[ \u00a0\u202f-]?$")
# Those of English, whose words are known as well.
_ENGLISH_BEHIND = re.compile(
    r"[ \u00a0\u202f-]?(?:[kmbt]|ml?n|t?r?bn|trn?|dozen|grand|gross|score)(?![^\W\d_])", re.IGNORECASE
)
_TIBETAN_OR_BURMESE = re.compile("[\u0f00-\u109f]")
_THOUSANDS = (3, 6, 9, 12)


def shared_numbers(source: str, target: str, english: tuple[bool, bool] = (False, False)) -> float:
    """Share of the numbers above twelve of both sides that the other side has too (Dice coefficient), 1 if none.

    Separators of thousands and leading zeros are left out; a decimal point makes two numbers of those that differ.
    english: whether each side is in English, in which 20 people are not 20,000.
    """
    rows = _IN_A_ROW.findall(source), _IN_A_ROW.findall(target)
    if rows[0] == rows[1]:
        are_same = True
    else:
        left, right = (
            Counter(number for number in _numbers(side) if not _is_small(number)) for side in (source, target)
        )
        are_same = left == right
    if are_same and not (_has_multiplied(source, rows[0]) and _has_multiplied(target, rows[1])):
        return 1.0
    if len(source) + len(target) > _MOST_READ:
        return 1.0 if are_same else 2 * (left & right).total() / (left.total() + right.total())
    return _shared_readings(source, target, english)


def _has_multiplied(text: str, rows: list[str]) -> bool:
    """Whether any of all digits in a row is before what is known to multiply it."""
    end = 0
    for row in rows:
        end = text.find(row, end) + len(row)
        if UNIT.match(text, end):
            return True
    return False


def _numbers(text: str) -> list[str]:
    return [_digits(number) for number in NUMBER.findall(text)]


def _digits(number: str) -> str:
    digits = _NOT_DIGITS.sub("", number)
    if not digits.isascii():
        digits = "".join(str(unicodedata.decimal(digit)) for digit in digits)
    return digits.lstrip("0")


def _is_small(digits: str) -> bool:
    return len(digits) < 2 or (len(digits) == 2 and int(digits) <= _LARGEST_SMALL)


class _Reading:
    """A number of a sentence, and what it may mean on the other side.

    Whether it is needed there: numerals and small numbers are words as often. What is significant of it are the digits
    that stay when a power of ten multiplies it.
    """

    def __init__(self, written: Written, in_english: bool):
        self.written = written
        self.in_english = in_english
        self.values = frozenset(written.values)
        self.is_small = written.values[0] <= _LARGEST_SMALL
        self.digits = f"{written.values[0]:f}"
        self.significant = self.digits.replace(".", "").strip("0")
        self.is_needed: bool = written.form is Form.MULTIPLIED or (written.form is Form.NUMBER and not self.is_small)
        if written.form is Form.DECIMAL:
            self.is_needed = any(part.is_needed for part in self.parts())

    def parts(self) -> list[_Reading]:
        return [_Reading(part, self.in_english) for part in self.written.parts()]

    @property
    def is_numeral(self) -> bool:
        """Whether it is a numeral above twelve, and not only a word for hundred or a thousand."""
        return self.written.form is Form.NUMERAL and not self.is_small and self.significant != "1"

    def is_a(self, kind: str) -> bool:
        before, behind = _KINDS[kind]
        text, begin, end = self.written.text, self.written.begin, self.written.end
        return bool(behind.match(text, end) or before.search(text[max(0, begin - 10) : begin]))

    @cached_property
    def is_hour(self) -> bool:
        return len(self.digits) <= 2 and self.is_a("hour")

    @cached_property
    def is_decade(self) -> bool:
        return len(self.digits) >= 2 and self.digits.endswith("0") and self.is_a("decade")

    @cached_property
    def is_era(self) -> bool:
        return len(self.digits) <= 4 and self.is_a("era")

    @property
    def may_be_words(self) -> bool:
        if self.written.form is Form.MULTIPLIED:
            return min(self.written.figures) <= _LARGEST_SMALL
        if self.written.form is not Form.NUMBER:
            return False
        is_hour = self.is_hour and not _ODD_MINUTES.match(self.written.text, self.written.end)
        is_quarter = self.digits in _QUARTERS and self.is_a("minutes")
        return is_hour or is_quarter or self.is_decade or self.is_a("ordinal")

    @cached_property
    def multiples(self) -> frozenset[Decimal]:
        """What it may be with the words beside it, and without those that are known to multiply it."""
        if self.written.form is Form.NUMERAL:
            return frozenset()
        if self.written.form is Form.MULTIPLIED:
            return frozenset(self.written.figures)
        text, begin, end = self.written.text, self.written.begin, self.written.end
        if self.in_english:
            words = [_ENGLISH_BEHIND.match(text, end)]
        else:
            words = [_WORD_BEHIND.match(text, end), _WORD_BEFORE.search(text[max(0, begin - 2) : begin])]
        beside = "".join(word[0] for word in words if word)
        powers = range(3, 13) if _TIBETAN_OR_BURMESE.search(beside) else _THOUSANDS if beside else ()
        return frozenset(value.scaleb(power) for value in self.values for power in powers)


def _shared_readings(source: str, target: str, english: tuple[bool, bool]) -> float:
    """The share of numbers that mean the same.

    An ordinal, a decade or an hour may be in words on the other side, where that has no number left that it could be.
    """
    left, right = (
        [_Reading(written, in_english) for written in written_numbers(side)]
        for side, in_english in zip((source, target), english, strict=True)
    )
    shared = _paired(left, right, _are_the_same) + _paired(left, right, _may_be_the_same)
    left, right = _without_decimals(left), _without_decimals(right)
    shared += _paired(left, right, _are_the_same) + _paired(left, right, _mean_the_same)
    could_be = [any(one.is_needed or one.is_numeral or one.may_be_words for one in side) for side in (left, right)]
    alone = sum(
        one.is_needed and (in_digits or not one.may_be_words) and not one.is_era
        for side, in_digits in ((left, could_be[1]), (right, could_be[0]))
        for one in side
    )
    return shared / (shared + alone) if shared or alone else 1.0


def _paired(left: list[_Reading], right: list[_Reading], are_same: Callable[[_Reading, _Reading], bool]) -> int:
    """Takes what is the same out of both sides; gives how many needed numbers these were."""
    shared = 0
    for one in list(left):
        for other in right:
            if are_same(one, other):
                left.remove(one)
                right.remove(other)
                shared += one.is_needed + other.is_needed
                break
    return shared


def _without_decimals(side: list[_Reading]) -> list[_Reading]:
    """The numbers of a side, with two instead of each with a decimal point, which may be that of a date or a verse."""
    return [part for one in side for part in (one.parts() if one.written.form is Form.DECIMAL else [one])]


def _are_the_same(one: _Reading, other: _Reading) -> bool:
    return not one.values.isdisjoint(other.values)


def _may_be_the_same(one: _Reading, other: _Reading) -> bool:
    """Whether the numbers are the same if words beside them multiply them, or if a word known to does not."""
    if one.significant != other.significant or not (one.is_needed or other.is_needed):
        return False
    # What multiplies one may be unknown on the other side, but not where nothing is.
    if any(
        this.written.form is Form.MULTIPLIED and that.written.form is Form.NUMBER and not that.multiples
        for this, that in ((one, other), (other, one))
    ):
        return False
    return not (one.values.isdisjoint(other.multiples) and one.multiples.isdisjoint(other.values))


def _mean_the_same(one: _Reading, other: _Reading) -> bool:
    """Whether the numbers are a decade with and without its century, a century, an hour of both clocks, or years."""
    if not (one.is_needed or other.is_needed):
        return False
    if one.is_era or other.is_era:
        return any(this.is_era and len(year.digits) in (3, 4) for this, year in ((one, other), (other, one)))
    short, long = sorted((one.digits, other.digits), key=len)
    if len(long) <= 2:
        return abs(int(short) - int(long)) == 12 and (one.is_hour or other.is_hour)
    if len(short) > 2 or len(long) > 4 or "." in long:
        return False
    is_decade = len(long) == 4 and len(short) == 2 and long.endswith(short)
    is_century = int(long) == (int(short) - 1) * 100
    return (is_decade or is_century) and (one.is_decade or other.is_decade)
