"""Encodes every partition's pairs as subword ids, and writes them as one shard.

Each partition is one element and one worker's work; it leaves the shard, the file of rejected pairs, and a
``PartitionCounts`` that the manifest is put together from. Results are files and not Beam counters, which
a bundle that had to be tried again would count twice.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Collection, Iterator, Sequence

import apache_beam as beam

from pipelines.cleaning.records import Pair, Rejected, Rejection
from pipelines.cleaning.rules import TOO_MANY_SUBWORDS
from pipelines.preparation.counts import PartitionCounts
from pipelines.preparation.partitions import Partitions
from pipelines.preparation.shards import EncodedPair, encoded_example, write_gzip, write_shard
from pipelines.preparation.subwords import load_subwords
from pipelines.runners import progress
from pipelines.runners.guards import explained_errors, without_cycle_collection
from recipes.corpora import Corpus
from workspace.layout import WorkDirectory, shard_name
from workspace.listing import entries
from workspace.locations import Location
from workspace.storage import read_bytes, sha256_of, write_bytes


class WriteShards(beam.PTransform):
    """Beginning of a pipeline → nothing: shards and rejected pairs of all partitions appear in ``output.data``."""

    def __init__(self, partitions: Partitions, output: WorkDirectory):
        super().__init__()
        self._partitions, self._output = partitions, output

    def expand(self, pipeline: beam.pvalue.PBegin) -> beam.PCollection[None]:
        begun = [int(file.stem) for file in entries(_directory_of_counts(self._output))]
        encode = EncodePartition(self._partitions, self._output, begun)
        return pipeline | beam.Create(list(range(len(self._partitions)))) | beam.ParDo(encode)


def read_counts(partitions: Partitions, output: WorkDirectory) -> list[PartitionCounts]:
    """The counts of all partitions, in their order."""
    return [pickle.loads(read_bytes(_counts(output, partition))) for partition in range(len(partitions))]


@beam.typehints.with_input_types(int)
class EncodePartition(beam.DoFn):
    """Partition → nothing: writes its shard, its rejected pairs, its counts last; a finished one is left as it is.

    begun: the partitions that have counts of an earlier run.
    """

    def __init__(self, partitions: Partitions, output: WorkDirectory, begun: Collection[int] = ()):
        self._partitions = partitions
        self._output = output
        self._begun = begun
        self._names = [corpus.name for corpus in partitions.corpora]
        self._files = [corpus.file_name for corpus in partitions.corpora]

    def setup(self) -> None:
        joint = self._partitions.recipe.subwords.joint
        self._source_model = load_subwords(self._output.subword_model("source", joint))
        self._target_model = self._source_model if joint else load_subwords(self._output.subword_model("target", joint))

    def process(self, partition: int) -> None:
        with explained_errors(), without_cycle_collection():
            if self._is_written(partition):
                return
            split = self._partitions.split(partition)
            of_split = self._partitions.of_split(split)
            counts = PartitionCounts(split, shard_name(split, partition - of_split[0], len(of_split)))
            rejected = self._partitions.read_rejected(partition)
            records = self._records(partition, counts, rejected)
            counts.sha256 = write_shard(records, self._output.data / counts.shard)
            rejected.sort()
            counts.count_rejected(rejected, self._names)
            counts.rejected_sha256 = write_gzip(self._described(rejected), self._rejected(partition))
            write_bytes(_counts(self._output, partition), pickle.dumps(counts))

    def _is_written(self, partition: int) -> bool:
        """Whether a run that was interrupted has written all of a partition, and it is as it was."""
        if partition not in self._begun:
            return False
        try:
            counts: PartitionCounts = pickle.loads(read_bytes(_counts(self._output, partition)))
        except Exception:  # whatever pickle says of bytes that are not its own
            return False
        shard, rejected = self._output.data / counts.shard, self._rejected(partition)
        try:
            return sha256_of(shard) == counts.sha256 and sha256_of(rejected) == counts.rejected_sha256
        except FileNotFoundError:
            return False

    def _records(self, partition: int, counts: PartitionCounts, rejected: list[Rejected]) -> Iterator[bytes]:
        """The records of a partition, which ``counts`` counts; what is too long goes to ``rejected``."""
        limit = self._partitions.recipe.subwords.max_length
        for read in self._partitions.read_kept(partition):
            pairs = _tagged(read, self._partitions.corpora)
            sources = self._source_model.encode([pair.source for pair in pairs], num_threads=1)
            targets = self._target_model.encode([pair.target for pair in pairs], num_threads=1)
            encoded = [EncodedPair(*each) for each in zip(pairs, sources, targets, strict=True)]
            # A translation is asked for every dev and test sentence, however long.
            if counts.split == "train":
                too_long = [each for each in encoded if each.length > limit]
                if too_long:
                    rejected += (self._too_long(each) for each in too_long if not each.pair.copy)
                    encoded = [each for each in encoded if each.length <= limit]
            counts.count_records(encoded, self._names)
            for each in encoded:
                yield encoded_example(each, self._files[each.pair.corpus])
            progress.add(len(read))

    def _too_long(self, encoded: EncodedPair) -> Rejected:
        pair, limit = encoded.pair, self._partitions.recipe.subwords.max_length
        rejection = Rejection(TOO_MANY_SUBWORDS, encoded.length, limit)
        return Rejected(pair.corpus, pair.line, *rejection, self._files[pair.corpus], pair.source, pair.target)

    def _described(self, rejected: list[Rejected]) -> Iterator[bytes]:
        """The lines of the file of rejected pairs."""
        for pair in rejected:
            described = {**pair._asdict(), "corpus": self._partitions.corpora[pair.corpus].name}
            yield json.dumps(described, ensure_ascii=False).encode() + b"\n"

    def _rejected(self, partition: int) -> Location:
        return self._output.rejected / f"{partition:05d}-of-{len(self._partitions):05d}.jsonl.gz"


def _tagged(pairs: list[Pair], corpora: Sequence[Corpus]) -> list[Pair]:
    """The pairs with their corpora's tags before the source sentences."""
    if not any(corpus.tag for corpus in corpora):
        return pairs
    tags = [f"{corpus.tag} " if corpus.tag else "" for corpus in corpora]
    return [pair._replace(source=tags[pair.corpus] + pair.source) for pair in pairs]


def _counts(output: WorkDirectory, partition: int) -> Location:
    return _directory_of_counts(output) / f"{partition:05d}.counts"


def _directory_of_counts(output: WorkDirectory) -> Location:
    return output.root / "counts"
