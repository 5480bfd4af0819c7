"""Which characters get an entry of a vocabulary of their own.

SentencePiece wants one for every character that it learns from. So the others are taken out of what it learns from, and
become unknown or, with byte_fallback, bytes. Its own setting for this cannot leave out more than 2 % of a text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from recipes.data_schema import Subwords
from workspace.errors import UserError

# SentencePiece's advice for scripts like those of Chinese and Japanese.
_LARGE_SCRIPT, _COVERAGE_OF_LARGE_SCRIPT = 1000, 0.9995
_SPECIAL, _BYTES = 3, 256
# Entries besides those: the space and a character at least; of much room a quarter is for longer subwords.
_LEAST, _MUCH = 2, 100


class Covered(NamedTuple):
    """The sentences with a space for every character that gets no entry; has_bytes: whether bytes have entries, so that
    those characters are spelt in them."""

    sentences: list[str]
    has_bytes: bool


def with_covered_characters(sentences: Iterable[str], settings: Subwords, symbols: int) -> Covered:
    """The sentences as a model can be learnt from them; ``symbols``: how many strings have an entry besides.

    Raises UserError where the vocabulary has room for bytes, but for no character at all.
    """
    counts: Counter[str] = Counter()
    read = []
    for sentence in sentences:
        counts.update(sentence)
        read.append(sentence)
    del counts[" "]
    # Words are learnt whole, whatever their characters.
    if settings.type == "word":
        return Covered(read, has_bytes=False)
    room = settings.vocabulary - _SPECIAL - symbols
    wanted = _wanted(counts, settings.character_coverage, room)
    # The space takes an entry, too.
    must_shrink = settings.shrink and len(wanted) + 1 > room >= _BYTES + _LEAST
    has_bytes = settings.byte_fallback or must_shrink
    if has_bytes:
        room -= _BYTES
        if room < _LEAST:
            raise UserError(
                f"subwords.vocabulary is {settings.vocabulary}, but needs {settings.vocabulary + _LEAST - room} at "
                "least, for the 256 bytes of subwords.byte_fallback, symbols and a character; set it to that or more"
            )
        wanted = _wanted(counts, settings.character_coverage, room)
        wanted = wanted[: (room if room < _MUCH else room * 3 // 4) - 1]
    left_out = dict.fromkeys(map(ord, counts.keys() - wanted), " ")
    return Covered([sentence.translate(left_out) for sentence in read] if left_out else read, has_bytes)


def _wanted(counts: Counter[str], coverage: float | None, room: int) -> list[str]:
    """The most frequent characters, as many as the coverage of the text wants, be there room or not.

    coverage: its share, or None for what becomes the script and the ``room``, in entries.
    """
    if coverage is None:
        is_large = len(counts) > max(_LARGE_SCRIPT, room // 2)
        coverage = _COVERAGE_OF_LARGE_SCRIPT if is_large else 1.0
    by_frequency = sorted(counts, key=lambda character: (-counts[character], character))
    left, covered = coverage * counts.total(), 0
    while covered < len(by_frequency) and left > 0:
        left -= counts[by_frequency[covered]]
        covered += 1
    return by_frequency[:covered]
