"""Which words of a sentence its translation attended to, from what the model says of subwords."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import regex

from serving.client.answers import TOO_LONG, Translation
from workspace.scripts import UNSPACED_LETTERS

# As SentencePiece writes them.
WORD_BEGINS = "\u2581"
END_SUBWORD = "</s>"
_BYTES = re.compile(r"(?:<0x[0-9A-F]{2}>)+")  # of characters that are no subwords
_FURTHER_BYTE = re.compile(r"<0x[89AB][0-9A-F]>")  # of a character, as UTF-8 has them
_UNSPACED = regex.compile(UNSPACED_LETTERS, regex.V1)


@dataclass(frozen=True)
class Alignment:
    """A translation and what each of its words attended to: ``weights[target word][source word]``.

    A row adds up to at most 1; the rest went to the end of the sentence. Words are what spaces separate, and where that
    has letters of a script without spaces, subwords; the weights of a word's subwords are added up on the source side
    and averaged on the target side.
    """

    translation: Translation
    source: list[str]
    target: list[str]
    weights: list[list[float]]

    def links(self) -> list[tuple[int, int]]:
        """For every target word, the source word it attended to most: (source, target), counted from 0."""
        return [(row.index(max(row)), target) for target, row in enumerate(self.weights) if row]


# Of a text that is too long.
UNALIGNED = Alignment(TOO_LONG, [], [], [])


def align_words(
    translation: Translation, source: Sequence[str], target: Sequence[str], weights: Sequence[float]
) -> Alignment:
    """The alignment of words, made from that of the subwords ``source`` and ``target``.

    weights: one for each subword of the source, for the first subword of the target, then for its second, and so on.
    """
    source_words, target_words = _words(source), _words(target)
    of_words = [
        [
            sum(weights[row * len(source) + column] for row in rows for column in columns) / len(rows)
            for _, columns in source_words
        ]
        for _, rows in target_words
    ]
    return Alignment(translation, [word for word, _ in source_words], [word for word, _ in target_words], of_words)


def _words(subwords: Sequence[str]) -> list[tuple[str, list[int]]]:
    """The words that the subwords of a sentence make, without its end, and the places of each word's subwords."""
    between_spaces: list[list[tuple[str, list[int]]]] = []
    for place, subword in enumerate(subwords):
        if subword in (END_SUBWORD, ""):
            break
        if subword.startswith(WORD_BEGINS) or not between_spaces:
            between_spaces.append([("", [])])
        units, text = between_spaces[-1], subword.removeprefix(WORD_BEGINS)
        before, places = units[-1]
        # A space may be a subword of its own, and a character some of its bytes.
        if not before or _FURTHER_BYTE.fullmatch(text):
            units[-1] = (before + text, [*places, place])
        else:
            units.append((text, [place]))
    words = []
    for units in between_spaces:
        read = [(_BYTES.sub(_characters, text), places) for text, places in units]
        whole = "".join(text for text, _ in read)
        words += read if _UNSPACED.search(whole) else [(whole, [place for _, places in read for place in places])]
    return words


def _characters(pieces: re.Match[str]) -> str:
    return bytes.fromhex(re.sub(r"<0x|>", "", pieces[0])).decode("utf-8", errors="replace")
