"""Tables of all characters: what Unicode says of each, looked up for many sentences at once."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import regex

# Beyond the first four planes there are no letters; the last entry stands for all that lies there.
TABLE_SIZE = 0x40001


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
