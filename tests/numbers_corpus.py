"""A real, tiny translation task that the tests can write themselves: numbers in English and French words."""

from __future__ import annotations

import random
from pathlib import Path

_ENGLISH_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_ENGLISH_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_FRENCH_SMALL = [
    "zéro",
    "un",
    "deux",
    "trois",
    "quatre",
    "cinq",
    "six",
    "sept",
    "huit",
    "neuf",
    "dix",
    "onze",
    "douze",
    "treize",
    "quatorze",
    "quinze",
    "seize",
    "dix-sept",
    "dix-huit",
    "dix-neuf",
]
_FRENCH_TENS = ["vingt", "trente", "quarante", "cinquante", "soixante", "soixante", "quatre-vingt", "quatre-vingt"]


def english(number: int) -> str:
    """``number``, 0 to 9999, in English words."""
    if number < 20:
        return _ENGLISH_SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _ENGLISH_TENS[tens - 2] + (f"-{_ENGLISH_SMALL[ones]}" if ones else "")
    base, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    head, rest = divmod(number, base)
    joint = " and " if 0 < rest < 100 else " "
    return f"{english(head)} {name}" + (f"{joint}{english(rest)}" if rest else "")


def french(number: int) -> str:
    """``number``, 0 to 9999, in French words."""
    if number < 20:
        return _FRENCH_SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        if tens in (7, 9):
            tens, ones = tens - 1, ones + 10
        if ones == 0:
            return _FRENCH_TENS[tens - 2] + ("s" if tens == 8 else "")
        joint = " et " if ones in (1, 11) and tens != 8 else "-"
        return f"{_FRENCH_TENS[tens - 2]}{joint}{_FRENCH_SMALL[ones]}"
    base, name = (1000, "mille") if number >= 1000 else (100, "cent")
    head, rest = divmod(number, base)
    words = name if head == 1 else f"{french(head)} {name}{'s' if base == 100 and not rest else ''}"
    return f"{words} {french(rest)}" if rest else words


def write_corpus(directory: Path, pairs: int, seed: int = 1) -> tuple[Path, Path]:
    """Writes numbers.en and numbers.fr with ``pairs`` different numbers, one a line, in random order."""
    numbers = random.Random(seed).sample(range(10_000), pairs)
    directory.mkdir(parents=True, exist_ok=True)
    paths = directory / "numbers.en", directory / "numbers.fr"
    for path, words in zip(paths, (english, french), strict=True):
        path.write_text("".join(words(number) + "\n" for number in numbers), encoding="utf-8")
    return paths
