"""Cleans blocks of pairs, and says of every pair what must be known to tell which of several like ones stay.

    block ──► repair, apply the rules, hash ─┬─► batches of pairs, kept and rejected, by partition
                                             ├─► sources of given dev and test, by partition
                                             ├─► keys of what pairs have in common, where it is asked for
                                             └─► statistics of the pairs as they were read, by corpus

Beam shuffles batches of pairs, packed: each pair as an element would cost several times its own work.
"""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from pipelines.cleaning.blocks import JudgedBlock, judged
from pipelines.cleaning.duplicates import KEYS
from pipelines.cleaning.near_duplicates import band_keys
from pipelines.cleaning.statistics import Statistics, letters_of, likest_languages, statistics_of
from pipelines.corpora.line_files import PairBlock
from pipelines.preparation.deduplicate import BATCHES, HELD_OUT, KNOWN, NEAR, TARGETS, drop_finders
from pipelines.preparation.partitions import Assignment, Partitions, pack
from pipelines.runners import progress
from pipelines.runners.guards import explained_errors

STATISTICS = "statistics"


class CleanPairs(beam.PTransform):
    """Blocks → what ``Deduplicate`` must know of their pairs, by its tags; and (number of a corpus, statistics)."""

    def __init__(self, partitions: Partitions):
        super().__init__()
        self._partitions = partitions

    def expand(
        self, blocks: beam.PCollection[PairBlock]
    ) -> tuple[dict[str, beam.PCollection[tuple[int, bytes]]], beam.PCollection[tuple[int, Statistics]]]:
        cleaned = blocks | beam.ParDo(CleanBlock(self._partitions)).with_outputs(*KNOWN, STATISTICS)
        return {tag: cleaned[tag] for tag in KNOWN}, cleaned[STATISTICS]


@beam.typehints.with_input_types(PairBlock)
@beam.typehints.with_output_types(
    None, **dict.fromkeys(KNOWN, tuple[int, bytes]), **{STATISTICS: tuple[int, Statistics]}
)
class CleanBlock(beam.DoFn):
    """Block → what ``Deduplicate`` must know of its pairs, by tag, and their statistics as they were read.

    The digests of the sources of given dev and test pairs go to the partitions in which pairs to train on with the
    same source are. Keys of what pairs have in common are of kept pairs, and only where they are asked for.
    """

    def __init__(self, partitions: Partitions):
        self._partitions = partitions
        self._assignment = Assignment(partitions)
        cleaning = partitions.recipe.cleaning
        self._letters = cleaning.duplicates == "letters"
        self._finders = drop_finders(cleaning)
        self._similarity = cleaning.max_near_duplicates or 1.0

    def process(self, block: PairBlock) -> Iterator[beam.pvalue.TaggedOutput]:
        corpus = self._partitions.corpora[block.corpus]
        with explained_errors():
            pairs = judged(block, corpus)
        source_digests = self._assignment.digests(pairs.source.letter_keys())
        target_digests = self._assignment.digests(pairs.target.letter_keys())
        places = self._places(pairs, source_digests, target_digests)
        partitions = self._assignment.partitions(source_digests)
        if corpus.split != "train":
            yield from _held_out(pairs, source_digests, partitions)
            # Files given as dev or test are one partition, kept whole and in the order of their lines.
            partitions = np.full(len(pairs), self._partitions.of_split(corpus.split)[0])
            places = [line.to_bytes(16, "big") for line in pairs.lines]
        if TARGETS in self._finders:
            targets = _first_halves(target_digests)[pairs.kept]
            yield from self._keys(TARGETS, targets, pairs.kept, pairs, places, partitions)
        if NEAR in self._finders:
            letters = zip(pairs.source.letter_keys(), pairs.target.letter_keys(), strict=True)
            bands = band_keys([source + target for source, target in letters], self._similarity)[pairs.kept]
            of_pairs = np.repeat(pairs.kept, bands.shape[1])
            yield from self._keys(NEAR, bands.reshape(-1), of_pairs, pairs, places, partitions)
        for partition, batch in _batches(pairs, places, partitions).items():
            yield beam.pvalue.TaggedOutput(BATCHES, (partition, pack(batch)))
        statistics = statistics_of(pairs.source, pairs.target) | letters_of(pairs.source, pairs.target)
        if corpus.cleaning and corpus.cleaning.min_language is not None:
            statistics |= likest_languages(pairs.source, pairs.target)
        yield beam.pvalue.TaggedOutput(STATISTICS, (corpus.number, statistics))
        progress.add(len(pairs))

    def _places(self, pairs: JudgedBlock, source_digests: list[bytes], target_digests: list[bytes]) -> list[bytes]:
        """A digest of every pair: of its letters, where pairs with the same ones are copies, or else of its text."""
        if self._letters:
            both = zip(source_digests, target_digests, strict=True)
            return self._assignment.digests(f"{source.hex()}{target.hex()}" for source, target in both)
        texts = zip(pairs.source.texts, pairs.target.texts, strict=True)
        return self._assignment.digests(f"{source}\n{target}" for source, target in texts)

    def _keys(
        self,
        name: str,
        common: npt.NDArray[np.uint64],
        of_pairs: npt.NDArray[np.int64],
        pairs: JudgedBlock,
        places: list[bytes],
        partitions: npt.NDArray[np.int64],
    ) -> Iterator[beam.pvalue.TaggedOutput]:
        """``KEYS`` of what pairs may have in common, by the part of all of it that is one worker's."""
        keys = np.zeros(len(common), KEYS)
        keys["common"], keys["place"] = common, _first_halves(places)[of_pairs]
        keys["corpus"], keys["line"] = pairs.corpus.number, pairs.lines[0] + of_pairs
        keys["rank"] = self._partitions.ranks[pairs.corpus.number]
        keys["partition"] = partitions[of_pairs]
        shards = self._partitions.recipe.shards
        keys["held_out"] = keys["partition"] >= shards
        parts = common % np.uint64(shards)
        for part in np.unique(parts).tolist():
            yield beam.pvalue.TaggedOutput(name, (part, keys[parts == part].tobytes()))


def _held_out(
    pairs: JudgedBlock, digests: list[bytes], partitions: npt.NDArray[np.int64]
) -> Iterator[beam.pvalue.TaggedOutput]:
    of_partition = defaultdict(list)
    for place in pairs.kept.tolist():
        of_partition[int(partitions[place])].append(digests[place])
    for partition, found in of_partition.items():
        yield beam.pvalue.TaggedOutput(HELD_OUT, (partition, pickle.dumps(found)))


def _batches(
    pairs: JudgedBlock, places: list[bytes], partitions: npt.NDArray[np.int64]
) -> dict[int, tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]]:
    """The pairs that are kept and that are rejected, as bare tuples, by partition."""
    batches: dict[int, tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]] = defaultdict(lambda: ([], []))
    corpus = pairs.corpus
    columns = zip(partitions.tolist(), places, pairs.lines, pairs.source.texts, pairs.target.texts, strict=True)
    for (partition, place, line, source, target), rejection in zip(columns, pairs.rejections, strict=True):
        if rejection is None:
            batches[partition][0].append((place, corpus.number, line, source, target))
        else:
            file = pairs.files.get(line - pairs.lines[0], corpus.file_name)
            batches[partition][1].append((corpus.number, line, *rejection, file, source, target))
    return batches


def _first_halves(digests: list[bytes]) -> npt.NDArray[np.uint64]:
    return np.frombuffer(b"".join(digests), "<u8")[::2]
