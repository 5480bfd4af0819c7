"""What is wrong with a translation, as far as its text tells: its numbers, words copied from the source, repetitions.

The references excuse what they do as well. Digits, letters and words are Unicode's: no script is a special case.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter
from collections.abc import Sequence

import regex

from model.evaluation.words import words_of, words_with_space

# Digits, with what groups them or marks a fraction, Arabic's too; a space only before three digits: 12 000, not 20 30.
_NUMBER = regex.compile(
    r"(?<!\p{Nd})\p{Nd}{1,3}(?:[ \u00a0\u202f]\p{Nd}{3})+(?!\p{Nd})|\p{Nd}+(?:[.,\u066b\u066c'\u2019]\p{Nd}+)*"
)
_LETTER = regex.compile(r"\p{Alphabetic}")
# Smaller ones are as often written in words, on either side.
_SMALLEST = 13
# Fewer words are a name.
_WORDS_COPIED = 4
_WORDS_REPEATED = 8


def wrong_numbers(source: str, translation: str, references: Sequence[str]) -> list[str]:
    """Numbers from 13 on that are missing, as ``-14``, and such that should not be there, as ``+40``.

    Missing is what the source and every reference have; too much what none of them has. Numbers are equal whose digits
    are, in whatever script, and whatever stands between them.
    """
    found, known = numbers_in(translation), [numbers_in(text) for text in (source, *references)]
    common, any_of = known[0], known[0]
    for numbers in known[1:]:
        common, any_of = common & numbers, any_of | numbers
    wrong = [("-", number) for number in (common - found).elements()]
    wrong += [("+", number) for number in (found - any_of).elements()]
    return [sign + number for sign, number in wrong if len(number) > 2 or int(number) >= _SMALLEST]


def numbers_in(text: str) -> Counter[str]:
    """How often a text has each number in digits: in ASCII, without leading zeros and without what groups digits."""
    numbers = (
        "".join(str(unicodedata.decimal(sign)) for sign in number if sign.isdecimal())
        for number in _NUMBER.findall(text)
    )
    return Counter(number.lstrip("0") or "0" for number in numbers)


def copied_words(source: str, translation: str, references: Sequence[str]) -> str:
    """The most words in a row that the translation has of the source: "" where they are less than four and not all of
    the translation, or a reference has them too."""
    words = words_of(translation)
    matcher = difflib.SequenceMatcher(a=_folded(words_of(source)), b=_folded(words), autojunk=False)
    run = matcher.find_longest_match()
    copied = words[run.b : run.b + run.size]
    if run.size < min(_WORDS_COPIED, len(words)) or not _LETTER.search("".join(copied)):
        return ""
    if any(_have(_folded(words_of(text)), _folded(copied)) for text in references):
        return ""
    return _as_written(translation, run.b, run.size)


def repeated_words(source: str, translation: str, references: Sequence[str]) -> str:
    """The most words that the translation has twice, one right after the other: "" where there are none, or the source
    or a reference repeats words, too."""
    if any(size for _, size in (_repeated(words_of(text)) for text in (source, *references))):
        return ""
    return _as_written(translation, *_repeated(words_of(translation)))


def _as_written(text: str, start: int, size: int) -> str:
    """So many words of a text, with what white space there is between them."""
    return "".join(words_with_space(text)[start : start + size]).strip()


def _repeated(words: Sequence[str]) -> tuple[int, int]:
    """Where they are, and how many; 0 where there are none."""
    folded = _folded(words)
    for size in range(min(_WORDS_REPEATED, len(words) // 2), 0, -1):
        for start in range(len(words) - 2 * size + 1):
            run = folded[start : start + size]
            if folded[start + size : start + 2 * size] == run and _LETTER.search("".join(run)):
                # One character is doubled rightly in many a word.
                thrice = folded[start + 2 * size : start + 3 * size] == run
                if thrice or len("".join(run)) > 1:
                    return start, size
    return 0, 0


def _folded(words: Sequence[str]) -> list[str]:
    return [word.casefold() for word in words]


def _have(words: list[str], run: list[str]) -> bool:
    return any(words[start : start + len(run)] == run for start in range(len(words) - len(run) + 1))
