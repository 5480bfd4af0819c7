"""The preparation of a recipe's corpora for training: three Beam jobs, and what is done between them.

    index    IndexCorpora ──► index/

    clean    ReadCorpora ──► CleanPairs ─┬──► Deduplicate ──► WritePartitions ──► clean/
                                         └──► WriteStatistics ──────────────────► clean/

    subwords are learnt from the cleaned pairs ──► subwords/

    encode   WriteShards ──► encode/ ──► data/

Each step leaves its result in a directory of ``intermediate/`` and is not done again while what it was made
from stays the same: after an interruption, or a change of settings that only later steps read, the preparation
goes on from there. ``data/`` takes its place when complete: until then, and for good where anything fails, the
``data/`` of an earlier run stays as it was. In a store it then goes before the new one comes, its mark first, and that
of the new one last.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.cleaning.blocked_words import check_lists
from pipelines.corpora.line_files import CHUNK_PAIRS
from pipelines.preparation.clean import CleanPairs
from pipelines.preparation.counts import PartitionCounts
from pipelines.preparation.deduplicate import Deduplicate
from pipelines.preparation.encode import WriteShards, read_counts
from pipelines.preparation.index import IndexCorpora, IndexCorpus, Indexes, indexed_pairs, is_only_here, size_of
from pipelines.preparation.manifest import build_manifest, first_undecodable
from pipelines.preparation.pairs_left import check_cleaned, check_encoded, check_size
from pipelines.preparation.partitions import CleanedPairs, Partitions
from pipelines.preparation.read import ReadCorpora
from pipelines.preparation.steps import forget, left_by, made_once, step_directory
from pipelines.preparation.subwords import learn_subwords
from pipelines.preparation.word_lists import with_lists_for_workers
from pipelines.preparation.write import WritePartitions, WriteStatistics
from pipelines.runners.run import beam_pipeline
from recipes.corpora import Corpus, corpora, read_as
from recipes.schema import Recipe
from recipes.stages import PREPARE
from workspace.layout import WorkDirectory
from workspace.listing import files_under
from workspace.locations import Location
from workspace.marks import Manifest, SubwordModels, write_mark
from workspace.progress import BYTES, progress_bar
from workspace.storage import copy, move, remove, write_text

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
        indexes, pairs = index_corpora(every, work.intermediate, options, chunk_pairs)
    # All but the settings that only the later steps read.
    cleaned_from = {key: value for key, value in made_from.items() if key != "subwords"}
    partitions = Partitions(step_directory(work.intermediate, "clean", cleaned_from), recipe, every, pairs)
    check_size(partitions)
    with _timed(seconds, "clean"):
        cleaned = [
            CleanedPairs(*each)
            for each in made_once(
                partitions.directory, cleaned_from, lambda: clean_corpora(partitions, indexes, options)
            )
        ]
        check_cleaned(partitions, cleaned)
    with _timed(seconds, "subwords"):
        # Also from what is in the partitions' files now.
        learnt_from = {**made_from, "cleaned": left_by(partitions.directory)}
        models = WorkDirectory(step_directory(work.intermediate, "subwords", learnt_from))
        subwords = SubwordModels.model_validate(
            made_once(models.root, learnt_from, lambda: learn_subwords(partitions, models).model_dump())
        )
    with _timed(seconds, "encode"):
        encoded_from = {**learnt_from, "models": left_by(models.root)}
        output = WorkDirectory(step_directory(work.intermediate, "encode", encoded_from))
        to_encode = sum(each.kept for each in cleaned)
        made_once(output.root, encoded_from, lambda: encode_partitions(partitions, models, output, options, to_encode))
        counts = read_counts(partitions, output)
        check_encoded(partitions, counts)
    manifest = build_manifest(partitions, counts, subwords, made_from, seconds)
    if render_report:
        write_text(output.report, render_report(partitions, counts, manifest))
    # Last: the mark of a complete directory.
    left = [file for file in files_under(output.data) if file != output.manifest]
    manifest = write_mark(output.manifest, manifest, left)
    forget(output.root)
    move(output.data, work.data, last=work.manifest.name)
    remove(output.root)
    if undecodable := first_undecodable(counts):
        print(f"warning: {undecodable}", file=sys.stderr)
    return manifest


def index_corpora(
    every: Sequence[Corpus], intermediate: Location, options: PipelineOptions, chunk_pairs: int
) -> tuple[Indexes, list[int]]:
    """The first job, run once; gives the indexes and the number of pairs of every corpus.

    Raises UserError where one has none, or a list of blocked words cannot be read.
    """
    check_lists(every)
    made_from = [[read_as(corpus) for corpus in every], chunk_pairs]
    indexes = Indexes(step_directory(intermediate, "index", made_from))

    def index() -> list[int]:
        # What is work for one worker would be done here before that is started.
        here = every if len(every) == 1 else [corpus for corpus in every if is_only_here(corpus, indexes)]
        others = [corpus for corpus in every if corpus not in here]
        with progress_bar(sum(map(size_of, here)), "indexing", BYTES) as bar:
            for corpus in here:
                IndexCorpus(indexes, chunk_pairs).process(corpus)
                bar.update(size_of(corpus))
        if others:
            with (
                progress_bar(sum(map(size_of, others)), "indexing", BYTES) as bar,
                beam_pipeline(options, bar) as pipeline,
            ):
                pipeline | IndexCorpora(others, indexes, chunk_pairs)
        return indexed_pairs(every, indexes)

    return indexes, made_once(indexes.directory, made_from, index)


def clean_corpora(partitions: Partitions, indexes: Indexes, options: PipelineOptions) -> list[CleanedPairs]:
    """The second job: fills the files of the partitions, and gives the counts of each."""
    partitions = replace(partitions, corpora=with_lists_for_workers(partitions.corpora, partitions.directory))
    with progress_bar(sum(partitions.pairs), "cleaning", "pair") as bar, beam_pipeline(options, bar) as pipeline:
        pairs, statistics = pipeline | ReadCorpora(partitions.corpora, indexes) | CleanPairs(partitions)
        pairs | Deduplicate(partitions) | WritePartitions(partitions, indexes)
        statistics | WriteStatistics(partitions)
    return partitions.completed()


def encode_partitions(
    partitions: Partitions, models: WorkDirectory, output: WorkDirectory, options: PipelineOptions, pairs: int
) -> None:
    """The third job: writes the shards of so many pairs, beside the subword models."""
    for model in files_under(models.data):
        copy(model, output.data / model.name)
    with progress_bar(pairs, "encoding", "pair") as bar, beam_pipeline(options, bar) as pipeline:
        pipeline | WriteShards(partitions, output)


@contextlib.contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    begin = time.monotonic()
    yield
    seconds[step] = round(time.monotonic() - begin, 2)
