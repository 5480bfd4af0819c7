"""``report.html``: what the preparation took and what it left, on one page that needs nothing beside it."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipelines.cleaning.records import Pair, Rejected
from pipelines.cleaning.rules import EMPTY, NOT_UTF8, SETTING_OF_REASON
from pipelines.cleaning.statistics import Statistics, added, unit_of_lengths
from pipelines.preparation.counts import SAMPLES, PartitionCounts, samples
from pipelines.preparation.partitions import Partitions
from pipelines.reports import pictures
from recipes.schema import Recipe
from recipes.sections import settings_of
from workspace.layout import SIDES, SPLITS, Side
from workspace.marks import Manifest
from workspace.pages import rendered

_WITHOUT_SETTING = {NOT_UTF8: "bytes that are no text in UTF-8", EMPTY: "nothing on one side"}


def render_report(partitions: Partitions, counts: Sequence[PartitionCounts], manifest: Manifest) -> str:
    """The page, from the counts of all partitions and the manifest."""
    before = added(
        partitions.read_statistics(corpus.number) for corpus in partitions.corpora if corpus.split == "train"
    )
    after = added(each.statistics for each in counts if not partitions.is_given(each.split))
    pairs = manifest.pairs
    return rendered(
        "pipelines.reports",
        "report.html.j2",
        title=f"Preparation of {partitions.recipe.name}",
        summary=(
            f"{pairs.read:,} pairs read; "
            + ", ".join(f"{count:,} {split}" for split, count in pairs.kept.items())
            + f" kept; {sum(pairs.rejected.values()):,} rejected (in rejected/, with their reasons)."
        ),
        waterfall=pictures.waterfall(
            pairs.read, _in_order(pairs.rejected), sum(pairs.kept.values()), sum(manifest.records.values())
        ),
        corpora=list(manifest.corpora),
        rows=list(_rows(manifest)),
        histograms=[
            *(_lengths(before, after, side) for side in SIDES),
            pictures.ratios(before["length_ratio"], _of(after, "length_ratio")),
        ],
        languages=[pictures.languages(before[name], side) for side in SIDES if before.get(name := f"{side}_languages")],
        subwords=list(_subwords(manifest, counts, {side: unit_of_lengths(before, side) for side in SIDES})),
        samples=list(_samples(partitions, counts)),
        seconds=manifest.seconds,
    )


def _lengths(before: Statistics, after: Statistics, side: str) -> str:
    unit = unit_of_lengths(before, side)
    return pictures.lengths(before[f"{side}_{unit}"], _of(after, f"{side}_{unit}"), side, unit)


def _of(statistics: Statistics, name: str) -> Counter[Any]:
    return statistics.get(name, Counter())


def _in_order(rejected: Mapping[str, int]) -> list[tuple[str, int]]:
    """The reasons that took something, in the order in which they are looked at."""
    return [(reason, rejected[reason]) for reason in SETTING_OF_REASON if rejected.get(reason)]


def _rows(manifest: Manifest) -> Iterator[tuple[str, list[int], str]]:
    """Name, count by corpus and meaning: of the pairs read, those taken for each reason, those kept in each split."""
    corpora = list(manifest.corpora.values())
    meanings = {setting.key: setting.field.description or "" for setting in settings_of(Recipe)}
    yield "read", [corpus.read for corpus in corpora], ""
    for reason, _ in _in_order(manifest.pairs.rejected):
        meaning = _WITHOUT_SETTING.get(reason) or meanings[SETTING_OF_REASON[reason]]
        yield reason, [corpus.rejected.get(reason, 0) for corpus in corpora], meaning
    for split in SPLITS:
        yield f"kept, {split}", [corpus.kept[split] for corpus in corpora], ""


def _subwords(
    manifest: Manifest, counts: Sequence[PartitionCounts], units: Mapping[Side, str]
) -> Iterator[tuple[str, str, str]]:
    """Rows of the table of subwords: label, source, target. ``units`` are what sentences are measured in."""

    def row(label: str, of_side: Any) -> tuple[str, str, str]:
        return label, of_side("source"), of_side("target")

    tokens, unknown = manifest.tokens, manifest.unknown
    characters = sum((each.characters for each in counts if each.split == "train"), Counter[str]())

    def per_unit(side: Side) -> str:
        length = characters[side] if units[side] == "characters" else manifest.words["train"][side]
        return f"{tokens['train'][side] / max(1, length):.2f} a {units[side].removesuffix('s')}"

    yield row("vocabulary", lambda side: f"{manifest.subwords.vocabulary[side]:,}")
    yield row("subwords", lambda side: f"{tokens['train'][side]:,}")
    yield row("subwords on average", per_unit)
    for split in SPLITS:
        yield row(
            f"subwords in the vocabulary, {split}",
            lambda side, split=split: f"{100 - 100 * unknown[split][side] / max(1, tokens[split][side]):.3f} %",
        )


def _samples(
    partitions: Partitions, counts: Sequence[PartitionCounts]
) -> Iterator[tuple[str, str, list[dict[str, str]]]]:
    """Label, setting and some pairs: of those kept, and of those rejected for each reason."""
    kept = heapq.nsmallest(SAMPLES, (pair for each in counts if each.split == "train" for pair in each.kept_samples))
    yield "kept", "", [_described(partitions, pair) for pair in kept]
    rejected = samples(pair for each in counts for found in each.rejected_samples.values() for pair in found)
    for reason, setting in SETTING_OF_REASON.items():
        if reason in rejected:
            yield reason, setting, [_described(partitions, pair) for pair in rejected[reason]]


def _described(partitions: Partitions, pair: Pair | Rejected) -> dict[str, str]:
    measured = ""
    if isinstance(pair, Rejected) and pair.value is not None:
        measured = f"{pair.value:g} (limit {pair.limit:g})"
    corpus = partitions.corpora[pair.corpus].name
    return {"where": f"{corpus} {pair.line:,}", "measured": measured, "source": pair.source, "target": pair.target}
