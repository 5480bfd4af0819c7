"""Which characters get an entry of a vocabulary of their own.

SentencePiece wants one for every character that it learns from. So the others are taken out of what it learns from, and
become unknown or, with byte_fallback, bytes. Its own setting for this cannot leave out more than 2 % of a text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from recipes.data_schema import Subwords
from workspace.errors import UserError

# SentencePiece's advice for scripts like those of Chinese and Japanese.
_LARGE_SCRIPT, _COVERAGE_OF_LARGE_SCRIPT = 1000, 0.9995
_SPECIAL, _BYTES = 3, 256
# Entries besides those: the space and a character at least; of much room a quarter is for longer subwords.
_LEAST, _MUCH = 2, 100


def with_covered_characters(sentences: Iterable[str], settings: Subwords, symbols: int) -> list[str]:
    """The sentences with a space for every character that gets no entry; ``symbols``: how many strings have one.

    Raises UserError where the vocabulary has room for bytes, but for no character at all.
    """
    counts: Counter[str] = Counter()
    read = []
    for sentence in sentences:
        counts.update(sentence)
        read.append(sentence)
    del counts[" "]
    room = settings.vocabulary - _SPECIAL - symbols - (_BYTES if settings.byte_fallback else 0)
    if settings.byte_fallback and room < _LEAST:
        raise UserError(
            f"subwords.vocabulary is {settings.vocabulary}, but needs {settings.vocabulary + _LEAST - room} at least, "
            "for the 256 bytes of subwords.byte_fallback, symbols and a character; set it to that or more"
        )
    left_out = dict.fromkeys(map(ord, _left_out(counts, settings, room)), " ")
    # Words are learnt whole, whatever their characters.
    return [sentence.translate(left_out) for sentence in read] if left_out and settings.type != "word" else read


def _left_out(counts: Counter[str], settings: Subwords, room: int) -> list[str]:
    """The rarest characters, which get none of the ``room`` entries."""
    coverage = settings.character_coverage
    if coverage is None:
        is_large = len(counts) > max(_LARGE_SCRIPT, room // 2)
        coverage = _COVERAGE_OF_LARGE_SCRIPT if is_large else 1.0
    by_frequency = sorted(counts, key=lambda character: (-counts[character], character))
    wanted, covered = coverage * counts.total(), 0
    while covered < len(by_frequency) and wanted > 0:
        wanted -= counts[by_frequency[covered]]
        covered += 1
    if settings.byte_fallback:
        # The space takes an entry, too.
        covered = min(covered, (room if room < _MUCH else room * 3 // 4) - 1)
    return by_frequency[covered:]
