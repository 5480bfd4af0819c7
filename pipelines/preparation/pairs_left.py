"""Whether there are pairs left for every split, and if not, which setting to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pipelines.cleaning.rules import SETTING_OF_REASON
from pipelines.preparation.counts import PartitionCounts
from pipelines.preparation.partitions import CleanedPairs, Partitions
from workspace.errors import UserError
from workspace.layout import SPLITS


def check_size(partitions: Partitions) -> None:
    """Raises UserError if what is to be split off for dev and test is all there is."""
    wanted = {split: _wanted(partitions, split) for split in ("dev", "test") if not partitions.is_given(split)}
    pairs = partitions.pairs_of("train")
    if sum(wanted.values()) >= pairs:
        settings = " and ".join(f"split.{split}_pairs={number}" for split, number in wanted.items())
        raise UserError(
            f"{_named(partitions, 'train')} has {pairs:,} lines, and {settings} would leave none to train on; "
            "lower them, or give a larger corpus"
        )


def check_cleaned(partitions: Partitions, cleaned: Sequence[CleanedPairs]) -> None:
    """Raises UserError if cleaning left a split without pairs; ``cleaned``: the counts of every partition."""
    total, of_all = _counts(cleaned)
    source = _named(partitions, "train")
    if not total:
        raise UserError(f"nothing is left of {source} after cleaning: {_most_frequent(of_all)}")
    for split in SPLITS:
        kept, reasons = _counts([cleaned[partition] for partition in partitions.of_split(split)])
        if kept:
            continue
        if split == "train":
            raise UserError(f"no training pairs are left of {source}: {_most_frequent(reasons)}")
        if partitions.is_given(split):
            raise UserError(
                f"no pair of the {split} corpus {_named(partitions, split)} can be used: {_most_frequent(reasons)}"
            )
        if of_all.total() > total:
            raise UserError(f"no {split} pairs are left of {source}: {_most_frequent(of_all)}")
        raise UserError(
            f"{source} is too small: split.{split}_pairs={_wanted(partitions, split)} gave no {split} pairs; "
            f"raise it, or give {split} files"
        )


def check_encoded(partitions: Partitions, counts: Iterable[PartitionCounts]) -> None:
    """Raises UserError if there is nothing to train on, all of it being too long."""
    if not any(each.records for each in counts if each.split == "train"):
        limit = f"subwords.max_length={partitions.recipe.subwords.max_length}"
        raise UserError(f"no training pairs are left: all are longer than {limit} allows; raise it")


def _counts(cleaned: Iterable[CleanedPairs]) -> tuple[int, Counter[str]]:
    """How many pairs of several partitions were kept, and how many rejected for each reason."""
    kept, rejected = 0, Counter[str]()
    for of_partition in cleaned:
        kept += of_partition.kept
        rejected.update(of_partition.rejected)
    return kept, rejected


def _named(partitions: Partitions, split: str) -> str:
    """The corpus of a split in words: its first file, and how many there are more."""
    paths = [corpus.paths[0] for corpus in partitions.corpora if corpus.split == split]
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"


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
