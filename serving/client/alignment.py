"""Which words of a sentence its translation attended to, from what the model says of subwords."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from serving.client.answers import TOO_LONG, Translation

# As SentencePiece writes them.
WORD_BEGINS = "\u2581"
END_SUBWORD = "</s>"
_BYTES = re.compile(r"(?:<0x[0-9A-F]{2}>)+")  # of characters that are no subwords


@dataclass(frozen=True)
class Alignment:
    """A translation and what each of its words attended to: ``weights[target word][source word]``.

    A row adds up to at most 1; the rest went to the end of the sentence. Words are what spaces separate; the weights of
    their subwords are added up on the source side and averaged on the target side.
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
    words: list[tuple[str, list[int]]] = []
    for place, subword in enumerate(subwords):
        if subword in (END_SUBWORD, ""):
            break
        if subword.startswith(WORD_BEGINS) or not words:
            words.append(("", []))
        text, places = words.pop()
        words.append((text + subword.removeprefix(WORD_BEGINS), [*places, place]))
    return [(_BYTES.sub(_characters, word), places) for word, places in words]


def _characters(pieces: re.Match[str]) -> str:
    return bytes.fromhex(re.sub(r"<0x|>", "", pieces[0])).decode("utf-8", errors="replace")
