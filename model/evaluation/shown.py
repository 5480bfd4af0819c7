"""The sentences whose alignments the page shows, which are kept: what a model attended to is in no other file.

evaluation/shown.json      Shown
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict, ValidationError

from model.evaluation.alignment_error import Gold, alignment_error
from model.evaluation.word_alignment import Link, WordAlignment
from workspace.layout import WorkDirectory
from workspace.storage import read_json

_BEST, _WORST, _RANDOM, _OF_GOLD = 3, 3, 4, 2
# For the same sentences every time.
_SEED = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class ShownAlignment(_Frozen):
    """The alignment of a sentence; why it is shown; number: its place, from 0, in the test set or among the sentences
    aligned by hand; source, target: words; weights: [target words, source words], 0 to 1; error: its own alignment
    error rate, 0 to 1, against the links ``sure`` and ``possible``, which are all, the sure ones among them; None where
    it was not aligned by hand."""

    why: str
    number: int
    source: list[str]
    target: list[str]
    weights: list[list[float]]
    sure: list[Link] = []
    possible: list[Link] = []
    error: float | None = None


class Shown(_Frozen):
    """sentences: of the test set, empty where the architecture aligns nothing; gold_name: of the alignment by hand, ""
    where there is none; gold: sentences of it."""

    sentences: list[ShownAlignment]
    gold_name: str
    gold: list[ShownAlignment]


def read_shown(work: WorkDirectory) -> Shown:
    """What an evaluation left; nothing where it was of another version of the project."""
    try:
        return Shown.model_validate(read_json(work.shown))
    except ValidationError:
        return Shown(sentences=[], gold_name="", gold=[])


def shown_of(
    alignments: Sequence[WordAlignment], chrf: Sequence[float], sources: Sequence[str], chosen: Sequence[int]
) -> Iterator[ShownAlignment]:
    """Of the test set the sentences that were chosen, the best by chrF, the worst, and some at random; none twice, and
    none without a translation. chosen: their places, from 0."""
    written = [place for place, alignment in enumerate(alignments) if alignment.weights.size]
    # Of equal scores the longer sentences tell more.
    by_score = sorted(written, key=lambda place: (-chrf[place], -len(sources[place])))
    at_random = random.Random(_SEED).sample(written, len(written))
    left = set(written)
    for why, places, most in (
        ("chosen", chosen, len(chosen)),
        ("best", by_score, _BEST),
        ("worst", by_score[::-1], _WORST),
        ("random", at_random, _RANDOM),
    ):
        for place in [place for place in dict.fromkeys(places) if place in left][:most]:
            left.remove(place)
            yield _shown(why, place, alignments[place])


def shown_of_gold(alignments: Sequence[WordAlignment], gold: Sequence[Gold]) -> Iterator[ShownAlignment]:
    """Of the sentences aligned by hand those that are aligned best and worst."""
    errors = [
        (alignment_error([alignment.links()], [sentence]).error, place)
        for place, (alignment, sentence) in enumerate(zip(alignments, gold, strict=True))
        if sentence.sure
    ]
    errors.sort()
    few = min(_OF_GOLD, len(errors) // 2)
    for why, found in (("aligned best", errors[:few]), ("aligned worst", errors[len(errors) - few :][::-1])):
        for error, place in found:
            links = {"sure": sorted(gold[place].sure), "possible": sorted(gold[place].possible), "error": error}
            yield _shown(why, place, alignments[place]).model_copy(update=links)


def _shown(why: str, number: int, alignment: WordAlignment) -> ShownAlignment:
    return ShownAlignment(
        why=why,
        number=number,
        source=alignment.source,
        target=alignment.target,
        weights=alignment.weights.round(4).tolist(),
    )
