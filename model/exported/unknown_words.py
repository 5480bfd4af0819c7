"""Words of the source in place of unknown words of a translation, without TensorFlow: as ``model.search.unknown_words``
has it."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import regex
import sentencepiece

from workspace.layout import UNKNOWN_ID
from workspace.unknown_words import AFTER, BEFORE, BEGINS_WHITE, CORE, HAS_UNSPACED, IS_WHITE, WHITE

SPACE = "\u2581"  # as SentencePiece writes it

_BEGINS_WHITE, _IS_WHITE, _HAS_UNSPACED = map(regex.compile, (BEGINS_WHITE, IS_WHITE, HAS_UNSPACED))
_WHITE, _PARTS = regex.compile(f"{WHITE}+"), [regex.compile(pattern) for pattern in (BEFORE, CORE, AFTER)]


class Words(NamedTuple):
    """The words of a text. numbers: which word each subword is of; texts: in NFC, "" for one of white space; subwords:
    likewise, each as it is written in the text."""

    numbers: list[int]
    texts: list[str]
    subwords: list[str]


def words_of(subwords: sentencepiece.SentencePieceProcessor, text: str) -> Words:
    written = text.encode()
    pieces = [(piece.id, piece.begin, piece.end) for piece in subwords.encode_as_proto(text).pieces]
    numbers: list[int] = []
    places: list[list[int]] = []
    stood_alone, was_white = False, False
    for number, begin, end in pieces:
        piece = written[begin:end].decode()
        stands_alone = number == UNKNOWN_ID or bool(_HAS_UNSPACED.fullmatch(piece))
        if not places or _BEGINS_WHITE.fullmatch(piece) or ((stands_alone or stood_alone) and not was_white):
            places.append([begin, end])
        numbers.append(len(places) - 1)
        places[-1][1] = max(places[-1][1], end)
        stood_alone, was_white = stands_alone, bool(_IS_WHITE.fullmatch(piece))
    texts, as_written = (
        [_clean(written[begin:end].decode()) for begin, end in spans]
        for spans in (places, [piece[1:] for piece in pieces])
    )
    return Words(numbers, texts, as_written)


def attended(words: Words, alignment: np.ndarray, target: Sequence[int]) -> list[str]:
    """The word of the source that each unknown word of the ids ``target`` attends to most, "" for the others.

    alignment: float32 [length, source length], of at least the length of either.
    """
    texts = np.array(words.texts)
    found = []
    for word, weights in zip(target, alignment, strict=False):
        of_words = np.zeros(len(texts), np.float32)
        np.add.at(of_words, words.numbers, weights[: len(words.numbers)])
        best = int(np.argmax(np.where(texts == "", -1, of_words)))
        found.append(words.texts[best] if word == UNKNOWN_ID else "")
    return found


def looked_up(dictionary: Mapping[str, str], word: str) -> str:
    """What the dictionary says of a word, punctuation around it kept where it knows only the word."""
    before, core, after = (pattern.sub(r"\1", word) for pattern in _PARTS)
    inner = dictionary[core].join([before, after]) if core in dictionary else word
    return dictionary.get(word, inner)


def has_space(subwords: sentencepiece.SentencePieceProcessor) -> bool:
    """Whether an unknown subword is a word with the space before it: where no subword is a space by itself."""
    return bool(subwords.piece_to_id(SPACE) == UNKNOWN_ID)


def text_with(subwords: sentencepiece.SentencePieceProcessor, ids: Sequence[int], replacements: Sequence[str]) -> str:
    """The text of ``ids``, without the end, with ``replacements`` in place of unknown ones."""
    text, place = "", 0
    for is_unknown, group in itertools.groupby(ids, lambda number: number == UNKNOWN_ID):
        run = list(group)
        if is_unknown:
            between = " " if has_space(subwords) else ""
            text += "".join(between + word for word in replacements[place : place + len(run)])
        else:
            # SentencePiece leaves out the first space.
            text += " " * subwords.id_to_piece(run[0]).startswith(SPACE) + subwords.decode(run)
        place += len(run)
    return regex.sub(" +", " ", text).strip()


def piece_with(subwords: sentencepiece.SentencePieceProcessor, replacement: str) -> str:
    """A word in place of an unknown subword, as subwords are written; never empty, which would be none at all."""
    return (SPACE * has_space(subwords) + replacement.replace(" ", SPACE)) or SPACE


def _clean(text: str) -> str:
    return unicodedata.normalize("NFC", _WHITE.sub(" ", text).strip())
