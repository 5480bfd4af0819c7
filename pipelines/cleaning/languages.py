"""How likely a sentence is in the language it should be in, according to the package eldc, which works offline.

docs/cleaning.md has the comparison by which it was chosen, and what the rule takes of short and long lines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import eldc
import regex

from pipelines.cleaning.links import LINK
from recipes.languages import language_of
from recipes.schema import Recipe

# A sentence is judged where all its n-grams together speak so much more for another language. Their evidence is the sum
# of what eldc's score is made of, a number of about 1 to 2.5 for an n-gram of the language.
EVIDENCE = 4.0
FEWEST_NGRAMS = 3
_OF_LANGUAGE = 1.0
_MOST_BYTES = 1000  # eldc reads no more
# N-grams are words of up to six bytes, and pieces of six bytes of longer ones; but characters in Chinese and Japanese.
_LETTER = regex.compile(r"\p{Alphabetic}")
_WORD = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]|[\p{L}\p{M}]+(?:['`\u2019][\p{L}\p{M}]+)*")

# Languages by eldc's code of the one that they are a part of, or written like.
_OTHER_LANGUAGES = {
    "ar": "arb apc ajp acm ary arz arq aeb afb ars",
    "az": "azb",
    "ku": "ckb kmr sdh",
    "ms": "id",
    "no": "nb nn",
    "pa": "pnb",
    "zh": "yue wuu lzh",
}
_CODES = {language_of(code).code: {code} for code in eldc.LANGUAGES}
_CODES |= {language_of(each).code: {code} for code, others in _OTHER_LANGUAGES.items() for each in others.split()}
# To eldc Serbian is in Cyrillic; what is in Latin, and Bosnian and Montenegrin, is Croatian.
_CODES |= {code: {"sr", "hr"} for code in ("sr", "bs", "cnr")}
# The languages that eldc knows in these scripts; it knows the others in one of their own.
_IN_SCRIPTS = {
    "latn": "az ca cs da de en es et eu fi fr hr hu is it lt lv ms nl no pl pt ro sk sl sq sv tl tr vi yo",
    "cyrl": "be bg ru sr uk",
    "arab": "ar fa ku ur",
}
# Scripts that languages also have, but that eldc does not know them in, and what it takes them for then. Such a
# sentence is not judged, nor one in the script that is like no language at all.
_OTHER_SCRIPTS = {
    "az": (r"[\p{Cyrillic}\p{Arabic}]", {"ar", "fa", "ku", "ur"}),
    "be": (r"\p{Latin}", set()),
    "ku": (r"[\p{Latin}\p{Cyrillic}]", set()),
    "ms": (r"\p{Arabic}", {"ar", "fa", "ku", "ur"}),
    "pa": (r"\p{Arabic}", {"ar", "fa", "ku", "ur"}),
}


class Likeness(NamedTuple):
    """The language that a sentence is likest to, "" where it is not judged; the score of its own language divided by
    that one's."""

    language: str
    score: float


class _Known(NamedTuple):
    """eldc's codes of a language; letters of its other scripts (a pattern, or None), and what those are taken for."""

    codes: frozenset[str]
    other_letters: Any
    taken_for: frozenset[str]


def is_known(language: str) -> bool:
    """Whether the language can be told from others: a code of ISO 639, also with a script or country (`pt-BR`)."""
    return _known(language) is not None


def unknown_languages(recipe: Recipe) -> str | None:
    """A sentence about languages of a recipe that its rule cannot tell from others; None where there are none."""
    languages = recipe.corpus.source_language, recipe.corpus.target_language
    unknown = [repr(language) for language in languages if not is_known(language)]
    is_on = any(recipe.cleaning_of(corpus).min_language is not None for corpus in recipe.corpus.train)
    if not unknown or not is_on:
        return None
    several = "languages" if len(unknown) > 1 else "language"
    return (
        f"cleaning.min_language is off for the {several} {' and '.join(unknown)}, which it does not know, so that "
        "sentences in any other are kept; name languages by their ISO 639 codes (en), or turn the rule off with null"
    )


def likeness(texts: Sequence[str], language: str) -> list[Likeness]:
    """For every sentence the language it is likest to, and how like it is to ``language``, which must be known.

    Not judged are sentences that say too little of it, such as names and numbers.
    """
    known = _known(language)
    if known is None:
        raise ValueError(f"{language!r} is not a known language")
    detect = _detector().detect
    own = {code: Likeness(code, 1.0) for code in known.codes}
    # To eldc, a text ends at the first NUL. The name alone comes twice as fast as the scores.
    return [own.get(detect(text)) or _judged(text, known) for text in (text.replace("\0", " ") for text in texts)]


def _judged(text: str, known: _Known) -> Likeness:
    """The likeness of a sentence that seems to be in another language."""
    text = LINK.sub(" ", text[:_MOST_BYTES])
    detected = _detector().detect_details(text)
    scores = detected.scores
    best = max(scores.values(), default=0.0)
    own = max((scores.get(code, 0.0) for code in known.codes), default=0.0)
    # Where no n-gram is known at all it is a script that eldc does not know, or a name.
    more = _weight(best) - _weight(own) if scores else _OF_LANGUAGE / 2
    ngrams = _ngrams(text)
    if ngrams < FEWEST_NGRAMS or more * ngrams < EVIDENCE or _is_in_other_script(text, detected.language, best, known):
        return Likeness("", 1.0)
    return Likeness(detected.language if scores else "", own / best if best else 0.0)


def _is_in_other_script(text: str, detected: str, score: float, known: _Known) -> bool:
    if not known.other_letters or (_weight(score) >= _OF_LANGUAGE and detected not in known.taken_for):
        return False
    return 2 * len(known.other_letters.findall(text)) > len(_LETTER.findall(text))


def _weight(score: float) -> float:
    """What an n-gram says for the language, on average: eldc's score is 1 - exp(-weight)."""
    return -math.log1p(-min(score, 1 - 1e-9))


def _ngrams(text: str) -> int:
    read = text[:_MOST_BYTES].encode("utf-8", "replace")[:_MOST_BYTES].decode(errors="ignore")
    return sum((len(word.encode()) + 5) // 6 for word in set(_WORD.findall(read.lower())))


@lru_cache(maxsize=64)
def _known(language: str) -> _Known | None:
    """What is known of a language by its code, alone or with a script, country or variant behind it."""
    code, script = language_of(language)[:2]
    codes = frozenset(_CODES.get(code, ()))
    if script in _IN_SCRIPTS:
        codes &= frozenset(_IN_SCRIPTS[script].split())
    if not codes:
        return None
    pattern, taken_for = None, set[str]()
    if not script and code != "id":
        pattern, taken_for = _OTHER_SCRIPTS.get(min(codes), (None, taken_for))
    return _Known(codes, regex.compile(pattern) if pattern else None, frozenset(taken_for))


@cache
def _detector() -> Any:
    eldc.init()
    detector = eldc.instance()
    detector.set_scores(eldc.MAX_SCORES)
    return detector
