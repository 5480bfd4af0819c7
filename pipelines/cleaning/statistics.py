"""Counts that the report's pictures are drawn from, made by workers and added up: every one is a Counter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.cleaning.sentences import LETTER, UNSPACED, Sentences

# By the unit of lengths: longer sentences count as of this length. A power of two has so many steps of ratio.
LONGEST = {"words": 150, "characters": 300}
STEPS_OF_RATIO = 8

Statistics = dict[str, Counter[Any]]


def statistics_of(source: Sentences, target: Sentences) -> Statistics:
    """Words and characters of either side, and log2 of target characters over source characters, in
    ``STEPS_OF_RATIO``."""
    filled = (source.lengths > 0) & (target.lengths > 0)
    ratio = np.log2(target.lengths[filled] / source.lengths[filled])
    lengths = {
        f"{name}_{unit}": _counted(np.minimum(values, LONGEST[unit]))
        for name, side in (("source", source), ("target", target))
        for unit, values in (("words", side.words), ("characters", side.lengths))
    }
    return {
        **lengths,
        "length_ratio": _counted(np.rint(ratio * STEPS_OF_RATIO).astype(np.int64)),
    }


def likest_languages(source: Sentences, target: Sentences) -> Statistics:
    """How many sentences are likest to each language, of those long enough to tell."""
    return {
        f"{name}_languages": Counter(language for language, _ in side.likeness if language)
        for name, side in (("source", source), ("target", target))
        if side.has_known_language
    }


def letters_of(source: Sentences, target: Sentences) -> Statistics:
    """How many letters either side has in scripts that put no spaces between words, and in all."""
    return {
        f"{name}_letters": Counter(unspaced=int(side.count(UNSPACED).sum()), all=int(side.count(LETTER).sum()))
        for name, side in (("source", source), ("target", target))
    }


def unit_of_lengths(statistics: Statistics, side: str) -> str:
    """What the sentences of a side are measured in for people: words, or characters where most are of such scripts."""
    found = statistics.get(f"{side}_letters", Counter())
    return "characters" if 2 * found["unspaced"] > found["all"] else "words"


def added(several: Iterable[Statistics]) -> Statistics:
    """The sum of several statistics."""
    total: Statistics = {}
    for statistics in several:
        for name, counts in statistics.items():
            total.setdefault(name, Counter()).update(counts)
    return total


def _counted(values: npt.NDArray[np.int64]) -> Counter[int]:
    found, counts = np.unique(values, return_counts=True)
    return Counter(dict(zip(found.tolist(), counts.tolist(), strict=True)))
