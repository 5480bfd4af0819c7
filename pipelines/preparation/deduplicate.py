"""The end of the second Beam job: which pairs of a partition stay, knowing all that are like them.

keys of what pairs have in common ──► GroupByKey ──► find drops ─┐
batches of pairs, sources of given dev and test ─────────────────┴─► GroupByKey(partition) ──► choose, sort, write
"""

from __future__ import annotations

import itertools
import pickle
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from pipelines.cleaning.duplicates import KEYS, Drop, beyond_translations, without_copies
from pipelines.cleaning.records import Pair, Rejected, Rejection
from pipelines.cleaning.rules import DUPLICATE, OVERLAP, UNDERSAMPLED
from pipelines.cleaning.sentences import Sentences
from pipelines.preparation.partitions import Assignment, Partitions, unpack
from pipelines.runners.guards import explained_errors, without_cycle_collection

# What a partition is given to choose from: its pairs; sources of dev and test; pairs to leave out, because of targets
# or of likeness.
BATCHES, HELD_OUT, TARGETS, NEAR = "batches", "held_out", "targets", "near"

DropFinder: TypeAlias = Callable[[npt.NDArray[np.void]], Iterator[tuple[int, Drop]]]


class FindDrops(beam.DoFn):
    """(part, ``KEYS``) → (partition, pairs that it must leave out), as ``pipelines.cleaning.duplicates`` finds them."""

    def __init__(self, find: DropFinder):
        self._find = find

    def process(self, element: tuple[int, Iterable[bytes]]) -> Iterator[tuple[int, bytes]]:
        drops: dict[int, list[Drop]] = defaultdict(list)
        for partition, drop in self._find(np.frombuffer(b"".join(element[1]), KEYS)):
            drops[partition].append(drop)
        for partition, of_partition in drops.items():
            yield partition, pickle.dumps(of_partition)


class WritePartition(beam.DoFn):
    """(partition, all that is known of its pairs) → nothing: leaves out what must be, sorts, writes its files."""

    def __init__(self, partitions: Partitions):
        self._partitions = partitions
        self._assignment = Assignment(partitions)

    def process(self, element: tuple[int, Mapping[str, Iterable[bytes]]]) -> None:
        with explained_errors(), without_cycle_collection():
            self._write(*element)

    def _write(self, partition: int, inputs: Mapping[str, Iterable[bytes]]) -> None:
        kept: list[Pair] = []
        rejected: list[Rejected] = []
        for batch in map(unpack, inputs[BATCHES]):
            kept += itertools.starmap(Pair, batch[0])
            rejected += map(Rejected._make, batch[1])
        kept.sort()
        split = self._partitions.split(partition)
        if not self._partitions.is_given(split):
            held_out = {digest for digests in inputs[HELD_OUT] for digest in pickle.loads(digests)}
            of_partition = [*inputs.get(TARGETS, ()), *inputs.get(NEAR, ())]
            drops = [drop for found in of_partition for drop in pickle.loads(found)]
            kept = self._chosen(kept, rejected, held_out if split == "train" else set(), drops)
        if split == "train":
            kept = self._weighted(kept, rejected)
        rejected.sort()
        self._partitions.write(partition, kept, rejected)

    def _chosen(
        self, kept: list[Pair], rejected: list[Rejected], held_out: set[bytes], drops: list[Drop]
    ) -> list[Pair]:
        """The pairs that stay beside the others; those that do not go to ``rejected``."""
        cleaning = self._partitions.recipe.cleaning
        if cleaning.remove_overlap and held_out:
            digests = self._assignment.digests(Sentences([pair.source for pair in kept]).letter_keys())
            overlapping = (pair for pair, digest in zip(kept, digests, strict=True) if digest in held_out)
            kept = self._without(
                kept, rejected, [Drop(pair.corpus, pair.line, Rejection(OVERLAP)) for pair in overlapping]
            )
        if cleaning.duplicates:
            kept, copies = without_copies(kept)
            rejected += [self._rejected(copy, Rejection(DUPLICATE)) for copy in copies]
        kept = self._without(kept, rejected, drops)
        if cleaning.max_translations is not None:
            kept = self._without(kept, rejected, list(beyond_translations(kept, cleaning.max_translations)))
        return kept

    def _without(self, kept: list[Pair], rejected: list[Rejected], drops: list[Drop]) -> list[Pair]:
        """The pairs that are not to be dropped; those that are go to ``rejected``."""
        if not drops:
            return kept
        found = {(drop.corpus, drop.line): drop.rejection for drop in drops}
        stay = []
        for pair in kept:
            rejection = found.get((pair.corpus, pair.line))
            if rejection is None:
                stay.append(pair)
            else:
                rejected.append(self._rejected(pair, rejection))
        return stay

    def _weighted(self, kept: list[Pair], rejected: list[Rejected]) -> list[Pair]:
        """Every pair as many times as its corpus's weight says; what is over whole times is decided by its place."""
        if all(corpus.weight == 1 for corpus in self._partitions.corpora):
            return kept
        written = []
        for pair in kept:
            weight = self._partitions.corpora[pair.corpus].weight
            share = int.from_bytes(pair.place[-8:], "big") / 2**64
            times = int(weight) + (share < weight % 1)
            if not times:
                rejected.append(self._rejected(pair, Rejection(UNDERSAMPLED, round(share, 4), weight)))
            written += [
                pair._replace(place=self._assignment.copy(pair.place, copy), copy=copy) for copy in range(times)
            ]
        return sorted(written)

    def _rejected(self, pair: Pair, rejection: Rejection) -> Rejected:
        file = self._partitions.corpora[pair.corpus].file_name
        return Rejected(pair.corpus, pair.line, *rejection, file, pair.source, pair.target)
