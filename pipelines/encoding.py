"""The third Beam job: every bucket's pairs, encoded as subword ids, become one shard.

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

from pipelines.buckets import Buckets, Pair, Rejected
from pipelines.cleaning import NOT_UTF8, TOO_MANY_SUBWORDS, Rejection
from pipelines.running import explained_errors, run_pipeline
from pipelines.shards import encoded_example, write_shard, writing_gzip
from pipelines.subwords import load_subwords
from recipes.corpora import Corpus
from recipes.files import read_json, sha256_of, write_json
from recipes.layout import WorkDirectory, shard_name


@dataclass
class BucketReport:
    """What became of one bucket. ``lengths``: pairs by the number of subwords on their longer side."""

    split: str
    shard: str
    sha256: str = ""
    # Pairs, and how often they are written where their corpora have weights.
    kept: dict[str, int] = field(default_factory=dict)
    records: int = 0
    # By corpus and reason.
    rejected: dict[str, dict[str, int]] = field(default_factory=dict)
    source_tokens: int = 0
    target_tokens: int = 0
    lengths: dict[str, int] = field(default_factory=dict)
    # Corpus, line and base name of the file of the first pair that is not UTF-8.
    not_utf8: tuple[int, int, str] | None = None


def encode_buckets(buckets: Buckets, output: WorkDirectory, options: PipelineOptions, pairs: int) -> None:
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


def read_reports(buckets: Buckets, output: WorkDirectory) -> list[BucketReport]:
    """The reports of all buckets, in their order."""
    return [BucketReport(**read_json(_report(output, bucket))) for bucket in range(len(buckets))]


class EncodeBucket(beam.DoFn):
    """Bucket → nothing: writes its shard, its rejected pairs, and its report last; a finished one is left as it is."""

    def __init__(self, buckets: Buckets, output: WorkDirectory):
        self._buckets = buckets
        self._output = output

    def process(self, bucket: int) -> None:
        if _report(self._output, bucket).exists():
            return
        with explained_errors():
            split = self._buckets.split(bucket)
            of_split = self._buckets.of_split(split)
            report = BucketReport(split, shard_name(split, bucket - of_split[0], len(of_split)))
            rejected = self._buckets.read_rejected(bucket)
            shard = self._output.data / report.shard
            write_shard(self._records(bucket, report, rejected), shard)
            report.sha256 = sha256_of(shard)
            counts = Counter((self._buckets.corpora[pair.corpus].name, pair.reason) for pair in rejected)
            for (corpus, reason), count in counts.items():
                report.rejected.setdefault(corpus, {})[reason] = count
            report.not_utf8 = next(
                ((pair.corpus, pair.line, pair.file) for pair in rejected if pair.reason == NOT_UTF8), None
            )
            self._write_rejected(sorted(rejected), bucket)
            write_json(_report(self._output, bucket), dataclasses.asdict(report))

    def _records(self, bucket: int, report: BucketReport, rejected: list[Rejected]) -> Iterator[bytes]:
        """The records of a bucket; what is too long goes to ``rejected``, and everything is counted in ``report``."""
        joint, limit = self._buckets.recipe.subwords.joint, self._buckets.recipe.subwords.max_length
        source_model = load_subwords(self._output.subword_model("source", joint))
        target_model = load_subwords(self._output.subword_model("target", joint))
        lengths: Counter[int] = Counter()
        kept: Counter[str] = Counter()
        for pairs in self._buckets.read_kept(bucket):
            tagged = [_tagged(pair, self._buckets.corpora[pair.corpus]) for pair in pairs]
            sources = source_model.encode([pair.source for pair in tagged], num_threads=1)
            targets = target_model.encode([pair.target for pair in tagged], num_threads=1)
            for pair, source, target in zip(tagged, sources, targets, strict=True):
                corpus = self._buckets.corpora[pair.corpus]
                length = max(len(source), len(target))
                # A translation is asked for every dev and test sentence, however long.
                if length > limit and report.split == "train":
                    if not pair.copy:
                        rejected.append(_too_long(pair, length, limit, corpus))
                    continue
                kept[corpus.name] += not pair.copy
                report.records += 1
                report.source_tokens += len(source)
                report.target_tokens += len(target)
                lengths[length] += 1
                yield encoded_example(pair, source, target, corpus.file_name)
            self._buckets.progress.add(len(pairs))
        report.kept = dict(kept)
        report.lengths = {str(length): lengths[length] for length in sorted(lengths)}

    def _write_rejected(self, rejected: list[Rejected], bucket: int) -> None:
        path = self._output.rejected / f"{bucket:05d}-of-{len(self._buckets):05d}.jsonl.gz"
        with writing_gzip(path) as file:
            for pair in rejected:
                described = {**pair._asdict(), "corpus": self._buckets.corpora[pair.corpus].name}
                file.write(json.dumps(described, ensure_ascii=False).encode() + b"\n")


def _tagged(pair: Pair, corpus: Corpus) -> Pair:
    """The pair with its corpus's tag before the source sentence."""
    return pair._replace(source=f"{corpus.tag} {pair.source}") if corpus.tag else pair


def _too_long(pair: Pair, length: int, limit: int, corpus: Corpus) -> Rejected:
    rejection = Rejection(TOO_MANY_SUBWORDS, length, limit)
    return Rejected(pair.corpus, pair.line, *rejection, corpus.file_name, pair.source, pair.target)


def _report(output: WorkDirectory, bucket: int) -> Path:
    return output.root / "reports" / f"{bucket:05d}.json"
