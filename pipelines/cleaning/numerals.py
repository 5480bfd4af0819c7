"""The numbers in a text and what they are worth, in whatever digits, grouping and numerals they are written.

Digits may be multiplied by what is behind them (5 million, 5 lakh, 1億2345万6789), and numerals may be Chinese,
Ethiopic or Roman. What is ambiguous (1.234, a billion) has every value that it may have.
"""

# ruff: noqa: RUF001

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum, auto
from typing import NamedTuple

_POINT = "[.,\u066b\uff0c]"
# Grouped by three digits, or, in India, by two before the last three.
_NUMBER = (
    r"\d(?:\d{0,2}(?:[.,' \u00a0\u202f\u2019\u066c\uff0c]\d{3})+(?!\d)"
    r"|\d?(?:[,\u066c]\d{2}){1,8}[,\u066c]\d{3}(?!\d)|\d*)"
)
_DECIMAL = rf"{_NUMBER}{_POINT}\d+(?!{_POINT}?\d)"
_FIGURE = f"(?:{_DECIMAL}|{_NUMBER})"
_NOT_DIGITS = re.compile(r"\D")
_LAST_POINT = re.compile(rf"{_POINT}(?=\d+$)")
NUMBER = re.compile(_NUMBER)
_LEADING_FIGURE = re.compile(_FIGURE)

_WORD = r"[^\W\d_]*"
# What multiplies the number before it, by the power of ten; the second one is that of other countries. Of words for
# powers of a thousand here are only common ones, since any word may be one: see ``pipelines.cleaning.numbers``.
_UNITS = {
    (1, 1): "[十拾]",
    (2, 2): f"hund(?:red|ert){_WORD}|[百佰백\u137b]|ร้อย(?!ละ)",
    (3, 3): f"(?:thousand|tausend|tusen|tusind|duizend|tysi[ąę]c|tisíc|tisoč|т[ыи]сяч){_WORD}|[千仟천]|พัน(?!ธ)|ພັນ",
    (4, 4): f"(?:vạn|түм){_WORD}|[万萬만\u137c]|หมื่น|ໝື່ນ|ម៉ឺន",
    (5, 5): f"lakh{_WORD}|लाख|लख|লাখ|লক্ষ|ਲੱਖ|લાખ|ଲକ୍ଷ|இ?லட்ச|లక్ష|ಲಕ್ಷ|ലക്ഷ|ලක්ෂ|لاکھ|แสน|ແສນ|សែន",
    (6, 6): f"(?:mil(?:l?[ijy]+[oóõãuú]|h[ãõ]|l[oó]n)|м[иі]л+[иь][йё]?о?н|triệu){_WORD}|ล้าน|ລ້ານ|លាន",
    (7, 7): f"crore{_WORD}|करोड|कोटी|कोटि|কোটি|ਕਰੋੜ|કરોડ|କୋଟି|கோடி|కోటి|కోట్ల|ಕೋಟಿ|കോടി|කෝටි|کروڑ",
    (8, 8): "[億亿억]",
    (9, 9): f"(?:mill?[ijy]+[aáä]r|м[иі]л+[иь][јяа]+рд){_WORD}|t[ỷỉ](?!\\w)",
    (9, 12): f"(?:bil(?:l?[ijy]+[oóõãuú]|h[ãõ]|l[oó]n)|б[иі]л+[иь][йё]?о?н){_WORD}",
    (12, 18): f"(?:tril(?:l?[ijy]+[oóõãuú]|h[ãõ]|l[oó]n)|тр[иы]л+[иь][йё]?о?н){_WORD}",
    (12, 6): "[兆조]",
}
_POWERS = list(_UNITS)
_HAN_DIGITS = {
    character: str(digit)
    for digit, characters in enumerate(
        ("〇零", "一壹壱", "二两兩両贰貳弐", "三叁參参", "四肆", "五伍", "六陆陸", "七柒", "八捌", "九玖")
    )
    for character in characters
}
_DIGITS = f"[{''.join(_HAN_DIGITS)}]+"
# The first year of an emperor, and nowhere else a digit.
_FIRST = "元"
# Each a number: Chinese tens, Ethiopic digits and tens, and Unicode's Roman and circled numbers.
_WHOLE = "[廿卅卌\u1369-\u137a\u2160-\u217f\u2460-\u2473\u3251-\u325f\u32b1-\u32bf]"
_TENS = "十拾百佰千仟\u137b\u137c"
_MYRIADS = "万萬億亿兆"
# 20多万 are more than twenty times ten thousand.
_UNIT = rf"[ \u00a0\u202f]?(?=[^\W\d_])[多余餘几幾数數여]?(?i:{'|'.join(_UNITS.values())})"
_TOKEN = re.compile(
    # Behind 제 and 第 is an ordinal: 제27조 is the 27th article.
    rf"(?P<multiplied>(?<![제第]){_FIGURE}{_UNIT}(?:(?:[ ]?{_FIGURE}|{_DIGITS})?{_UNIT})*"
    rf"(?:(?<=[{_TENS}{_MYRIADS}])(?:{_DIGITS}|{_FIGURE})|(?<=[천만억])[ ]?{_FIGURE})?)"
    rf"|(?P<decimal>{_DECIMAL})|(?P<number>{_NUMBER})"
    rf"|(?P<numeral>(?:{_DIGITS}|{_WHOLE}|[{_TENS}])(?:{_DIGITS}|{_WHOLE}|[多余餘几幾数數]?[{_TENS}{_MYRIADS}])*"
    rf"|[{_MYRIADS}]|{_FIRST}(?=年))"
)
# A search for these is several times as fast as one for the patterns that begin with them.
_BEGIN = re.compile(rf"[\d{_FIRST}{''.join(_HAN_DIGITS)}{_TENS}{_MYRIADS}{_WHOLE[1:-1]}]")
UNIT = re.compile(_UNIT)
_UNIT_GROUP = "unit"
_PART = re.compile(
    rf"(?P<figure>{_FIGURE})|(?P<digits>{_DIGITS}|{_FIRST})|(?P<whole>{_WHOLE})|(?i:"
    + "|".join(f"(?P<{_UNIT_GROUP}{place}>{unit})" for place, unit in enumerate(_UNITS.values()))
    + ")"
)
_ROMAN = re.compile(r"(?<![^\W_])(?=[IVXLCDM]{2})M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})(?![A-Z])")
_ROMAN_LETTERS = re.compile("[IVXLCDM]{2}")
_ROMAN_DIGITS = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


class Form(Enum):
    """How a number is written."""

    MULTIPLIED = auto()
    DECIMAL = auto()
    NUMBER = auto()
    NUMERAL = auto()


class Written(NamedTuple):
    """A number in a text, the values that it may have, and those of the digits before what multiplies it."""

    form: Form
    values: tuple[Decimal, ...]
    text: str
    begin: int
    end: int
    figures: tuple[Decimal, ...] = ()

    def parts(self) -> Iterator[Written]:
        """The numbers before and behind a decimal point, which may be that of a date, an hour or a verse."""
        for match in NUMBER.finditer(self.text, self.begin, self.end):
            yield Written(Form.NUMBER, (_whole(match[0]),), self.text, *match.span())


def written_numbers(text: str) -> Iterator[Written]:
    """All numbers of a text, Roman ones last."""
    end = 0
    while found := _BEGIN.search(text, end):
        match = _TOKEN.match(text, found.start())
        end = match.end() if match else found.end()
        if match:
            yield _written(match)
    if not _ROMAN_LETTERS.search(text):
        return
    for match in _ROMAN.finditer(text):
        yield Written(Form.NUMERAL, (_roman(match[0]),), text, *match.span())


def _written(match: re.Match[str]) -> Written:
    kind, number = match.lastgroup, match[0]
    place = match.string, *match.span()
    if kind == "number" or (kind == "decimal" and NUMBER.fullmatch(number)):
        return Written(Form.NUMBER, (_whole(number),), *place)
    if kind == "decimal":
        return Written(Form.DECIMAL, _figure(number), *place)
    if kind == "numeral":
        return Written(Form.NUMERAL, _product(number), *place)
    first = _LEADING_FIGURE.match(number)
    return Written(Form.MULTIPLIED, _product(number), *place, _figure(first[0]) if first else ())


def _whole(number: str) -> Decimal:
    return Decimal(_NOT_DIGITS.sub("", number))


def _figure(figure: str) -> tuple[Decimal, ...]:
    """Its value with the separator taken for one of thousands, if it may be that, and for a decimal point."""
    whole = [_whole(figure)] if NUMBER.fullmatch(figure) else []
    before, *behind = _LAST_POINT.split(figure)
    return (*whole, *(Decimal(f"{_NOT_DIGITS.sub('', before)}.{fraction}") for fraction in behind))


def _product(numeral: str) -> tuple[Decimal, ...]:
    parts = list(_PART.finditer(numeral))
    totals = [_total(parts, country, separator) for country in (0, 1) for separator in (0, -1)]
    if len(parts) > 1 and len(parts[-1][0]) == 1 and (power := _power(parts[-2], 0)) > 1:
        # 两万五 are 25,000, in speech.
        (last,) = _values_of(parts[-1])
        totals += [total - last + last.scaleb(power - 1) for total in totals]
    return tuple(dict.fromkeys(totals))


def _total(parts: list[re.Match[str]], country: int, separator: int) -> Decimal:
    """The sum of a numeral's parts, each multiplied by the units behind it that are larger."""
    terms: list[Decimal] = []
    before = 0
    for part in parts:
        power = _power(part, country)
        if not power:
            terms.append(_values_of(part)[separator])
        else:
            unit = Decimal(1).scaleb(power)
            first = len(terms)
            # A unit after the same one multiplies it, too: a million million.
            while first and (terms[first - 1] < unit or power == before):
                first -= 1
            multiplied = sum(terms[first:], Decimal(0)) if terms[first:] else Decimal(1)
            terms[first:] = [multiplied * unit]
        before = power
    return sum(terms, Decimal(0))


def _power(part: re.Match[str], country: int) -> int:
    """The power of ten that a part of a numeral multiplies with; 0 for one that is a number."""
    name = str(part.lastgroup)
    return _POWERS[int(name.removeprefix(_UNIT_GROUP))][country] if name.startswith(_UNIT_GROUP) else 0


def _values_of(part: re.Match[str]) -> tuple[Decimal, ...]:
    if part.lastgroup == "figure":
        return _figure(part[0])
    if part.lastgroup == "whole":
        return (Decimal(int(unicodedata.numeric(part[0]))),)
    return (Decimal("".join(_HAN_DIGITS.get(character, "1") for character in part[0])),)


def _roman(numeral: str) -> Decimal:
    values = [_ROMAN_DIGITS[letter] for letter in numeral]
    return Decimal(
        sum(-value if value < after else value for value, after in zip(values, [*values[1:], 0], strict=True))
    )
