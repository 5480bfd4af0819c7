# ruff: noqa: RUF001
"""Where a text can be split, so that its parts can be translated each by itself: at sentence ends, or else elsewhere.

Sentences end where Unicode says (UAX #29, Sentence Boundaries), in every script that marks its sentences, save after
what is rather an abbreviation, an initial or an ordinal: two sentences in one are translated better than half a one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import regex

# Of titles, references, companies and months, in languages that write them so; those of single letters, and of letters
# and full stops, are found by that.
_ABBREVIATIONS = """
    Mr Mrs Ms Mx Messrs Dr Drs Prof Rev Hon Fr Sr Jr St Ste Mt Gen Col Maj Capt Lt Cmdr Sgt Adm Gov Sen Rep Pres Inc Ltd
    Corp Co Bros Ave Blvd Rd No Nos no nos pp vol Vol vols fig Fig figs art Art arts cap Cap ch sec Sec cf vs ca al
    Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec
    Hr Hrn Frl Mag Dipl Ing med Nr nr Abb Abs Abt Bd Bde Kap Tab Tel Str Bsp vgl bzw resp geb gest Jh Mio Mrd Okt Dez
    Mme Mmes Mlle Mgr Sra Sras Srta Sres Ud Uds Vd Vds EE UU Núm núm pág págs aprox Sig Sigg Dott Avv Lic
    гг ул пр им стр рис тел руб тыс млн млрд проф акад напр см ср св
"""
# Other words before a full stop that ends no sentence: J., z. B. and U.S., Ph.D., am 3. Oktober, Ludwig XIV.
_KEPT = regex.compile(r"(?:\p{L}{1,3}\.)*\p{L}\p{M}*|(?:\p{L}{1,3}\.)+\p{L}{1,3}|\d{1,2}|[IVX]+")
_KEPT_WORDS = frozenset(_ABBREVIATIONS.split())
_LAST_WORD = regex.compile(r"(?r)[\p{L}\p{M}\p{N}.]+")
_LONGEST_KEPT = 32

# By the rules of UAX #29, for a text of one paragraph; SB5: what extends a character is a part of it. As there, what
# closes a sentence may be a bracket or a quotation mark; but one that opens never does.
_EXTENDED = r"[\p{SB=Extend}\p{SB=Format}]*+"
_CLOSED = rf"(?:[\p{{SB=Close}}--\p{{Ps}}]{_EXTENDED})*+"  # SB9
_SPACES = rf"(?:\p{{SB=Sp}}{_EXTENDED})*+"  # SB10
_IN_A_WORD = rf"(?!(?<=[\p{{SB=Upper}}\p{{SB=Lower}}]{_EXTENDED}\p{{SB=ATerm}}{_EXTENDED})\p{{SB=Upper}})"  # SB7
_NO_LETTER = r"[^\p{SB=OLetter}\p{SB=Upper}\p{SB=Lower}\p{SB=STerm}\p{SB=ATerm}]"
_GOES_ON = rf"(?!{_NO_LETTER}*+\p{{SB=Lower}})"  # SB8; here after ? and ! as well, for “Why?” he asked
# In Chinese and Japanese there are no spaces, and a quotation that is followed by none is a part of a sentence.
_CLOSED_WIDE = rf"(?:[\p{{SB=Close}}--[\p{{Ps}}\p{{Pi}}]]{_EXTENDED})"
_END = regex.compile(
    rf"""(?:
        (?P<full_stop>\p{{SB=ATerm}}){_EXTENDED}(?!\p{{SB=Numeric}}){_IN_A_WORD}{_CLOSED}{_SPACES}{_GOES_ON}  # SB6
      | [。！？｡]{_EXTENDED}(?:{_CLOSED_WIDE}++(?=[\s\p{{Ps}}\p{{Pi}}]) | (?!{_CLOSED_WIDE})){_SPACES}
      | [!?‼⁇⁈⁉]{_EXTENDED}{_CLOSED}{_SPACES}{_GOES_ON}
      | [\p{{SB=STerm}}--[。！？｡!?‼⁇⁈⁉]]{_EXTENDED}{_CLOSED}{_SPACES}
    )(?![\p{{SB=SContinue}}\p{{SB=STerm}}\p{{SB=ATerm}}])  # SB8a""",
    regex.V1 | regex.VERBOSE,
)
# Where else: the first is best.
_WEAKER = (
    regex.compile(r"[\p{SB=SContinue};؛；]\p{SB=Close}*+\s++|[、，：；،؛]\p{SB=Close}*+(?!\p{N})", regex.V1),
    regex.compile(r"\s++"),
)


class Part(NamedTuple):
    """A part of a text, without white space around it, and the white space between it and the next."""

    text: str
    space: str


def sentences(text: str) -> list[Part]:
    """The sentences of a text of one paragraph, which has no white space around it; of a blank one there are none.

    Scripts such as Thai have no sentence ends: all is one sentence.
    """
    ends = [found.end() for found in _END.finditer(text) if not _is_kept(text, found)]
    return _parts(text, ends)


def halves(text: str) -> list[Part]:
    """A sentence in two, where it is best split: at a full stop, else between clauses, else at white space; and there
    as near to its middle as can be. One part where there is nothing of the kind."""
    for pattern in (_END, *_WEAKER):
        ends = [end for found in pattern.finditer(text) if 0 < (end := found.end()) < len(text)]
        if ends:
            return _parts(text, [min(ends, key=lambda end: abs(2 * end - len(text)))])
    return _parts(text, [])


def _is_kept(text: str, end: regex.Match[str]) -> bool:
    """Whether a full stop is of the word before it rather than of the sentence."""
    place = end.start("full_stop")
    word = _LAST_WORD.match(text, max(0, place - _LONGEST_KEPT), place) if place >= 0 else None
    return word is not None and (word[0] in _KEPT_WORDS or bool(_KEPT.fullmatch(word[0])))


def _parts(text: str, ends: list[int]) -> list[Part]:
    return list(_between([0, *ends, len(text)], text))


def _between(places: list[int], text: str) -> Iterator[Part]:
    for begin, end in itertools.pairwise(places):
        part = text[begin:end]
        if stripped := part.rstrip():
            yield Part(stripped, part[len(stripped) :])
