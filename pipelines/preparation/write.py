"""What the cleaning job leaves in the files of ``pipelines.preparation.partitions``."""

from __future__ import annotations

import apache_beam as beam

from pipelines.cleaning.statistics import Statistics, added
from pipelines.preparation.deduplicate import ChosenPairs
from pipelines.preparation.partitions import Partitions
from pipelines.runners.guards import explained_errors, without_cycle_collection


class WritePartitions(beam.PTransform):
    """(partition, its pairs) → nothing: writes them, in their order."""

    def __init__(self, partitions: Partitions):
        super().__init__()
        self._partitions = partitions

    def expand(self, chosen: beam.PCollection[tuple[int, ChosenPairs]]) -> beam.PCollection[None]:
        return chosen | beam.ParDo(WritePartition(self._partitions))


class WriteStatistics(beam.PTransform):
    """(number of a corpus, statistics of some of its pairs) → nothing: writes the sum for every corpus."""

    def __init__(self, partitions: Partitions):
        super().__init__()
        self._partitions = partitions

    def expand(self, statistics: beam.PCollection[tuple[int, Statistics]]) -> beam.PCollection[None]:
        return statistics | beam.CombinePerKey(added) | beam.ParDo(WriteCorpusStatistics(self._partitions))


@beam.typehints.with_input_types(tuple[int, ChosenPairs])
class WritePartition(beam.DoFn):
    def __init__(self, partitions: Partitions):
        self._partitions = partitions

    def process(self, element: tuple[int, ChosenPairs]) -> None:
        partition, chosen = element
        with explained_errors(), without_cycle_collection():
            self._partitions.write(partition, chosen.kept, chosen.rejected)


class WriteCorpusStatistics(beam.DoFn):
    def __init__(self, partitions: Partitions):
        self._partitions = partitions

    def process(self, element: tuple[int, Statistics]) -> None:
        with explained_errors():
            self._partitions.write_statistics(*element)
