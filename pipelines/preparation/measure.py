"""A Beam job that measures the training corpora by every cleaning rule and rejects nothing.

chunk ──► read ──► repair, measure, one batch a rule ──► GroupByKey(rule) ──► add up, write
"""

from __future__ import annotations

import heapq
import pickle
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.cleaning.blocks import decoded, repaired_pairs
from pipelines.cleaning.rules import RULES, Rule
from pipelines.cleaning.sentences import Column, Sentences
from pipelines.corpora.line_files import PairBlock
from pipelines.preparation.clean import ListChunks, ReadChunk
from pipelines.preparation.index import Indexes
from pipelines.runners.guards import explained_errors
from pipelines.runners.progress import Progress
from pipelines.runners.run import run_pipeline
from recipes.corpora import Corpus
from workspace.storage import replacing

# Pairs on either side of a limit.
EXAMPLES = 5


class Example(NamedTuple):
    """A pair and what a rule measures of it; those nearest to the limit sort first."""

    distance: float
    chance: bytes
    value: float
    corpus: str
    line: int
    source: str
    target: str


@dataclass
class Measures:
    """What a rule measures: how many pairs have which value, how many are beyond the limit, and examples."""

    values: Counter[float] = field(default_factory=Counter)
    beyond: int = 0
    examples_beyond: list[Example] = field(default_factory=list)
    examples_within: list[Example] = field(default_factory=list)

    def add(self, other: Measures) -> None:
        """Adds what was measured of other pairs."""
        self.values.update(other.values)
        self.beyond += other.beyond
        self.examples_beyond = heapq.nsmallest(EXAMPLES, [*self.examples_beyond, *other.examples_beyond])
        self.examples_within = heapq.nsmallest(EXAMPLES, [*self.examples_within, *other.examples_within])


def measure_corpora(
    corpora: Sequence[Corpus], indexes: Indexes, pairs: int, directory: Path, options: PipelineOptions
) -> dict[str, Measures]:
    """Measures the training corpora, ``pairs`` in all; gives what each rule that can measures, by reason."""
    pipeline = beam.Pipeline(options=options)
    progress = Progress(directory / "progress")
    (
        pipeline
        | "corpora" >> beam.Create(list(corpora))
        | "chunks" >> beam.ParDo(ListChunks(indexes))
        | "spread" >> beam.Reshuffle()
        | "read" >> beam.ParDo(ReadChunk())
        | "measure" >> beam.ParDo(MeasureBlock(corpora, progress))
        | "same rule" >> beam.GroupByKey()
        | "write" >> beam.ParDo(WriteMeasures(directory))
    )
    with progress.shown(pairs, "measuring", "pair"):
        run_pipeline(pipeline)
    return {path.stem: pickle.loads(path.read_bytes()) for path in directory.glob("*.measures")}


class MeasureBlock(beam.DoFn):
    """Block → (reason, pickled ``Measures``) of every rule whose settings are given, even where it is off."""

    def __init__(self, corpora: Sequence[Corpus], progress: Progress):
        self._corpora = {corpus.number: corpus for corpus in corpora}
        self._progress = progress

    def process(self, block: PairBlock) -> Iterator[tuple[str, bytes]]:
        corpus = self._corpora[block.corpus]
        settings = corpus.cleaning
        if settings is None:
            raise ValueError(f"corpus {corpus.name} is not cleaned")
        with explained_errors():
            sources, targets = (decoded(lines)[0] for lines in block.lines())
            source, target = repaired_pairs(sources, targets, corpus)
        for rule in RULES:
            if rule.can_measure(settings):
                values = rule.measure(source, target, settings)
                measures = _measures(rule, rule.limit(settings), values, source, target, block, corpus)
                yield rule.reason, pickle.dumps(measures)
        with explained_errors():
            self._progress.add(block.pairs)


class WriteMeasures(beam.DoFn):
    """(reason, measures of blocks) → nothing: writes their sum."""

    def __init__(self, directory: Path):
        self._directory = directory

    def process(self, element: tuple[str, Iterable[bytes]]) -> None:
        reason, several = element
        total = Measures()
        for measures in several:
            total.add(pickle.loads(measures))
        with explained_errors(), replacing(self._directory / f"{reason}.measures") as path:
            path.write_bytes(pickle.dumps(total))


def _measures(
    rule: Rule,
    limit: float | None,
    values: Column,
    source: Sentences,
    target: Sentences,
    block: PairBlock,
    corpus: Corpus,
) -> Measures:
    """What a rule measures of one block. Empty sides are no rule's concern; without a limit, extremes are nearest."""
    filled = (source.lengths > 0) & (target.lengths > 0)
    if limit is None:
        beyond = np.zeros(len(values), bool)
        distances = -values if rule.bound == "most" else values
    else:
        beyond = rule.broken(values, limit) & filled
        distances = np.abs(values - limit)

    def examples(of: npt.NDArray[np.bool_]) -> list[Example]:
        places = np.flatnonzero(of)
        nearest = places[np.argsort(distances[places], kind="stable")[: 4 * EXAMPLES]].tolist()
        return heapq.nsmallest(EXAMPLES, map(example, nearest))

    def example(place: int) -> Example:
        line = block.first_line + place
        chance = blake2b(f"{corpus.number} {line}".encode(), digest_size=8).digest()
        figures = float(distances[place]), chance, float(values[place])
        return Example(*figures, corpus.name, line, source.texts[place], target.texts[place])

    # To three digits: there are few values then, however many pairs.
    values_to_three_digits = (float(f"{value:.3g}") for value in values[filled].tolist())
    return Measures(Counter(values_to_three_digits), int(beyond.sum()), examples(beyond), examples(~beyond & filled))
