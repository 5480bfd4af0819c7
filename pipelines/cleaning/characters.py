"""What Unicode says of characters: tables of them all, for many sentences at once, and normal forms of any text."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import regex

# Beyond the first four planes there are no letters; the last entry stands for all that lies there.
TABLE_SIZE = 0x40001
# Shorter text is in its normal form in less than a millisecond, whatever it is.
_LONG = 500
# Characters that are marks to be sorted, or become such.
SORTED_MARKS = r"[[\p{M}--\p{ccc=0}]\u0f73\u0f75\u0f81\uff9e\uff9f]"
_LONG_RUN = regex.compile(rf"({SORTED_MARKS}{{30}})(?={SORTED_MARKS})", regex.V1)


@cache
def table_of(pattern: str) -> npt.NDArray[np.bool_]:
    """For every character whether the pattern, a set in the syntax of regex's version 1, matches it.

    Raises ValueError for a pattern that is none.
    """
    try:
        matches = regex.findall(pattern, every_character(), flags=regex.V1)
    except regex.error as error:
        raise ValueError(str(error)) from error
    table = np.zeros(TABLE_SIZE, bool)
    table[np.frombuffer("".join(matches).encode("utf-32-le"), "<u4")] = True
    return table


def every_character() -> str:
    """All that the tables are about; halves of surrogate pairs are no characters."""
    codes = np.concatenate((np.arange(0xD800), np.arange(0xE000, TABLE_SIZE - 1))).astype("<u4")
    return codes.tobytes().decode("utf-32-le")


def normalized(form: Literal["NFC", "NFKC"], text: str) -> str:
    """The text in a normal form. In long text, runs of marks are parted by U+034F, which nobody sees.

    That is Unicode's Stream-Safe Text Format (UAX #15), which has 30 marks at most in a row: marks are sorted, in a
    time that is the square of their number.
    """
    if len(text) > _LONG:
        text = _LONG_RUN.sub("\\1\u034f", text)
    return unicodedata.normalize(form, text)
