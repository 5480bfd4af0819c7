"""The second Beam job: every bucket's pairs, encoded as subword ids, become one shard.

Each bucket is one element and one worker's work; it leaves the shard, the file of rejected pairs, and a
``BucketReport`` that the manifest is put together from. Results are files and not Beam counters, which
a bundle that had to be tried again would count twice.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.buckets import Buckets, Rejected
from pipelines.cleaning import NOT_UTF8, TOO_MANY_SUBWORDS
from pipelines.running import explained_errors, run_pipeline
from pipelines.shards import encoded_example, write_shard, writing_gzip
from pipelines.subwords import load_subwords
from recipes.files import read_json, sha256_of, write_json
from recipes.layout import WorkDirectory, shard_name


@dataclass
class BucketReport:
    """What became of one bucket. ``lengths``: pairs by the number of subwords on their longer side."""

    split: str
    shard: str
    sha256: str = ""
    kept: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    source_tokens: int = 0
    target_tokens: int = 0
    lengths: dict[str, int] = field(default_factory=dict)
    # Line and base name of the file of the first pair that is not UTF-8.
    not_utf8: tuple[int, str] | None = None


def encode_buckets(buckets: Buckets, output: WorkDirectory, options: PipelineOptions, pairs: int) -> list[BucketReport]:
    """Runs the job over ``pairs`` pairs in all: shards and rejected pairs appear in ``output.data``."""
    pipeline = beam.Pipeline(options=options)
    (
        pipeline
        | "buckets" >> beam.Create(list(range(len(buckets))))
        | "spread" >> beam.Reshuffle()
        | "encode" >> beam.ParDo(EncodeBucket(buckets, output))
    )
    with buckets.progress.shown(pairs, "encoding", "pairs"):
        run_pipeline(pipeline)
    return [BucketReport(**read_json(_report(buckets, bucket))) for bucket in range(len(buckets))]


class EncodeBucket(beam.DoFn):
    """Bucket → nothing: writes its shard, its rejected pairs, and its report."""

    def __init__(self, buckets: Buckets, output: WorkDirectory):
        self._buckets = buckets
        self._output = output

    def process(self, bucket: int) -> None:
        with explained_errors():
            split = self._buckets.split(bucket)
            of_split = self._buckets.of_split(split)
            report = BucketReport(split, shard_name(split, bucket - of_split[0], len(of_split)))
            rejected = self._buckets.read_rejected(bucket)
            shard = self._output.data / report.shard
            write_shard(self._records(bucket, report, rejected), shard)
            report.sha256 = sha256_of(shard)
            report.rejected = dict(Counter(pair.reason for pair in rejected))
            report.not_utf8 = next(((pair.line, pair.file) for pair in rejected if pair.reason == NOT_UTF8), None)
            _write_rejected(
                sorted(rejected), self._output.rejected / f"{bucket:05d}-of-{len(self._buckets):05d}.jsonl.gz"
            )
            write_json(_report(self._buckets, bucket), dataclasses.asdict(report))

    def _records(self, bucket: int, report: BucketReport, rejected: list[Rejected]) -> Iterator[bytes]:
        """The records of a bucket; what is too long goes to ``rejected``, and everything is counted in ``report``."""
        joint, limit = self._buckets.recipe.subwords.joint, self._buckets.recipe.subwords.max_length
        source_model = load_subwords(self._output.subword_model("source", joint))
        target_model = load_subwords(self._output.subword_model("target", joint))
        file = self._buckets.origin(report.split).files.source.name
        lengths: Counter[int] = Counter()
        for pairs in self._buckets.read_kept(bucket):
            sources = source_model.encode([pair.source for pair in pairs], num_threads=1)
            targets = target_model.encode([pair.target for pair in pairs], num_threads=1)
            for pair, source, target in zip(pairs, sources, targets, strict=True):
                length = max(len(source), len(target))
                # A translation is asked for every dev and test sentence, however long.
                if length > limit and report.split == "train":
                    rejected.append(Rejected(pair.line, TOO_MANY_SUBWORDS, file, pair.source, pair.target))
                    continue
                report.kept += 1
                report.source_tokens += len(source)
                report.target_tokens += len(target)
                lengths[length] += 1
                yield encoded_example(pair, source, target, file)
            self._buckets.progress.add(len(pairs))
        report.lengths = {str(length): lengths[length] for length in sorted(lengths)}


def _report(buckets: Buckets, bucket: int) -> Path:
    return buckets.directory / f"{bucket:05d}.json"


def _write_rejected(rejected: list[Rejected], path: Path) -> None:
    with writing_gzip(path) as file:
        for pair in rejected:
            file.write(json.dumps(pair._asdict(), ensure_ascii=False).encode() + b"\n")
