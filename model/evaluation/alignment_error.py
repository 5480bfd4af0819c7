"""Alignment error rate: how far what the network attends to is from what a person aligned by hand.

A gold alignment is three files beside each other, one line a sentence: ``NAME.source`` and ``NAME.target``, words
separated by spaces, and ``NAME.align``, links in Pharaoh's form, counted from 0, source first: ``1-2`` is sure, ``1p2``
or ``1?2`` possible. It is judged by the forced decoding of the gold target.

Och and Ney, A Systematic Comparison of Various Statistical Alignment Models, Computational Linguistics 29(1), 2003.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

import regex

from model.evaluation.word_alignment import Link, WordAlignment, align_subwords, merged
from model.search.translator import TextTranslator
from recipes.evaluation_flags import GOLD_ENDINGS, check_gold, gold_files
from workspace.errors import UserError, as_given
from workspace.locations import Location
from workspace.marks import AlignmentError
from workspace.scripts import UNSPACED_LETTERS
from workspace.storage import reading
from workspace.text_lines import text_lines

_LINK = re.compile(r"(\d+)([-p?])(\d+)")
# No space stands before the first or after the second in running text, nor beside the third.
_NO_SPACE_BEFORE, _NO_SPACE_AFTER = re.compile(r"[.,;:!?]+"), re.compile(r"\w+['\u2019]")
_UNSPACED = regex.compile(rf"[{UNSPACED_LETTERS}\u3000-\u303f\uff00-\uff65]", regex.V1)


class Gold(NamedTuple):
    """A sentence aligned by hand: words, and links of which ``sure`` are those that no one would leave out;
    ``possible``: all, the sure ones among them."""

    source: list[str]
    target: list[str]
    sure: frozenset[Link]
    possible: frozenset[Link]


def read_gold(name: Location) -> list[Gold]:
    """The sentences of a gold alignment. Raises UserError where its files are not there, or not what they should be.

    name: that of one of the files, or what the three have in common.
    """
    check_gold(name)
    files = gold_files(name)
    source, target, align = map(_lines, files)
    if not len(source) == len(target) == len(align):
        raise UserError(
            f"{name}: its files have {len(source):,}, {len(target):,} and {len(align):,} lines "
            f"({', '.join(GOLD_ENDINGS)}); give each a line for every sentence"
        )
    gold = [
        _sentence(f"{files[2]}:{number}", *lines)
        for number, lines in enumerate(zip(source, target, align, strict=True), 1)
    ]
    if not any(sentence.sure for sentence in gold):
        raise UserError(f"{files[2]} has no sure link (such as 0-0); without one there is nothing to judge by")
    return gold


def gold_alignments(translator: TextTranslator, gold: Sequence[Gold]) -> list[WordAlignment]:
    """What the network attends to where it is made to write the target sentences. Raises UserError for a model without
    attention."""
    if not translator.model.attends:
        raise UserError(f"this architecture aligns nothing; leave {as_given('--align-gold')} out")
    sources, targets = (
        [running_text(side) for side in sides] for sides in zip(*(each[:2] for each in gold), strict=True)
    )
    subwords = align_subwords(translator, [text for text, _ in sources], [text for text, _ in targets])
    return [merged(*each) for each in zip(sources, targets, subwords, strict=True)]


def alignment_error(found: Sequence[Collection[Link]], gold: Sequence[Gold]) -> AlignmentError:
    """AER = 1 - (|A ∩ S| + |A ∩ P|) / (|A| + |S|) of links ``found`` over all sentences, 0 to 1, with their precision
    |A ∩ P| / |A| and their recall |A ∩ S| / |S|."""
    links, sure, in_sure, in_possible = 0, 0, 0, 0
    for ours, sentence in zip(found, gold, strict=True):
        links, sure = links + len(ours), sure + len(sentence.sure)
        in_sure += len(sentence.sure.intersection(ours))
        in_possible += len(sentence.possible.intersection(ours))
    return AlignmentError(
        error=1 - (in_sure + in_possible) / (links + sure),
        precision=in_possible / max(1, links),
        recall=in_sure / sure,
        sentences=len(gold),
    )


def running_text(words: Sequence[str]) -> tuple[str, list[Link]]:
    """The sentence that words are of, as people write it, and the bytes at which each of them begins and ends there.

    Marks stand on the word before them, words on an apostrophe before them (``l' Éternel``), and those of scripts
    without spaces on each other: a model has seen no other text.
    """
    text, before, places = "", "", []
    for word in words:
        if text and not (
            _NO_SPACE_BEFORE.fullmatch(word)
            or _NO_SPACE_AFTER.fullmatch(before)
            or _UNSPACED.match(word)
            or _UNSPACED.match(before[-1])
        ):
            text += " "
        begin = len(text.encode())
        text, before = text + word, word
        places.append((begin, len(text.encode())))
    return text, places


def _lines(path: Location) -> list[str]:
    with reading(path) as file:
        return list(text_lines(file, str(path)))


def _sentence(where: str, source: str, target: str, align: str) -> Gold:
    words, links = (source.split(), target.split()), {"sure": set[Link](), "possible": set[Link]()}
    for written in align.split():
        found = _LINK.fullmatch(written)
        if not found:
            raise UserError(f"{where}: {written} is no link; write 1-2 for a sure one, 1?2 or 1p2 for a possible one")
        link = int(found[1]), int(found[3])
        if link[0] >= len(words[0]) or link[1] >= len(words[1]):
            raise UserError(
                f"{where}: {written}: there are {len(words[0])} source and {len(words[1])} target words; count from 0"
            )
        links["sure" if found[2] == "-" else "possible"].add(link)
    return Gold(*words, frozenset(links["sure"]), frozenset(links["sure"] | links["possible"]))
