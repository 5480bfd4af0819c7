"""The preparation of a recipe's corpora for training.

    index ──► clean: repair, judge, split, deduplicate, shuffle into partitions ──► learn the subwords
    ──► encode the partitions as TFRecord shards ──► manifest.json

Indexing, cleaning and encoding are Beam jobs. Each step leaves its result in a directory of ``intermediate/``
and is not done again while what it was made from stays the same: after an interruption, or a change of
settings that only later steps read, the preparation goes on from there. ``data/`` takes its place when
complete: until then, and for good where anything fails, the ``data/`` of an earlier run stays as it was.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import TypeAlias

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.cleaning.records import Pair
from pipelines.cleaning.rules import SETTING_OF_REASON
from pipelines.corpora.line_files import CHUNK_PAIRS
from pipelines.preparation.clean import clean_into_partitions
from pipelines.preparation.counts import PartitionCounts
from pipelines.preparation.encode import encode_partitions, read_counts
from pipelines.preparation.index import Indexes, index_corpora
from pipelines.preparation.manifest import build_manifest, first_undecodable
from pipelines.preparation.partitions import Partitions
from pipelines.preparation.steps import forget, made_once
from pipelines.preparation.subwords import load_subwords, train_subwords
from recipes.corpora import corpora
from recipes.data_schema import Subwords
from recipes.schema import Recipe
from recipes.stages import PREPARE
from workspace.errors import UserError
from workspace.layout import SPLITS, WorkDirectory
from workspace.marks import Manifest, write_mark
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
        _check_size(partitions)
    with _timed(seconds, "clean"):
        # All but the settings that only the later steps read.
        cleaned_from = {key: value for key, value in made_from.items() if key != "subwords"}
        kept = made_once(partitions.directory, cleaned_from, lambda: _clean(partitions, indexes, options))
    with _timed(seconds, "subwords"):
        models = WorkDirectory(work.intermediate / "subwords")
        made_once(models.root, made_from, lambda: learn_subwords(partitions, models))
    with _timed(seconds, "encode"):
        output = WorkDirectory(work.intermediate / "encode")
        made_once(output.root, made_from, lambda: _encode(partitions, models, output, options, kept))
        counts = read_counts(partitions, output)
    manifest = build_manifest(partitions, counts, output, made_from, seconds)
    if render_report:
        output.report.write_text(render_report(partitions, counts, manifest), encoding="utf-8")
    write_mark(output.manifest, manifest)  # last: the mark of a complete directory
    forget(output.root)
    with replacing(work.data) as data:
        output.data.rename(data)
    remove(output.root)
    if undecodable := first_undecodable(counts):
        print(f"warning: {undecodable}", file=sys.stderr)
    return manifest


@contextlib.contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    begin = time.monotonic()
    yield
    seconds[step] = round(time.monotonic() - begin, 2)


def _check_size(partitions: Partitions) -> None:
    """Raises UserError if what is to be split off for dev and test is all there is."""
    wanted = {split: _wanted(partitions, split) for split in ("dev", "test") if not partitions.is_given(split)}
    pairs = partitions.pairs_of("train")
    if sum(wanted.values()) >= pairs:
        settings = " and ".join(f"split.{split}_pairs={number}" for split, number in wanted.items())
        raise UserError(
            f"{_named(partitions, 'train')} has {pairs:,} lines, and {settings} would leave none to train on; "
            "lower them, or give a larger corpus"
        )


def _clean(partitions: Partitions, indexes: Indexes, options: PipelineOptions) -> int:
    """Fills the partitions; gives the number of pairs kept. Raises UserError if a split has none."""
    clean_into_partitions(partitions, indexes, options)
    total, reasons = partitions.counts(range(len(partitions)))
    source = _named(partitions, "train")
    if not total:
        raise UserError(f"nothing is left of {source} after cleaning: {_most_frequent(reasons)}")
    for split in SPLITS:
        kept, reasons = partitions.counts(partitions.of_split(split))
        if kept:
            continue
        if split == "train":
            raise UserError(f"no training pairs are left of {source}: {_most_frequent(reasons)}")
        if partitions.is_given(split):
            raise UserError(
                f"no pair of the {split} corpus {_named(partitions, split)} can be used: {_most_frequent(reasons)}"
            )
        raise UserError(
            f"{source} is too small: split.{split}_pairs={_wanted(partitions, split)} gave no {split} pairs; "
            f"raise it, or give {split} files"
        )
    return total


def _named(partitions: Partitions, split: str) -> str:
    """The corpus of a split in words: its first file, and how many there are more."""
    paths = [corpus.paths[0] for corpus in partitions.corpora if corpus.split == split]
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"


def _encode(
    partitions: Partitions, models: WorkDirectory, output: WorkDirectory, options: PipelineOptions, pairs: int
) -> None:
    """Writes the shards. Raises UserError if there is nothing to train on."""
    shutil.copytree(models.data, output.data, dirs_exist_ok=True)
    encode_partitions(partitions, output, options, pairs)
    if not any(each.records for each in read_counts(partitions, output) if each.split == "train"):
        limit = f"subwords.max_length={partitions.recipe.subwords.max_length}"
        raise UserError(f"no training pairs are left: all are longer than {limit} allows; raise it")


def _wanted(partitions: Partitions, split: str) -> int:
    of_split = partitions.recipe.split
    return of_split.dev_pairs if split == "dev" else of_split.test_pairs


def _most_frequent(reasons: Counter[str]) -> str:
    """The reason that most pairs were rejected for, and the setting to look at."""
    if not reasons:
        return "the split left none; lower split.dev_pairs and split.test_pairs"
    reason, pairs = reasons.most_common(1)[0]
    setting = SETTING_OF_REASON[reason]
    see = f"; see {setting} in the recipe" if setting else "; look at the files"
    return f"{pairs:,} of {reasons.total():,} pairs are rejected as {reason}{see}"


def learn_subwords(partitions: Partitions, models: WorkDirectory) -> None:
    """Learns the recipe's subword models from a sample of what is in the partitions, into ``models.data``.

    Where the recipe names another run to take them from, they are copied instead.
    """
    settings = partitions.recipe.subwords
    tags = sorted({corpus.tag for corpus in partitions.corpora if corpus.tag})
    if settings.from_work is not None:
        _take_subwords(WorkDirectory(Path(settings.from_work)), models, settings, tags)
        return
    if settings.joint:
        both = itertools.chain.from_iterable((pair.source, pair.target) for pair in _sample(partitions))
        train_subwords(both, settings, models.subword_model("source", joint=True), tags)
        return
    for side in ("source", "target"):
        sentences = map(attrgetter(side), _sample(partitions))
        train_subwords(sentences, settings, models.subword_model(side, joint=False), tags)


def _take_subwords(other: WorkDirectory, models: WorkDirectory, settings: Subwords, tags: list[str]) -> None:
    """Copies another run's models. Raises UserError where they do not have the symbols that this run needs."""
    for side in ("source", "target"):
        taken = other.subword_model(side, settings.joint)
        with replacing(models.subword_model(side, settings.joint)) as temporary:
            shutil.copyfile(taken, temporary)
        subwords = load_subwords(taken)
        # A tag stands before source sentences only, but learning puts it into both models.
        for symbol in (*settings.symbols, *tags):
            if subwords.piece_to_id(symbol) == subwords.unk_id():
                raise UserError(
                    f"the subwords taken from {other.root} have no symbol {symbol}; learn them with it in "
                    "subwords.symbols there, or leave it out here"
                )


def _sample(partitions: Partitions) -> Iterator[Pair]:
    """The training pairs with the smallest hashes, as many as the recipe allows, in that order."""
    shuffled = [
        itertools.chain.from_iterable(partitions.read_kept(partition)) for partition in partitions.of_split("train")
    ]
    return itertools.islice(heapq.merge(*shuffled), partitions.recipe.subwords.sample_pairs)
