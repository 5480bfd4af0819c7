"""Texts of any length, translated sentence by sentence, and put together as they were.

Who translates the sentences is no matter here: what is below asks for lists of texts, one after the other, and takes
their translations; ``answered`` is for those who answer at once.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from typing import TypeAlias, TypeVar

import grpc
import regex

from serving.client.answers import BLANK, TOO_LONG, TextTooLongError, Translation
from serving.client.sentences import Part, halves, sentences
from workspace.scripts import IDEOGRAPHS

Answer = TypeVar("Answer")
# Texts that it asks for, their translations (at first None), and what it makes of them all.
Steps: TypeAlias = Generator[list[str], list[Translation] | None, Answer]

_LINE_END = re.compile(r"(\r\n|[\n\v\f\r\x85\u2028\u2029])")
_LETTER, _IDEOGRAPH = regex.compile(r"\p{Alphabetic}"), regex.compile(IDEOGRAPHS, regex.V1)


def answered(steps: Steps[Answer], translate: Callable[[list[str]], Iterable[Translation]]) -> Answer:
    """What ``steps`` end with, where ``translate`` translates what they ask for."""
    translations: list[Translation] | None = None
    while True:
        try:
            asked = steps.send(translations)
        except StopIteration as end:
            return end.value
        translations = list(translate(asked))


async def answered_later(
    steps: Steps[Answer], translate: Callable[[list[str]], Awaitable[list[Translation]]]
) -> Answer:
    """``answered`` for asyncio."""
    translations: list[Translation] | None = None
    while True:
        try:
            asked = steps.send(translations)
        except StopIteration as end:
            return end.value
        translations = await translate(asked)


def document(text: str) -> Steps[str]:
    """The translation of a text of any length: every sentence by itself, and line ends and blank lines as they were.

    Raises TextTooLongError where a sentence has more subwords than the model takes, and nothing to split it at.
    """
    pieces = _LINE_END.split(text)
    lines, ends = pieces[::2], [*pieces[1::2], ""]
    translations = yield from by_sentence(lines)
    for number, (line, translation) in enumerate(zip(lines, translations, strict=True), start=1):
        if translation.too_long:
            raise TextTooLongError(
                f"line {number:,} of the text, which begins {line.strip()[:30]!r}, is longer than the model "
                "translates, and has no sentence end, comma or space where it could be split; make it shorter",
                grpc.StatusCode.INVALID_ARGUMENT,
            )
    return "".join(translation.text + end for translation, end in zip(translations, ends, strict=True))


def by_sentence(lines: Sequence[str]) -> Steps[list[Translation]]:
    """The translation of every line: of its sentences, with what was between them and around them.

    A sentence that is too long for the model is halved, again and again, and the line is TOO_LONG where that cannot be
    done. The score of a line is the mean of its parts' scores, that of a blank one 0.
    """
    parts = [sentences(line.strip()) for line in lines]
    known: dict[str, Translation] = {}
    while asked := list(dict.fromkeys(part.text for line in parts for part in line if part.text not in known)):
        translations = yield asked
        known.update(zip(asked, translations or [], strict=True))
        parts = [[smaller for part in line for smaller in _split(part, known)] for line in parts]
    return [
        _joined(line, of_line, [known[part.text] for part in of_line])
        for line, of_line in zip(lines, parts, strict=True)
    ]


def _split(part: Part, known: dict[str, Translation]) -> list[Part]:
    """The part itself, or as small ones as are needed where it, and any of them, is known to be too long."""
    if part.text not in known or not known[part.text].too_long:
        return [part]
    *first, last = halves(part.text)
    if not first:
        return [part]
    return [smaller for half in (*first, Part(last.text, part.space)) for smaller in _split(half, known)]


def _joined(line: str, parts: Sequence[Part], translations: Sequence[Translation]) -> Translation:
    """The translation of a line, of those of its parts."""
    if not parts:
        return Translation(line, BLANK.score)
    if any(translation.too_long for translation in translations):
        return TOO_LONG
    # A subword may be the byte of a line feed.
    texts = [translation.text.replace("\n", " ") for translation in translations]
    is_spaced = _has_spaces("".join(texts))
    spaces = [_space(part.space, is_spaced) for part in parts[:-1]]
    joined = "".join(itertools.chain.from_iterable(zip(texts, [*spaces, ""], strict=True)))
    begin, end = line[: len(line) - len(line.lstrip())], line[len(line.rstrip()) :]
    score = sum(translation.score for translation in translations) / len(translations)
    return Translation(f"{begin}{joined}{end}", score)


def _has_spaces(text: str) -> bool:
    """Whether its script has spaces between sentences, as all but those of Chinese and Japanese have."""
    return 2 * len(_IDEOGRAPH.findall(text)) <= len(_LETTER.findall(text))


def _space(space: str, is_spaced: bool) -> str:
    """What comes between two translations where the source has ``space``: that, as far as the target has spaces."""
    return space.replace("\u3000", " ") or " " if is_spaced else space.replace(" ", "")
