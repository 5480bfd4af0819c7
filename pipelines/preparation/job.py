"""The preparation of a recipe's corpora for training: three Beam jobs, and what is done between them.

    index    IndexCorpora ──► index/

    clean    ReadCorpora ──► CleanPairs ─┬──► Deduplicate ──► WritePartitions ──► clean/
                                         └──► WriteStatistics ──────────────────► clean/

    subwords are learnt from the cleaned pairs ──► subwords/

    encode   WriteShards ──► encode/ ──► data/

Each step leaves its result in a directory of ``intermediate/`` and is not done again while what it was made
from stays the same: after an interruption, or a change of settings that only later steps read, the preparation
goes on from there. ``data/`` takes its place when complete: until then, and for good where anything fails, the
``data/`` of an earlier run stays as it was.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.cleaning.blocked_words import check_lists
from pipelines.corpora.line_files import CHUNK_PAIRS
from pipelines.preparation.clean import CleanPairs
from pipelines.preparation.counts import PartitionCounts
from pipelines.preparation.deduplicate import Deduplicate
from pipelines.preparation.encode import WriteShards, read_counts
from pipelines.preparation.index import IndexCorpora, IndexCorpus, Indexes, indexed_pairs, size_of
from pipelines.preparation.manifest import build_manifest, first_undecodable
from pipelines.preparation.pairs_left import check_cleaned, check_encoded, check_size
from pipelines.preparation.partitions import Partitions
from pipelines.preparation.read import ReadCorpora
from pipelines.preparation.steps import forget, left_by, made_once
from pipelines.preparation.subwords import learn_subwords
from pipelines.preparation.write import WritePartitions, WriteStatistics
from pipelines.runners.run import beam_pipeline
from recipes.corpora import Corpus, corpora, read_as
from recipes.schema import Recipe
from recipes.stages import PREPARE
from workspace.layout import WorkDirectory
from workspace.marks import Manifest, write_mark
from workspace.progress import BYTES, progress_bar
from workspace.storage import remove, replacing

# What makes a page of the partitions, what was counted of each, and the manifest.
RenderReport: TypeAlias = Callable[[Partitions, Sequence[PartitionCounts], Manifest], str]


def prepare(
    recipe: Recipe,
    work: WorkDirectory,
    options: PipelineOptions,
    chunk_pairs: int = CHUNK_PAIRS,
    render_report: RenderReport | None = None,
) -> Manifest:
    """Makes ``work.data`` from the recipe's corpora, with a report where one is asked for, and returns its manifest.

    The same corpora and recipe give the same bytes in every shard, whatever ``options`` and
    ``chunk_pairs``. Raises UserError where a corpus or the disk does not allow it.
    """
    seconds: dict[str, float] = {}
    made_from = PREPARE.made_from(recipe, work)
    every = corpora(recipe, work)
    with _timed(seconds, "index"):
        indexes = Indexes(work.intermediate / "index")
        pairs = index_corpora(every, indexes, options, chunk_pairs)
        partitions = Partitions(work.intermediate / "clean", recipe, every, pairs)
        check_size(partitions)
    with _timed(seconds, "clean"):
        # All but the settings that only the later steps read.
        cleaned_from = {key: value for key, value in made_from.items() if key != "subwords"}
        made_once(partitions.directory, cleaned_from, lambda: clean_corpora(partitions, indexes, options))
    with _timed(seconds, "subwords"):
        models = WorkDirectory(work.intermediate / "subwords")
        # Also from what is in the partitions' files now.
        learnt_from = {**made_from, "cleaned": left_by(partitions.directory)}
        made_once(models.root, learnt_from, lambda: learn_subwords(partitions, models))
    with _timed(seconds, "encode"):
        output = WorkDirectory(work.intermediate / "encode")
        encoded_from = {**learnt_from, "models": left_by(models.root)}
        made_once(output.root, encoded_from, lambda: encode_partitions(partitions, models, output, options))
        counts = read_counts(partitions, output)
    manifest = build_manifest(partitions, counts, output, made_from, seconds)
    if render_report:
        output.report.write_text(render_report(partitions, counts, manifest), encoding="utf-8")
    # Last: the mark of a complete directory.
    manifest = write_mark(output.manifest, manifest, (path for path in output.data.rglob("*") if path.is_file()))
    forget(output.root)
    with replacing(work.data) as data:
        output.data.rename(data)
    remove(output.root)
    if undecodable := first_undecodable(counts):
        print(f"warning: {undecodable}", file=sys.stderr)
    return manifest


def index_corpora(every: Sequence[Corpus], indexes: Indexes, options: PipelineOptions, chunk_pairs: int) -> list[int]:
    """The first job, run once; gives the number of pairs of every corpus. Raises UserError where one has none, or a
    list of blocked words cannot be read."""
    check_lists(every)

    def index() -> list[int]:
        with progress_bar(sum(map(size_of, every)), "indexing", BYTES) as bar:
            if len(every) == 1:
                # Work for one worker, which would take longer to start.
                IndexCorpus(indexes, chunk_pairs).process(every[0])
                bar.update(bar.total)
            else:
                with beam_pipeline(options, bar) as pipeline:
                    pipeline | IndexCorpora(every, indexes, chunk_pairs)
        return indexed_pairs(every, indexes)

    return made_once(indexes.directory, [[read_as(corpus) for corpus in every], chunk_pairs], index)


def clean_corpora(partitions: Partitions, indexes: Indexes, options: PipelineOptions) -> None:
    """The second job: fills the files of the partitions. Raises UserError if a split has no pairs left."""
    with progress_bar(sum(partitions.pairs), "cleaning", "pair") as bar, beam_pipeline(options, bar) as pipeline:
        pairs, statistics = pipeline | ReadCorpora(partitions.corpora, indexes) | CleanPairs(partitions)
        pairs | Deduplicate(partitions) | WritePartitions(partitions, indexes)
        statistics | WriteStatistics(partitions)
    partitions.complete()
    check_cleaned(partitions)


def encode_partitions(
    partitions: Partitions, models: WorkDirectory, output: WorkDirectory, options: PipelineOptions
) -> None:
    """The third job: writes the shards, beside the subword models. Raises UserError if there is nothing to train on."""
    shutil.copytree(models.data, output.data, dirs_exist_ok=True)
    pairs, _ = partitions.counts(range(len(partitions)))
    with progress_bar(pairs, "encoding", "pair") as bar, beam_pipeline(options, bar) as pipeline:
        pipeline | WriteShards(partitions, output)
    check_encoded(partitions, read_counts(partitions, output))


@contextlib.contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    begin = time.monotonic()
    yield
    seconds[step] = round(time.monotonic() - begin, 2)
