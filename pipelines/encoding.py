"""The third Beam job: every bucket's pairs, encoded as subword ids, become one shard.

Each bucket is one element and one worker's work; it leaves the shard, the file of rejected pairs, and a
``BucketReport`` that the manifest is put together from. Results are files and not Beam counters, which
a bundle that had to be tried again would count twice.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import apache_beam as beam
import sentencepiece
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.bucket_report import BucketReport
from pipelines.buckets import Buckets
from pipelines.cleaning.records import Pair, Rejected, Rejection
from pipelines.cleaning.rules import TOO_MANY_SUBWORDS
from pipelines.runners.guards import explained_errors, without_cycle_collection
from pipelines.runners.progress import Progress
from pipelines.runners.run import run_pipeline
from pipelines.shards import EncodedPair, encoded_example, write_shard, writing_gzip
from pipelines.subwords import load_subwords
from recipes.corpora import Corpus
from workspace.layout import WorkDirectory, shard_name
from workspace.storage import replacing, sha256_of


def encode_buckets(buckets: Buckets, output: WorkDirectory, options: PipelineOptions, pairs: int) -> None:
    """Runs the job over ``pairs`` pairs in all: shards and rejected pairs appear in ``output.data``."""
    pipeline = beam.Pipeline(options=options)
    (
        pipeline
        | "buckets" >> beam.Create(list(range(len(buckets))))
        | "spread" >> beam.Reshuffle()
        | "encode" >> beam.ParDo(EncodeBucket(buckets, output))
    )
    with _progress(output).shown(pairs, "encoding", "pair"):
        run_pipeline(pipeline)


def read_reports(buckets: Buckets, output: WorkDirectory) -> list[BucketReport]:
    """The reports of all buckets, in their order."""
    return [pickle.loads(_report(output, bucket).read_bytes()) for bucket in range(len(buckets))]


class EncodeBucket(beam.DoFn):
    """Bucket → nothing: writes its shard, its rejected pairs, and its report last; a finished one is left as it is."""

    def __init__(self, buckets: Buckets, output: WorkDirectory):
        self._buckets = buckets
        self._output = output
        self._names = [corpus.name for corpus in buckets.corpora]
        self._files = [corpus.file_name for corpus in buckets.corpora]

    def process(self, bucket: int) -> None:
        if _report(self._output, bucket).exists():
            return
        with explained_errors(), without_cycle_collection():
            split = self._buckets.split(bucket)
            of_split = self._buckets.of_split(split)
            report = BucketReport(split, shard_name(split, bucket - of_split[0], len(of_split)))
            rejected = self._buckets.read_rejected(bucket)
            shard = self._output.data / report.shard
            write_shard(self._records(bucket, report, rejected), shard)
            report.sha256 = sha256_of(shard)
            rejected.sort()
            report.count_rejected(rejected, self._names)
            self._write_rejected(rejected, bucket)
            with replacing(_report(self._output, bucket)) as path:
                path.write_bytes(pickle.dumps(report))

    def _records(self, bucket: int, report: BucketReport, rejected: list[Rejected]) -> Iterator[bytes]:
        """The records of a bucket, which ``report`` counts; what is too long goes to ``rejected``."""
        limit = self._buckets.recipe.subwords.max_length
        source_model, target_model = self._models
        for read in self._buckets.read_kept(bucket):
            pairs = _tagged(read, self._buckets.corpora)
            sources = source_model.encode([pair.source for pair in pairs], num_threads=1)
            targets = target_model.encode([pair.target for pair in pairs], num_threads=1)
            encoded = [EncodedPair(*each) for each in zip(pairs, sources, targets, strict=True)]
            # A translation is asked for every dev and test sentence, however long.
            if report.split == "train":
                too_long = [each for each in encoded if each.length > limit]
                if too_long:
                    rejected += (self._too_long(each) for each in too_long if not each.pair.copy)
                    encoded = [each for each in encoded if each.length <= limit]
            report.count_records(encoded, self._names)
            for each in encoded:
                yield encoded_example(each, self._files[each.pair.corpus])
            _progress(self._output).add(len(read))

    @cached_property
    def _models(self) -> tuple[sentencepiece.SentencePieceProcessor, sentencepiece.SentencePieceProcessor]:
        """The subword models of both sides."""
        joint = self._buckets.recipe.subwords.joint
        source = load_subwords(self._output.subword_model("source", joint))
        return source, source if joint else load_subwords(self._output.subword_model("target", joint))

    def _too_long(self, encoded: EncodedPair) -> Rejected:
        pair, limit = encoded.pair, self._buckets.recipe.subwords.max_length
        rejection = Rejection(TOO_MANY_SUBWORDS, encoded.length, limit)
        return Rejected(pair.corpus, pair.line, *rejection, self._files[pair.corpus], pair.source, pair.target)

    def _write_rejected(self, rejected: list[Rejected], bucket: int) -> None:
        path = self._output.rejected / f"{bucket:05d}-of-{len(self._buckets):05d}.jsonl.gz"
        with writing_gzip(path) as file:
            for pair in rejected:
                described = {**pair._asdict(), "corpus": self._buckets.corpora[pair.corpus].name}
                file.write(json.dumps(described, ensure_ascii=False).encode() + b"\n")


def _tagged(pairs: list[Pair], corpora: Sequence[Corpus]) -> list[Pair]:
    """The pairs with their corpora's tags before the source sentences."""
    if not any(corpus.tag for corpus in corpora):
        return pairs
    tags = [f"{corpus.tag} " if corpus.tag else "" for corpus in corpora]
    return [pair._replace(source=tags[pair.corpus] + pair.source) for pair in pairs]


def _progress(output: WorkDirectory) -> Progress:
    return Progress(output.root / "progress")


def _report(output: WorkDirectory, bucket: int) -> Path:
    return output.root / "reports" / f"{bucket:05d}.report"
