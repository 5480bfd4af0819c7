"""The normal form that subwords are learnt in, made part of the SentencePiece model, so that requests come into it too.

SentencePiece ships the forms ``nfkc`` and ``nmt_nfkc``; the others are rules made here. Rules replace what they find,
the longest first, and know nothing of what stands around it: marks that stand in an unusual order beside one that does
not combine stay as they are. Text that is in NFC already is changed by none of the rules of ``nfc`` but those about
white space and invisible characters, for every part of such a text is in NFC.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.cleaning.repairs import INVISIBLE
from workspace.protobuf import message_classes
from workspace.scratch import scratch_directory
from workspace.storage import write_text

_OF_SENTENCEPIECE = ("nfkc", "nmt_nfkc")
_ZERO_WIDTH_SPACE = "\u200b"

# The part of SentencePiece's model format that says how text is normalised.
_Model = message_classes(
    "sentencepiece",
    {
        "NormalizerSpec": {"name": (1, "string"), "normalization_rule_tsv": (6, "string")},
        "Model": {"normalizer_spec": (3, "NormalizerSpec")},
    },
)["Model"]


@contextlib.contextmanager
def trainer_options(normalization: str) -> Iterator[dict[str, Any]]:
    """What to tell SentencePiece's trainer, while in the block, so that the model normalises text in this form."""
    if normalization in _OF_SENTENCEPIECE:
        yield {"normalization_rule_name": normalization}
        return
    with scratch_directory() as directory:
        path = directory / f"{normalization}.tsv"
        lines = ("\t".join(map(_code_points, rule)) + "\n" for rule in sorted(rules_of(normalization).items()))
        write_text(path, "".join(lines))
        yield {"normalization_rule_tsv": str(path)}


def named(model: bytes, normalization: str) -> bytes:
    """The model with the name of its form, and without that of the file with the rules, which is another every time."""
    message = _Model.FromString(model)
    message.normalizer_spec.name = normalization
    message.normalizer_spec.normalization_rule_tsv = ""
    serialized: bytes = message.SerializeToString(deterministic=True)
    return serialized


@functools.cache
def rules_of(normalization: str) -> Mapping[str, str]:
    """What is replaced by what: all white space by spaces; in ``nfc``, also what cleaning.normalize_unicode mends."""
    # Neither surrogates nor NUL, which ends a key of SentencePiece's table.
    characters = "".join(chr(point) for point in range(1, sys.maxunicode + 1) if not 0xD800 <= point < 0xE000)
    white = dict.fromkeys(set(re.findall(r"\s", characters)) - {" "}, " ")
    if normalization == "identity":
        return white
    invisible = dict.fromkeys(INVISIBLE.findall(characters), "")
    return {**_compositions(characters), **invisible, **white, _ZERO_WIDTH_SPACE: " "}


def _compositions(characters: str) -> dict[str, str]:
    """Every way to write a character that is not NFC, and NFC."""
    rules: dict[str, str] = {}
    for character in characters:
        if not unicodedata.is_normalized("NFD", character):
            composed = unicodedata.normalize("NFC", character)
            ways = {character, *_partly_composed(unicodedata.normalize("NFD", character))}
            rules |= {way: composed for way in ways if unicodedata.normalize("NFC", way) == composed != way}
    return rules


def _partly_composed(decomposed: str) -> set[str]:
    """The marks of a character in any order, and any neighbours put together."""
    base, marks = decomposed[0], decomposed[1:]
    to_do = [base + "".join(order) for order in itertools.permutations(marks)]
    found = set()
    while to_do:
        way = to_do.pop()
        if way in found:
            continue
        found.add(way)
        for place in range(len(way) - 1):
            together = unicodedata.normalize("NFC", way[place : place + 2])
            if len(together) == 1:
                to_do.append(way[:place] + together + way[place + 2 :])
    return found


def _code_points(text: str) -> str:
    return " ".join(f"{ord(character):X}" for character in text)
