"""Counts that the report's pictures are drawn from, made by workers and added up: every one is a Counter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.cleaning.sentences import Sentences

# Lengths are in words, and longer sentences count as of this length; a power of two has so many steps of ratio.
LONGEST = 150
STEPS_OF_RATIO = 8

Statistics = dict[str, Counter[Any]]


def statistics_of(source: Sentences, target: Sentences) -> Statistics:
    """Words of either side, and log2 of target characters over source characters, in ``STEPS_OF_RATIO``."""
    filled = (source.lengths > 0) & (target.lengths > 0)
    ratio = np.log2(target.lengths[filled] / source.lengths[filled])
    return {
        "source_words": _counted(np.minimum(source.words, LONGEST)),
        "target_words": _counted(np.minimum(target.words, LONGEST)),
        "length_ratio": _counted(np.rint(ratio * STEPS_OF_RATIO).astype(np.int64)),
    }


def likest_languages(source: Sentences, target: Sentences) -> Statistics:
    """How many sentences are likest to each language, of those long enough to tell."""
    return {
        f"{name}_languages": Counter(language for language, _ in side.likeness if language)
        for name, side in (("source", source), ("target", target))
        if side.has_known_language
    }


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
