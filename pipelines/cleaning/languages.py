"""How likely a sentence is in the language it should be in, according to the package eldc, which works offline.

docs/cleaning.md has the comparison by which it was chosen, and what the rule takes of short and long lines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import eldc
import langcodes
import numpy as np
import numpy.typing as npt
import regex

from pipelines.cleaning.characters import TABLE_SIZE, table_of
from pipelines.cleaning.links import LINK
from recipes.languages import language_of
from recipes.schema import Recipe

# A sentence is judged where all its n-grams together speak so much more for another language. Their evidence is the sum
# of what eldc's score is made of, a number of about 1 to 2.5 for an n-gram of the language.
EVIDENCE = 4.0
FEWEST_NGRAMS = 3
_OF_LANGUAGE = 1.0
_MOST_BYTES = 1000  # eldc reads no more
# Han without kana or Hangul is Chinese only with so much more: titles in them are Japanese and Korean, too.
_EVIDENCE_OF_HAN = 20.0
# In a script that the language never has it takes more to be a sentence where it may be names, words with a capital
# letter for the most part, or code.
_EVIDENCE_OF_SENTENCE = 12.0
# Letters of words in small letters that are enough in whatever language, and how many words they must be.
_FEWEST_LETTERS = 20
_FEWEST_WORDS = 3
# N-grams are words of up to six bytes, and pieces of six bytes of longer ones; but characters in Chinese and Japanese.
_LETTER = regex.compile(r"\p{Alphabetic}")
_WORD = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]|[\p{L}\p{M}]+(?:['`\u2019][\p{L}\p{M}]+)*")

_SENTENCE_END = regex.compile(r"[\p{Sentence_Terminal}\u2026]\P{Alphabetic}*$")
_HAN = regex.compile(r"\p{Han}")
# The letters that only they have of the languages that are also written in Han; and a charset without the Han that only
# Chinese has.
_HAN_TOO = {
    "ja": (regex.compile(r"[\p{Hiragana}\p{Katakana}]"), "cp932"),
    "ko": (regex.compile(r"\p{Hangul}"), "cp949"),
}

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
# Unicode's scripts in those of ISO 15924 that are several of them, or kinds of one.
_PARTS_OF_SCRIPTS = {
    **dict.fromkeys(("hans", "hant", "hani", "hanb"), ("Han", "Bopomofo")),
    **dict.fromkeys(("latf", "latg"), ("Latin",)),
    "aran": ("Arabic",),
    "hrkt": ("Hiragana", "Katakana"),
    "jpan": ("Han", "Hiragana", "Katakana"),
    "kore": ("Hangul", "Han"),
}
# Scripts that languages also have, but that eldc does not know them in; what it takes them for then; and how much an
# n-gram must say for any other language. With less, a sentence in the script is not judged.
_OTHER_SCRIPTS: dict[str, tuple[str, set[str], float]] = {
    "az": (r"[\p{Cyrillic}\p{Arabic}]", {"ar", "fa", "ku", "ur"}, _OF_LANGUAGE),
    "be": (r"\p{Latin}", set(), _OF_LANGUAGE),
    "ku": (r"[\p{Latin}\p{Cyrillic}]", set(), _OF_LANGUAGE),
    "ms": (r"\p{Arabic}", {"ar", "fa", "ku", "ur"}, _OF_LANGUAGE),
    "pa": (r"\p{Arabic}", {"ar", "fa", "ku", "ur"}, _OF_LANGUAGE),
    "ro": (r"\p{Cyrillic}", set(), 1.8),
}


class Likeness(NamedTuple):
    """The language that a sentence is likest to, "" where it is not judged; the score of its own language divided by
    that one's."""

    language: str
    score: float


class _Known(NamedTuple):
    """What is known of a language.

    codes: eldc's; other_letters: of its other scripts (a pattern, or None), taken_for: what those are taken for,
    other_weight: and how strongly they are another language; letters: its own; foreign_letters: those of scripts that
    it never has (a set for ``table_of``); foreign_words: words of them in small letters.
    """

    codes: frozenset[str]
    other_letters: Any
    taken_for: frozenset[str]
    other_weight: float
    letters: Any
    foreign_letters: str
    foreign_words: Any


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
    found = [own.get(detect(text)) or _judged(text, known) for text in (text.replace("\0", " ") for text in texts)]
    # A single word may have decided it, for eldc does not know all scripts.
    for place in np.flatnonzero(_foreign_letters(texts, known) >= _FEWEST_LETTERS).tolist():
        if found[place].score == 1 and _is_foreign_sentence(texts[place], known):
            found[place] = Likeness("", 0.0)
    return found


def _judged(text: str, known: _Known) -> Likeness:
    """The likeness of a sentence that seems to be in another language."""
    text = LINK.sub(" ", text[:_MOST_BYTES])
    found, evidence = _compared(text, known)
    if EVIDENCE <= evidence < _EVIDENCE_OF_SENTENCE and _may_be_no_sentence(text, known):
        evidence = 0.0
    return found if evidence >= EVIDENCE else Likeness("", 1.0)


def _may_be_no_sentence(text: str, known: _Known) -> bool:
    """Whether most of a text is in a script that the language never has, and it is like names or code."""
    if not _is_mostly_foreign(text, known):
        return False
    letters = len("".join(known.foreign_words.findall(text)))
    return 3 * letters < _foreign_letters([text], known)[0] or _may_be_code(text)


def _compared(text: str, known: _Known) -> tuple[Likeness, float]:
    """The likeness of a text, and the evidence that it is in another language."""
    detected = _detector().detect_details(text)
    scores = detected.scores
    best = max(scores.values(), default=0.0)
    codes, share = _codes_and_share(text, detected.language, known)
    own = max((scores.get(code, 0.0) for code in codes), default=0.0)
    # Where no n-gram is known at all it is a script that eldc does not know, or a name.
    more = _weight(best) - _weight(own) if scores else _OF_LANGUAGE / 2
    ngrams = _ngrams(text)
    is_not_judged = ngrams < FEWEST_NGRAMS or _is_in_other_script(text, detected.language, best, known)
    found = Likeness(detected.language if scores else "", own / best if best else 0.0)
    return found, 0.0 if is_not_judged else more * ngrams * share


def _codes_and_share(text: str, detected: str, known: _Known) -> tuple[frozenset[str], float]:
    """eldc's codes of the language that a text is compared with, and the share of the evidence that counts.

    It is less than all where the language has Han, too, and they seem to be Chinese.
    """
    language = min(known.codes)
    if language not in _HAN_TOO or detected not in ("zh", "ja"):
        return known.codes, 1.0
    letters, charset = _HAN_TOO[language]
    han = "".join(_HAN.findall(text))
    of_chinese = len(han) - len(han.encode(charset, "ignore").decode(charset))
    of_language = len(letters.findall(text))
    if of_chinese > of_language or (language != "ja" and _HAN_TOO["ja"][0].search(text)):
        return known.codes, 1.0
    # eldc knows no Korean in Han, and Japanese has the same words.
    return known.codes | {"ja"}, 0.0 if of_language else EVIDENCE / _EVIDENCE_OF_HAN


def _foreign_letters(texts: Sequence[str], known: _Known) -> npt.NDArray[np.int64]:
    """How many letters of scripts that the language never has every text has."""
    is_foreign = table_of(known.foreign_letters)
    characters = np.frombuffer("".join(texts).encode("utf-32-le", "replace"), "<u4")
    # To compare takes a fraction of the time of looking up, and most Latin text has no character so far on.
    places = np.flatnonzero(characters >= is_foreign.argmax())
    if not len(places):
        return np.zeros(len(texts), np.int64)
    places = places[is_foreign[np.minimum(characters[places], TABLE_SIZE - 1)]]
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    return np.bincount(np.searchsorted(ends, places, side="right"), minlength=len(texts)).astype(np.int64)


def _is_foreign_sentence(text: str, known: _Known) -> bool:
    """Whether a text is a sentence in a script that the language never has, not names or code."""
    text = LINK.sub(" ", text)
    words = known.foreign_words.findall(text)
    letters = "".join(words)
    fewest_letters = 2 * _FEWEST_LETTERS if _may_be_code(text) else _FEWEST_LETTERS
    fewest_words = _FEWEST_WORDS if letters.islower() else 1
    return len(words) >= fewest_words and len(letters) >= fewest_letters and _is_mostly_foreign(text, known)


def _is_mostly_foreign(text: str, known: _Known) -> bool:
    foreign = _foreign_letters([text], known)[0]
    # Those of its own weigh as their bytes do, for one of a large script says more.
    return bool(foreign > len("".join(known.letters.findall(text)).encode()))


def _may_be_code(text: str) -> bool:
    """Whether a text neither begins nor ends like a sentence."""
    return text[:1].islower() and not _SENTENCE_END.search(text)


def _is_in_other_script(text: str, detected: str, score: float, known: _Known) -> bool:
    if not known.other_letters or (_weight(score) >= known.other_weight and detected not in known.taken_for):
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
    other: tuple[str, set[str], float] = ("", set(), 0.0)
    if not script and code != "id":
        other = _OTHER_SCRIPTS.get(min(codes), other)
    pattern, taken_for, weight = other
    own = "".join(rf"\p{{{name}}}" for name in _scripts(codes, script)) + pattern
    foreign = rf"[\p{{Alphabetic}}--[{own}\p{{Common}}\p{{Inherited}}]]"
    # Words that stand for themselves, all in small letters where there are capitals.
    small = rf"[{foreign}&&\p{{Lowercase}}]"
    words = (
        rf"(?<![^\s\p{{Ps}}\p{{Pi}}\p{{Quotation_Mark}}]){small}[{small}\p{{M}}'\u2018\u2019\u02bb\u02bc]*"
        r"(?![^\s\p{Pe}\p{Pf}\p{Quotation_Mark}\p{Terminal_Punctuation}\u2026])"
        rf"|[{foreign}&&\p{{Lo}}][[{foreign}&&\p{{Lo}}]\p{{M}}]*"
    )
    return _Known(
        codes,
        regex.compile(pattern) if pattern else None,
        frozenset(taken_for),
        weight,
        regex.compile(rf"[\p{{Alphabetic}}&&[{own}]]", regex.V1),
        foreign,
        regex.compile(words, regex.V1),
    )


def _scripts(codes: frozenset[str], script: str) -> set[str]:
    """Unicode's names of the script that is said, or else of those in which the languages of some codes are written."""
    if script and (script in _PARTS_OF_SCRIPTS or _is_script(script)):
        found = {script}
    else:
        found = {(langcodes.Language.get(code).maximize().script or "").lower() for code in codes}
        found |= {name for name, known in _IN_SCRIPTS.items() if codes & set(known.split())}
    return {part for name in found for part in _PARTS_OF_SCRIPTS.get(name, (name,))}


def _is_script(name: str) -> bool:
    try:
        regex.compile(rf"\p{{Script={name}}}")
    except regex.error:
        return False
    return True


@cache
def _detector() -> Any:
    eldc.init()
    detector = eldc.instance()
    detector.set_scores(eldc.MAX_SCORES)
    return detector
