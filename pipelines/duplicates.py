"""Which of several like sentence pairs are kept.

Pairs with the same source sentence meet in one bucket, where copies and further translations are found
(``without_copies``, ``beyond_translations``). Pairs with the same target sentence are spread over all buckets:
of them only short keys meet (``TARGET_KEYS``), and ``target_drops`` says which pairs their buckets must leave out.
Sentences are the same here if their letters and digits are, in whatever case.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.buckets import Pair
from pipelines.cleaning import OVERLAP, SOURCES, TRANSLATIONS, Rejection
from pipelines.sentences import Sentences

# What is known of a pair where the pairs of one target sentence meet: digests of that sentence and of what makes
# the pair a copy of another; where the pair stands in the corpora; its bucket; whether that is of dev or test.
TARGET_KEYS = np.dtype(
    [("target", "<u8"), ("place", "<u8"), ("corpus", "<u4"), ("line", "<u8"), ("bucket", "<u4"), ("held_out", "?")]
)


class Drop(NamedTuple):
    """A pair that its bucket must leave out, by its corpus and line."""

    corpus: int
    line: int
    rejection: Rejection


def without_copies(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Of sorted pairs, the first of every run with the same place, and the others."""
    firsts: list[Pair] = []
    copies: list[Pair] = []
    for pair in pairs:
        (copies if firsts and firsts[-1].place == pair.place else firsts).append(pair)
    return firsts, copies


def beyond_translations(pairs: Sequence[Pair], most: int) -> Iterator[Drop]:
    """The pairs that come, in the order of the corpora, after ``most`` others with the same source sentence."""
    keys = Sentences([pair.source for pair in pairs]).letter_keys()
    seen: dict[str, int] = {}
    for key, pair in sorted(zip(keys, pairs, strict=True), key=lambda item: (item[1].corpus, item[1].line)):
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > most:
            yield Drop(pair.corpus, pair.line, Rejection(TRANSLATIONS, seen[key], most))


def target_drops(keys: npt.NDArray[np.void], overlap: bool, most_sources: int | None) -> Iterator[tuple[int, Drop]]:
    """(bucket, pair to leave out) of all pairs whose targets have these ``TARGET_KEYS``.

    With ``overlap`` those to train on whose target is one of dev or test as well; with ``most_sources`` those
    that come, in the order of the corpora, after as many others. A copy of a pair before it is not counted.
    """
    keys = keys[np.lexsort((keys["line"], keys["corpus"], keys["place"], keys["target"]))]
    training = ~keys["held_out"]
    if overlap:
        dropped = training & np.isin(keys["target"], keys["target"][keys["held_out"]])
        for key in keys[dropped]:
            yield int(key["bucket"]), Drop(int(key["corpus"]), int(key["line"]), Rejection(OVERLAP))
        training &= ~dropped
    if most_sources is None:
        return
    keys = keys[training]
    is_copy = np.zeros(len(keys), bool)
    is_copy[1:] = (keys["target"][1:] == keys["target"][:-1]) & (keys["place"][1:] == keys["place"][:-1])
    keys = keys[~is_copy]
    keys = keys[np.lexsort((keys["line"], keys["corpus"], keys["target"]))]
    for _, same_target in itertools.groupby(keys, key=lambda key: int(key["target"])):
        for number, key in enumerate(same_target, 1):
            if number > most_sources:
                rejection = Rejection(SOURCES, number, most_sources)
                yield int(key["bucket"]), Drop(int(key["corpus"]), int(key["line"]), rejection)
