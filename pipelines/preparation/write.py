"""What the cleaning job leaves in the files of ``pipelines.preparation.partitions``."""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import TypeVar

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from pipelines.cleaning.records import Pair, Rejected
from pipelines.cleaning.statistics import Statistics, added
from pipelines.preparation.deduplicate import ChosenPairs
from pipelines.preparation.index import Indexes
from pipelines.preparation.partitions import Partitions
from pipelines.runners.guards import explained_errors, without_cycle_collection

PairOrRejected = TypeVar("PairOrRejected", Pair, Rejected)


class WritePartitions(beam.PTransform):
    """(partition, its pairs) → nothing: writes them, in their order."""

    def __init__(self, partitions: Partitions, indexes: Indexes):
        super().__init__()
        self._partitions, self._indexes = partitions, indexes

    def expand(self, chosen: beam.PCollection[tuple[int, ChosenPairs]]) -> beam.PCollection[None]:
        return chosen | beam.ParDo(WritePartition(self._partitions, self._indexes))


class WriteStatistics(beam.PTransform):
    """(number of a corpus, statistics of some of its pairs) → nothing: writes the sum for every corpus."""

    def __init__(self, partitions: Partitions):
        super().__init__()
        self._partitions = partitions

    def expand(self, statistics: beam.PCollection[tuple[int, Statistics]]) -> beam.PCollection[None]:
        return statistics | beam.CombinePerKey(added) | beam.ParDo(WriteCorpusStatistics(self._partitions))


@beam.typehints.with_input_types(tuple[int, ChosenPairs])
class WritePartition(beam.DoFn):
    """(partition, its pairs) → nothing: writes its files."""

    def __init__(self, partitions: Partitions, indexes: Indexes):
        self._partitions, self._indexes = partitions, indexes

    def setup(self) -> None:
        self._copies = contextlib.ExitStack()

    def teardown(self) -> None:
        self._copies.close()

    def process(self, element: tuple[int, ChosenPairs]) -> None:
        partition, chosen = element
        with explained_errors(), without_cycle_collection():
            kept, rejected = list(map(self._in_file, chosen.kept)), list(map(self._in_file, chosen.rejected))
            self._partitions.write(partition, kept, rejected)

    @cached_property
    def _lines(self) -> list[npt.NDArray[np.int64] | None]:
        """By the number of a corpus, the lines of its file that its pairs are in."""
        opened = map(self._indexes.line_numbers, self._partitions.corpora)
        return [self._copies.enter_context(lines) for lines in opened]

    def _in_file(self, pair: PairOrRejected) -> PairOrRejected:
        """The pair with its line in the file that was given; until here the line is its number, and no other's."""
        lines = self._lines[pair.corpus]
        return pair if lines is None else pair._replace(line=int(lines[pair.line - 1]))


@beam.typehints.with_input_types(tuple[int, Statistics])
class WriteCorpusStatistics(beam.DoFn):
    """(number of a corpus, statistics of all its pairs) → nothing: writes its file."""

    def __init__(self, partitions: Partitions):
        self._partitions = partitions

    def process(self, element: tuple[int, Statistics]) -> None:
        with explained_errors():
            self._partitions.write_statistics(*element)
