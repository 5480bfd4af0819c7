"""What the preparation job says about its result: ``manifest.json`` and the lines it ends with."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from pipelines.cleaning.rules import NOT_UTF8
from pipelines.preparation.counts import PartitionCounts
from pipelines.preparation.partitions import Partitions
from workspace.layout import SIDES, SPLITS, Side, WorkDirectory
from workspace.marks import Manifest, PairCounts, SubwordModels


def build_manifest(
    partitions: Partitions,
    counts: Sequence[PartitionCounts],
    subwords: SubwordModels,
    made_from: Mapping[str, Any],
    seconds: Mapping[str, float],
) -> Manifest:
    """The manifest of the shards that ``counts`` are of, to be written last."""
    return Manifest(
        made_from=dict(made_from),
        pairs=PairCounts(
            read=sum(partitions.pairs),
            kept={split: sum(_kept(counts, split).values()) for split in SPLITS},
            rejected=dict(_rejected(counts, None).most_common()),
        ),
        records={split: sum(each.records for each in counts if each.split == split) for split in SPLITS},
        corpora={
            corpus.name: PairCounts(
                read=pairs,
                kept={split: _kept(counts, split)[corpus.name] for split in SPLITS},
                rejected=dict(_rejected(counts, corpus.name).most_common()),
            )
            for corpus, pairs in zip(partitions.corpora, partitions.pairs, strict=True)
        },
        inputs=_inputs(made_from, partitions),
        subwords=subwords,
        shards={each.shard: each.sha256 for each in counts},
        tokens={split: _sum(each.subwords for each in counts if each.split == split) for split in SPLITS},
        words={split: _sum(each.words for each in counts if each.split == split) for split in SPLITS},
        unknown={split: _sum(each.unknown for each in counts if each.split == split) for split in SPLITS},
        lengths={"train": _lengths(counts)},
        versions={
            "python": platform.python_version(),
            "apache-beam": version("apache-beam"),
            "sentencepiece": version("sentencepiece"),
        },
        seconds=dict(seconds),
    )


def summary(manifest: Manifest, work: WorkDirectory) -> str:
    """The lines a person reads when the job is done."""
    pairs = manifest.pairs
    seconds = sum(manifest.seconds.values())
    # What an interrupted run had done already took this one no time.
    speed = f" ({pairs.read / seconds:,.0f} pairs/s)" if seconds else ""
    kept = ", ".join(f"{count:,} {split}" for split, count in pairs.kept.items())
    rejected = ", ".join(f"{count:,} {reason}" for reason, count in pairs.rejected.items())
    return (
        f"read {pairs.read:,} pairs in {seconds:.0f} s{speed}: "
        f"kept {kept}; rejected {rejected or 'none'}\n"
        f"shards, subwords, rejected pairs: {work.data}"
    )


def first_undecodable(counts: Sequence[PartitionCounts]) -> str | None:
    """A warning about the pairs that are not UTF-8, naming the first of them; None where there are none."""
    found = [each.not_utf8 for each in counts if each.not_utf8 is not None]
    if not found:
        return None
    _, line, file = min(found)
    return (
        f"{file} line {line} is not UTF-8, as the first of {_rejected(counts, None)[NOT_UTF8]:,} such pairs; they are "
        "rejected (to keep them, convert the file with iconv -f ITS_ENCODING -t UTF-8)"
    )


def _kept(counts: Sequence[PartitionCounts], split: str) -> Counter[str]:
    """The pairs of a split that are kept, by corpus."""
    return sum((each.kept for each in counts if each.split == split), Counter[str]())


def _rejected(counts: Sequence[PartitionCounts], corpus: str | None) -> Counter[str]:
    """The pairs of a corpus, or of all of them, that are rejected, by reason."""
    total: Counter[str] = Counter()
    for each in counts:
        for (name, reason), count in each.rejected.items():
            if corpus in (None, name):
                total[reason] += count
    return total


def _sum(counts: Iterable[Counter[str]]) -> dict[Side, int]:
    """The sum of counts of both sides."""
    total = sum(counts, Counter[str]())
    return {side: total[side] for side in SIDES}


def _inputs(made_from: Mapping[str, Any], partitions: Partitions) -> list[dict[str, Any]]:
    """The files that were read, each with its path here and what it was known by."""
    return [
        {"corpus": corpus.name, "split": corpus.split, "path": path, "pairs": pairs, **known}
        for corpus, pairs, of in zip(partitions.corpora, partitions.pairs, made_from["corpora"], strict=True)
        for path, known in zip(corpus.paths, of["files"], strict=True)
    ]


def _lengths(counts: Sequence[PartitionCounts]) -> dict[int, int]:
    lengths = sum((each.lengths for each in counts if each.split == "train"), Counter[int]())
    return {length: lengths[length] for length in sorted(lengths)}
