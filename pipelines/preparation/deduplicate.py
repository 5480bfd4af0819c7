"""Which of several like pairs stay: of the pairs of a partition, knowing all that are like them.

    keys of what pairs have in common ──► GroupByKey ──► find drops ─┐
    batches of pairs, sources of given dev and test ─────────────────┴─► CoGroupByKey(partition) ──► choose, sort

What pairs may have in common, and which of them are dropped for it, is in ``pipelines.cleaning.duplicates``.
"""

from __future__ import annotations

import itertools
import pickle
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple, TypeAlias

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from pipelines.cleaning.duplicates import (
    KEYS,
    Drop,
    beyond_translations,
    near_duplicate_drops,
    target_drops,
    without_copies,
)
from pipelines.cleaning.records import Pair, Rejected, Rejection
from pipelines.cleaning.rules import DUPLICATE, OVERLAP, UNDERSAMPLED
from pipelines.cleaning.sentences import Sentences
from pipelines.preparation.partitions import Assignment, Partitions, pack, unpack
from pipelines.runners.guards import explained_errors, without_cycle_collection
from recipes.data_schema import Cleaning

# What is known of pairs, by tag, and in which form:
BATCHES = "batches"  # partition, packed pairs kept and rejected, as bare tuples
HELD_OUT = "held_out"  # partition, pickled digests of the sources of dev and test that would be in it
TARGETS = "targets"  # part of all targets, KEYS of pairs that may have their targets in common
NEAR = "near"  # part of all bands, KEYS of pairs that may be nearly the same
KNOWN = (BATCHES, HELD_OUT, TARGETS, NEAR)

_BYTES_OF_A_PAIR = 200  # packed, about

DropFinder: TypeAlias = Callable[[npt.NDArray[np.void]], Iterator[tuple[int, Drop]]]


class ChosenPairs(NamedTuple):
    """The pairs of a partition that stay, and those that are rejected, both sorted."""

    kept: list[Pair]
    rejected: list[Rejected]


class Deduplicate(beam.PTransform):
    """What is known of pairs, by its tag → (partition, its pairs: those that stay, and those that do not)."""

    def __init__(self, partitions: Partitions):
        super().__init__()
        self._partitions = partitions

    def expand(
        self, known: Mapping[str, beam.PCollection[tuple[int, bytes]]]
    ) -> beam.PCollection[tuple[int, ChosenPairs]]:
        of_partitions = {tag: known[tag] for tag in (BATCHES, HELD_OUT)}
        for tag, find in drop_finders(self._partitions.recipe.cleaning).items():
            same = known[tag] | f"GroupByKey({tag})" >> beam.GroupByKey()
            of_partitions[tag] = same | f"FindDrops({tag})" >> beam.ParDo(FindDrops(find))
        return of_partitions | beam.CoGroupByKey() | beam.ParDo(ChoosePairs(self._partitions))


def drop_finders(cleaning: Cleaning) -> dict[str, DropFinder]:
    """By the tag of what pairs may have in common, what finds those to be left out because of it."""
    finders: dict[str, DropFinder] = {}
    if cleaning.remove_overlap or cleaning.max_sources is not None:
        overlap, most = cleaning.remove_overlap, cleaning.max_sources
        finders[TARGETS] = partial(target_drops, overlap=overlap, most_sources=most)
    if cleaning.max_near_duplicates is not None:
        finders[NEAR] = partial(near_duplicate_drops, similarity=cleaning.max_near_duplicates)
    return finders


@beam.typehints.with_input_types(tuple[int, Iterable[bytes]])
@beam.typehints.with_output_types(tuple[int, bytes])
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


@beam.typehints.with_input_types(tuple[int, Mapping[str, Iterable[bytes]]])
@beam.typehints.with_output_types(tuple[int, ChosenPairs])
class ChoosePairs(beam.DoFn):
    """(partition, all that is known of its pairs) → (partition, its pairs)."""

    def __init__(self, partitions: Partitions):
        self._partitions = partitions
        self._assignment = Assignment(partitions)

    def process(self, element: tuple[int, Mapping[str, Iterable[bytes]]]) -> Iterator[tuple[int, ChosenPairs]]:
        partition, known = element
        with explained_errors(), without_cycle_collection():
            yield partition, self._chosen(partition, known)

    def _chosen(self, partition: int, known: Mapping[str, Iterable[bytes]]) -> ChosenPairs:
        kept: list[Pair] = []
        rejected: list[Rejected] = []
        for batch in map(unpack, known[BATCHES]):
            kept += itertools.starmap(Pair, batch[0])
            rejected += map(Rejected._make, batch[1])
        kept.sort()
        split = self._partitions.split(partition)
        if not self._partitions.is_given(split):
            held_out = {digest for digests in known[HELD_OUT] for digest in pickle.loads(digests)}
            of_partition = [*known.get(TARGETS, ()), *known.get(NEAR, ())]
            drops = [drop for found in of_partition for drop in pickle.loads(found)]
            kept = self._deduplicated(kept, rejected, held_out, drops)
        if split == "train":
            kept = self._weighted(kept, rejected)
        rejected.sort()
        return ChosenPairs(kept, rejected)

    def _deduplicated(
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
            kept, copies = without_copies(kept, self._partitions.ranks)
            rejected += [self._rejected(copy, Rejection(DUPLICATE)) for copy in copies]
        kept = self._without(kept, rejected, drops)
        if cleaning.max_translations is not None:
            kept = self._without(
                kept, rejected, list(beyond_translations(kept, cleaning.max_translations, self._partitions.ranks))
            )
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


class ChosenPairsCoder(beam.coders.Coder):
    """For runners that hand chosen pairs on to another worker; as a rule the one that chose them writes them.

    Beam learns the size of elements by encoding samples of them, and of a few it samples all. For partitions, that
    would take a twelfth of the job's time.
    """

    def encode(self, chosen: ChosenPairs) -> bytes:
        return pack(chosen)

    def decode(self, packed: bytes) -> ChosenPairs:
        chosen: ChosenPairs = unpack(packed)
        return chosen

    def estimate_size(self, chosen: ChosenPairs) -> int:
        return _BYTES_OF_A_PAIR * (len(chosen.kept) + len(chosen.rejected))


beam.coders.registry.register_coder(ChosenPairs, ChosenPairsCoder)
