"""Which of several like sentence pairs are kept.

Pairs with the same source sentence meet in one partition, where copies and further translations are found
(``without_copies``, ``beyond_translations``). Pairs with the same target sentence, and nearly the same pairs, are
spread over all partitions: of them only short keys meet (``KEYS``), and ``target_drops`` and ``near_duplicate_drops``
say which pairs their partitions must leave out. Sentences are the same here if their letters and digits are, in
whatever case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.cleaning.records import Pair, Rejection
from pipelines.cleaning.rules import NEAR_DUPLICATE, OVERLAP, SOURCES, TRANSLATIONS
from pipelines.cleaning.sentences import Sentences

# What is known of a pair where pairs with something in common meet: digests of that and of what makes the pair a
# copy of another; where the pair stands in the corpora; its partition; whether that is of dev or test.
KEYS = np.dtype(
    [("common", "<u8"), ("place", "<u8"), ("corpus", "<u4"), ("line", "<u8"), ("partition", "<u4"), ("held_out", "?")]
)


class Drop(NamedTuple):
    """A pair that its partition must leave out, by its corpus and line."""

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
    """(partition, pair to leave out) of pairs that may have targets in common.

    With ``overlap`` those to train on whose target is one of dev or test as well; with ``most_sources`` those
    that come, in the order of the corpora, after as many others. A copy of a pair before it is not counted.
    """
    training = keys[~keys["held_out"]]
    if overlap:
        overlapping = np.isin(training["common"], keys["common"][keys["held_out"]])
        yield from (_drop(key, Rejection(OVERLAP)) for key in training[overlapping])
        training = training[~overlapping]
    if most_sources is not None:
        for key, number in _beyond(training, most_sources):
            yield _drop(key, Rejection(SOURCES, number, most_sources))


def near_duplicate_drops(keys: npt.NDArray[np.void], similarity: float) -> Iterator[tuple[int, Drop]]:
    """(partition, pair to leave out) of pairs to train on that have something in common with one before."""
    for key, _ in _beyond(keys[~keys["held_out"]], 1):
        yield _drop(key, Rejection(NEAR_DUPLICATE, None, similarity))


def _beyond(keys: npt.NDArray[np.void], most: int) -> Iterator[tuple[np.void, int]]:
    """The pairs that come after ``most`` others with the same in common, and as the how many-th; copies left out."""
    keys = keys[np.lexsort((keys["line"], keys["corpus"], keys["place"], keys["common"]))]
    is_copy = np.zeros(len(keys), bool)
    is_copy[1:] = (keys["common"][1:] == keys["common"][:-1]) & (keys["place"][1:] == keys["place"][:-1])
    keys = keys[~is_copy]
    keys = keys[np.lexsort((keys["line"], keys["corpus"], keys["common"]))]
    first = np.searchsorted(keys["common"], keys["common"], side="left")
    numbers = np.arange(len(keys)) - first + 1
    for place in np.flatnonzero(numbers > most).tolist():
        yield keys[place], int(numbers[place])


def _drop(key: np.void, rejection: Rejection) -> tuple[int, Drop]:
    return int(key["partition"]), Drop(int(key["corpus"]), int(key["line"]), rejection)
