"""What is mended in every sentence of the training corpora before the rules of ``pipelines.cleaning.rules`` look at it.

Each repair is a setting of the recipe's section ``cleaning``. Most blocks of sentences need few of them: a
repair is tried on a sentence only where a fast search through the whole block finds a sign of need. The last
one is always made: white space becomes single spaces, with none at either end.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable, Sequence
from html.entities import html5
from typing import TypeAlias

import ftfy
import numpy as np
import regex

from pipelines.cleaning.characters import normalized
from recipes.data_schema import Cleaning

# Characters that nobody writes: controls, soft hyphen, marks of direction, byte order marks, non-characters.
# Not among them: controls that Python takes for white space, and the joiners that Persian and Indic words need.
INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\u200b]"
)
_CHARACTER = re.compile(r"\S")
_ENTITY = re.compile(r"&(?:#|[A-Za-z])")
_WHOLE_ENTITY = re.compile(r"&(?:#(?:[0-9]+|[xX][0-9a-fA-F]+)|([A-Za-z][A-Za-z0-9]*));")
# A URL, or the end of one: …?page=2&copy=1.
_ADDRESS = re.compile(r"://|\bwww\.|[?&][\w.-]+=")
# Hyphens and dashes, bullets, squares, asterisk.
_LIST_MARK = re.compile(r"[-\u2010-\u2014\u2022\u2023\u25a0\u25aa\u25cf\u25e6\u00b7*]\s+(?=\S)")


Pattern: TypeAlias = re.Pattern[str] | regex.Pattern[str]


def _mojibake_sign() -> re.Pattern[str]:
    """Two characters in a row that may be two bytes of a UTF-8 character, read in one of the common one-byte sets."""
    charsets = ("latin-1", "cp1252", "cp1251", "cp437")
    first = "".join(bytes(range(0xC2, 0xF5)).decode(charset, "ignore") for charset in charsets)
    second = "".join(bytes(range(0x80, 0xC0)).decode(charset, "ignore") for charset in charsets)
    return re.compile(f"[{re.escape(first)}][{re.escape(second)}]")


_MOJIBAKE = _mojibake_sign()


def repaired(texts: list[str], settings: Cleaning | None, language: str) -> list[str]:
    """The sentences of one side, repaired; where ``settings`` is None, only in their white space."""
    if settings is not None:
        for sign, repair in _repairs(settings, language):
            for place in _places(sign, texts):
                texts[place] = repair(texts[place])
        if settings.normalize_unicode:
            texts = [normalized("NFC", text) for text in texts]
    return [" ".join(text.split()) for text in texts]


def without_lone_list_marks(sources: list[str], targets: list[str]) -> tuple[list[str], list[str]]:
    """Removes the dash or bullet at the beginning of a sentence whose translation begins with none."""
    for place, (source, target) in enumerate(zip(sources, targets, strict=True)):
        # Nearly all sentences begin with a letter.
        if source[:1].isalpha() and target[:1].isalpha():
            continue
        marks = _LIST_MARK.match(source), _LIST_MARK.match(target)
        if marks[0] and not marks[1]:
            sources[place] = source[marks[0].end() :]
        elif marks[1] and not marks[0]:
            targets[place] = target[marks[1].end() :]
    return sources, targets


def unescaped(text: str) -> str:
    """The text with characters for HTML entities.

    In a word with an address, `&copy=2` is a part of that: there an entity must end with its semicolon.
    """
    if "&" not in text:
        return text
    words = (_unescaped_word(word) if "&" in word else word for word in text.split(" "))
    # An entity may stand for a line feed, and a sentence is one line.
    return " ".join(words).replace("\n", " ")


def _unescaped_word(word: str) -> str:
    if not _ADDRESS.search(word):
        return html.unescape(word)
    return _WHOLE_ENTITY.sub(lambda entity: html.unescape(entity[0]) if _is_whole(entity) else entity[0], word)


def _is_whole(entity: re.Match[str]) -> bool:
    """Whether an entity is a number or has a name that is one, not only begins with one (`&copyright;`)."""
    return not entity[1] or f"{entity[1]};" in html5


def _repairs(settings: Cleaning, language: str) -> list[tuple[Pattern, Callable[[str], str]]]:
    """The repairs of a recipe, each with the sign that a sentence needs it."""
    repairs: list[tuple[Pattern, Callable[[str], str]]] = []
    if settings.fix_mojibake:
        repairs.append((_MOJIBAKE, ftfy.fix_encoding))
    if settings.unescape_html:
        repairs.append((_ENTITY, unescaped))
    if settings.normalize_unicode:
        repairs.append((INVISIBLE, without_invisible))
    if settings.normalize_punctuation:
        repairs.append((_CHARACTER, _punctuation_normalizer(language)))
    for pattern in settings.remove_patterns:
        sign = regex.compile(pattern, regex.MULTILINE)
        repairs.append((sign, functools.partial(sign.sub, "")))
    return repairs


def _places(sign: Pattern, texts: Sequence[str]) -> list[int]:
    """The places of the sentences in which the pattern is found."""
    joined = "\n".join(texts)
    found = np.fromiter((match.start() for match in sign.finditer(joined)), np.int64)
    if not len(found):
        return []
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
    places: list[int] = np.unique(np.searchsorted(ends, found, side="right")).tolist()
    return places


def without_invisible(text: str) -> str:
    """The text without characters that nobody writes."""
    # A space of no width ends a word in scripts without spaces.
    return INVISIBLE.sub("", text.replace("\u200b", " "))


@functools.cache
def _punctuation_normalizer(language: str) -> Callable[[str], str]:
    # Its import takes a while, and few recipes ask for it.
    from sacremoses import MosesPunctNormalizer  # noqa: PLC0415

    normalize: Callable[[str], str] = MosesPunctNormalizer(lang=language).normalize
    return normalize
