"""Which sentence pairs are kept of those that are alike.

Pairs with the same source sentence meet in one partition, where copies and further translations are found
(``without_copies``, ``beyond_translations``). Pairs with the same target sentence, and near duplicates, are spread
over all partitions: only short keys of them meet (``KEYS``), from which ``target_drops`` and ``near_duplicate_drops``
find the pairs that each partition must leave out. Sentences are the same here if their ``letter_keys`` are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.cleaning.records import Pair, Rejection
from pipelines.cleaning.rules import NEAR_DUPLICATE, OVERLAP, SOURCES, TRANSLATIONS
from pipelines.cleaning.sentences import Sentences

# What is known of a pair where pairs with something in common meet: a digest of what they have in common; a digest
# that its copies share (place); where it stands in the corpora, and the rank of its corpus; its partition, and whether
# that is of dev or test.
KEYS = np.dtype(
    [
        ("common", "<u8"),
        ("place", "<u8"),
        ("rank", "<u4"),
        ("corpus", "<u4"),
        ("line", "<u8"),
        ("partition", "<u4"),
        ("held_out", "?"),
    ]
)


class Drop(NamedTuple):
    """A pair that its partition must leave out, by its corpus and line."""

    corpus: int
    line: int
    rejection: Rejection


def ranks_of(weights: Sequence[float]) -> list[int]:
    """The rank of every corpus: of pairs that are alike those of the heaviest corpus stay, else those of the first."""
    order = sorted(range(len(weights)), key=lambda number: (-weights[number], number))
    return [order.index(number) for number in range(len(weights))]


def without_copies(pairs: Sequence[Pair], ranks: Sequence[int]) -> tuple[list[Pair], list[Pair]]:
    """Splits sorted pairs into that of every run with the same place whose corpus ranks first, and the others."""
    stay: list[Pair] = []
    copies: list[Pair] = []
    for pair in pairs:
        if not stay or stay[-1].place != pair.place:
            stay.append(pair)
        elif ranks[pair.corpus] < ranks[stay[-1].corpus]:
            copies.append(stay.pop())
            stay.append(pair)
        else:
            copies.append(pair)
    return stay, copies


def beyond_translations(pairs: Sequence[Pair], most: int, ranks: Sequence[int]) -> Iterator[Drop]:
    """By the ranks of the corpora, the pairs that come after ``most`` others with the same source sentence."""
    keys = Sentences([pair.source for pair in pairs]).letter_keys()
    seen: dict[str, int] = {}
    for key, pair in sorted(zip(keys, pairs, strict=True), key=lambda item: (ranks[item[1].corpus], item[1].line)):
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > most:
            yield Drop(pair.corpus, pair.line, Rejection(TRANSLATIONS, seen[key], most))


def target_drops(keys: npt.NDArray[np.void], overlap: bool, most_sources: int | None) -> Iterator[tuple[int, Drop]]:
    """(partition, pair to leave out), from pairs that may have targets in common.

    With ``overlap``, training pairs whose target is also one of dev or test; with ``most_sources``, training pairs
    that come, by the ranks of the corpora, after that many others with the same target. Copies do not count.
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
    """(partition, pair to leave out): the training pairs that have something in common with an earlier one."""
    for key, _ in _beyond(keys[~keys["held_out"]], 1):
        yield _drop(key, Rejection(NEAR_DUPLICATE, None, similarity))


def _beyond(keys: npt.NDArray[np.void], most: int) -> Iterator[tuple[np.void, int]]:
    """The pairs after the first ``most`` that have the same in common, each with its number among these; no copies."""
    keys = keys[np.lexsort((keys["line"], keys["rank"], keys["place"], keys["common"]))]
    is_copy = np.zeros(len(keys), bool)
    is_copy[1:] = (keys["common"][1:] == keys["common"][:-1]) & (keys["place"][1:] == keys["place"][:-1])
    keys = keys[~is_copy]
    keys = keys[np.lexsort((keys["line"], keys["rank"], keys["common"]))]
    first = np.searchsorted(keys["common"], keys["common"], side="left")
    numbers = np.arange(len(keys)) - first + 1
    for place in np.flatnonzero(numbers > most).tolist():
        yield keys[place], int(numbers[place])


def _drop(key: np.void, rejection: Rejection) -> tuple[int, Drop]:
    return int(key["partition"]), Drop(int(key["corpus"]), int(key["line"]), rejection)
