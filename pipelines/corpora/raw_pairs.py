"""A sentence pair as a file has it, before anything is mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from recipes.data_schema import PairFiles


class RawPair(NamedTuple):
    """Source and target, meant to be UTF-8, and the line of the file that the pair begins in, from 1.

    What has no lines, such as Parquet, has rows.
    """

    source: bytes
    target: bytes
    line: int


class LeftOut(NamedTuple):
    """What a file has besides translated pairs: why it is no pair, in the words of a warning, and its line."""

    why: str
    line: int


Warn: TypeAlias = Callable[[str], object]
Reader: TypeAlias = Callable[[PairFiles, Warn], Iterator[RawPair | LeftOut]]

UNTRANSLATED = "have no translation"


def encoded(text: str) -> bytes:
    """Text as UTF-8, except that bytes which were not UTF-8 when read, and half surrogate pairs, still are not."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
