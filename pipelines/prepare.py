"""Prepares a corpus for training: ``python -m pipelines.prepare --work work/<recipe>``.

    index the files ──► Beam: clean, split, deduplicate, shuffle into buckets ──► learn the subwords
    ──► Beam: encode the buckets as TFRecord shards ──► manifest.json

All of ``data/`` is made in a directory beside it and takes its place when complete: until then, and for
good where anything fails, the ``data/`` of an earlier run stays as it was. Flags that this command does
not know are Beam's: ``--direct_running_mode=multi_processing --direct_num_workers=2`` uses two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import itertools
import sys
import time
from collections import Counter
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.bucketing import clean_into_buckets
from pipelines.buckets import Buckets, Pair
from pipelines.cleaning import SETTING_OF_REASON
from pipelines.corpus import CHUNK_PAIRS, PairIndex, index_pair
from pipelines.encoding import BucketReport, encode_buckets
from pipelines.manifest import build_manifest, first_undecodable, summary
from pipelines.running import pipeline_options
from pipelines.subwords import train_subwords
from recipes.errors import UserError, run_command
from recipes.files import remove, write_json
from recipes.layout import SPLITS, WorkDirectory
from recipes.progress import progress_bar
from recipes.schema import FilePair, Recipe
from recipes.stages import PREPARE, corpus_files, resolved_recipe


def main(arguments: list[str]) -> None:
    """The command: prepares the corpus of the work directory named by ``--work``."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.prepare",
        description="Cleans, splits, encodes and shards the corpus of a run.",
        epilog="All other flags are Apache Beam's, such as --runner; without one the job runs on this machine.",
        allow_abbrev=False,
    )
    parser.add_argument("--work", type=Path, required=True, help="work directory that holds recipe.yaml")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    known, flags = parser.parse_known_args(arguments)
    work = WorkDirectory(known.work)
    manifest = prepare(resolved_recipe(work), work, pipeline_options(flags))
    print(summary(manifest, work), flush=True)


def prepare(
    recipe: Recipe, work: WorkDirectory, options: PipelineOptions, chunk_pairs: int = CHUNK_PAIRS
) -> dict[str, Any]:
    """Makes ``work.data`` from the recipe's corpus and returns its manifest.

    The same corpus and recipe give the same bytes in every shard, whatever ``options`` and
    ``chunk_pairs``. Raises UserError where the corpus or the disk does not allow it.
    """
    seconds: dict[str, float] = {}
    files = corpus_files(recipe, work)
    made_from = PREPARE.made_from(recipe, work)
    with _timed(seconds, "index"):
        indexes = _index(files, chunk_pairs)
        _check_size(recipe, indexes)
    with _staging(work) as staging:
        buckets = Buckets(staging.root / "buckets", recipe, indexes)
        buckets.directory.mkdir()
        with _timed(seconds, "clean"):
            clean_into_buckets(buckets, options, chunk_pairs)
        kept = _check_cleaned(buckets)
        with _timed(seconds, "subwords"):
            _learn_subwords(buckets, staging)
        with _timed(seconds, "encode"):
            reports = encode_buckets(buckets, staging, options, kept)
        _check_encoded(reports, recipe)
        manifest = build_manifest(buckets, reports, staging, made_from, seconds)
        write_json(staging.manifest, manifest)
    if undecodable := first_undecodable(buckets, reports):
        print(f"warning: {undecodable}", file=sys.stderr)
    return manifest


@contextlib.contextmanager
def _staging(work: WorkDirectory) -> Iterator[WorkDirectory]:
    """A work directory inside ``work`` to make the data in; its ``data`` becomes that of ``work`` on success."""
    staging = WorkDirectory(work.root / ".preparing")
    remove(staging.root)
    staging.data.mkdir(parents=True)
    try:
        yield staging
        if work.data.exists():
            work.data.rename(staging.root / "before")
        staging.data.rename(work.data)
    finally:
        remove(staging.root)


@contextlib.contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    begin = time.monotonic()
    yield
    seconds[step] = round(time.monotonic() - begin, 2)


def _index(files: dict[str, FilePair], chunk_pairs: int) -> list[PairIndex]:
    size = sum(path.stat().st_size for pair in files.values() for path in (pair.source, pair.target))
    with progress_bar(size, "indexing", "B", unit_scale=True) as bar:
        indexes = [index_pair(split, pair, chunk_pairs, bar.update) for split, pair in files.items()]
    for index in indexes:
        if not index.lines:
            raise UserError(
                f"{index.split} corpus {index.files.source} has no lines; give files with one sentence a line"
            )
    return indexes


def _check_size(recipe: Recipe, indexes: list[PairIndex]) -> None:
    """Raises UserError if what is to be split off for dev and test is the whole corpus."""
    given = [index.split for index in indexes]
    wanted = {split: _wanted(recipe, split) for split in ("dev", "test") if split not in given}
    lines, source = indexes[0].lines, indexes[0].files.source
    if sum(wanted.values()) >= lines:
        settings = " and ".join(f"split.{split}_pairs={pairs}" for split, pairs in wanted.items())
        raise UserError(
            f"{source} has {lines:,} lines, and {settings} would leave none to train on; "
            "lower them, or give a larger corpus"
        )


def _check_cleaned(buckets: Buckets) -> int:
    """The number of pairs kept. Raises UserError if a split has none."""
    source = buckets.origin("train").files.source
    total, reasons = buckets.counts(range(len(buckets)))
    if not total:
        raise UserError(f"nothing is left of {source} after cleaning: {_most_frequent(reasons)}")
    for split in SPLITS:
        kept, reasons = buckets.counts(buckets.of_split(split))
        if kept:
            continue
        if split == "train":
            raise UserError(f"no training pairs are left of {source}: {_most_frequent(reasons)}")
        if buckets.is_given(split):
            given = buckets.origin(split).files.source
            raise UserError(f"no pair of the {split} corpus {given} can be used: {_most_frequent(reasons)}")
        raise UserError(
            f"{source} is too small: split.{split}_pairs={_wanted(buckets.recipe, split)} gave no {split} pairs; "
            f"raise it, or give {split} files"
        )
    return total


def _check_encoded(reports: list[BucketReport], recipe: Recipe) -> None:
    if not any(report.kept for report in reports if report.split == "train"):
        limit = f"subwords.max_length={recipe.subwords.max_length}"
        raise UserError(f"no training pairs are left: all are longer than {limit} allows; raise it")


def _wanted(recipe: Recipe, split: str) -> int:
    return recipe.split.dev_pairs if split == "dev" else recipe.split.test_pairs


def _most_frequent(reasons: Counter[str]) -> str:
    """The reason that most pairs were rejected for, and the setting to look at."""
    if not reasons:
        return "the split left none; lower split.dev_pairs and split.test_pairs"
    reason, pairs = reasons.most_common(1)[0]
    setting = SETTING_OF_REASON[reason]
    see = f"; see {setting} in the recipe" if setting else "; look at the files"
    return f"{pairs:,} of {reasons.total():,} pairs are rejected as {reason}{see}"


def _learn_subwords(buckets: Buckets, staging: WorkDirectory) -> None:
    settings = buckets.recipe.subwords
    print(f"learning {settings.vocabulary:,} subwords ({settings.type})", file=sys.stderr, flush=True)
    if settings.joint:
        both = itertools.chain.from_iterable((pair.source, pair.target) for pair in _sample(buckets))
        train_subwords(both, settings, staging.subword_model("source", joint=True))
        return
    for side in ("source", "target"):
        sentences = map(attrgetter(side), _sample(buckets))
        train_subwords(sentences, settings, staging.subword_model(side, joint=False))


def _sample(buckets: Buckets) -> Iterator[Pair]:
    """The training pairs with the smallest hashes, as many as the recipe allows, in that order."""
    shuffled = [itertools.chain.from_iterable(buckets.read_kept(bucket)) for bucket in buckets.of_split("train")]
    return itertools.islice(heapq.merge(*shuffled), buckets.recipe.subwords.sample_pairs)


if __name__ == "__main__":
    run_command(main)
