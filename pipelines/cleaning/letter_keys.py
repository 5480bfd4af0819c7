"""What sentences have in common that are the same: their letters, marks and digits, in one form of each.

Neither normal form (composed, decomposed, full width) nor case, HTML entities, punctuation or white space make a
difference. The key of a sentence is made of its characters' where each has one of its own (``character_keys``, for many
sentences at once); only where characters act on each other, as combining marks do, is it made of the text
(``letter_key``).
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt
import regex

from pipelines.cleaning.characters import TABLE_SIZE, every_character, normalized, table_of
from pipelines.cleaning.repairs import unescaped

# The key of a character that is none by itself.
COMPLEX = 0xFFFFFFFF

# A tatweel only makes a word longer.
_KEPT = r"[[\p{Alphabetic}\p{M}\p{Nd}]--[\p{Default_Ignorable_Code_Point}\u0640]]"
_DROPPED = regex.compile(_KEPT.replace("[[", "[^[", 1), regex.V1)
# Marks that may be composed with what is before them, or change places; and what may begin an entity.
_ACTS_ON_OTHERS = r"[\p{NFKC_QC=M}&[\p{M}--\p{ccc=0}]]"
_CHANGED = r"[\p{NFKC_QC=N}\p{Changes_When_Casefolded}\p{Nd}\p{Greek}\u0131]"


def letter_key(text: str) -> str:
    """The letters, marks and digits of a sentence, or all of it where it has none."""
    kept = _DROPPED.sub("", _folded(unescaped(text)))
    # A mark may stand alone, behind a space or a joiner that is dropped.
    return normalized("NFC", normalized("NFC", kept).translate(_translation())) or text


@cache
def character_keys() -> npt.NDArray[np.uint32]:
    """For every character its key: 0 where it has none, ``COMPLEX`` where ``letter_key`` must be asked."""
    keys = np.arange(TABLE_SIZE, dtype=np.uint32) * table_of(_KEPT)
    acts = table_of(_ACTS_ON_OTHERS)
    for character in regex.findall(_CHANGED, every_character(), flags=regex.V1):
        kept = _DROPPED.sub("", _folded(character))
        key = kept.translate(_translation())
        # A mark, a vowel of Korean, or several characters may go together with others.
        is_complex = len(key) > 1 or any(acts[ord(each)] for each in kept)
        keys[ord(character)] = COMPLEX if is_complex else ord(key or "\0")
    keys[acts] = COMPLEX
    return keys


def _folded(text: str) -> str:
    """Compatibility composition and case folding (Unicode's toNFKC_Casefold, but for what it leaves out)."""
    return normalized("NFKC", normalized("NFKC", text).casefold())


@cache
def _translation() -> dict[int, str]:
    """Digits of every script in ASCII; Greek without accents, which capitals have none of; i without its dot."""
    digits = {
        ord(digit): str(unicodedata.decimal(digit, digit)) for digit in regex.findall(r"\p{Nd}", every_character())
    }
    greek = {ord(c): unicodedata.normalize("NFD", c)[0] for c in regex.findall(r"\p{Greek}", every_character())}
    return {**digits, **greek, 0x131: "i", 0x307: ""}
