"""A Beam job that measures the training corpora by every cleaning rule and rejects nothing.

ReadCorpora ──► blocks ──► MeasureRules ──► what a rule measures of a block, added up by rule ──► WriteMeasures

All rules are in one file, which is gone when it is read.
"""

from __future__ import annotations

import heapq
import pickle
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.cleaning.blocks import decoded, repaired_pairs
from pipelines.cleaning.rules import RULES, Rule
from pipelines.cleaning.sentences import Column, Sentences
from pipelines.corpora.line_files import PairBlock
from pipelines.preparation.index import Indexes
from pipelines.preparation.read import ReadCorpora
from pipelines.preparation.word_lists import with_lists_for_workers
from pipelines.runners import progress
from pipelines.runners.guards import explained_errors
from pipelines.runners.run import beam_pipeline
from recipes.corpora import Corpus
from workspace.locations import Location
from workspace.progress import progress_bar
from workspace.storage import read_bytes, remove, write_bytes

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


def measure_corpora(
    corpora: Sequence[Corpus], indexes: Indexes, pairs: int, intermediate: Location, options: PipelineOptions
) -> dict[str, Measures]:
    """Measures the training corpora, ``pairs`` in all; gives what each rule that can measures, by reason.

    What is written on the way is below ``intermediate``, by a name of its own: no other run's worker writes there.
    """
    directory = intermediate / f"measures-{uuid.uuid4().hex}"
    file = directory / "measures"
    try:
        corpora = with_lists_for_workers(corpora, directory)
        with progress_bar(pairs, "measuring", "pair") as bar, beam_pipeline(options, bar) as pipeline:
            (
                pipeline
                | ReadCorpora(corpora, indexes)
                | MeasureRules(corpora, indexes)
                | beam.CombinePerKey(added_measures)
                | WriteMeasures(file)
            )
        return dict(pickle.loads(read_bytes(file)))
    finally:
        remove(directory)


class MeasureRules(beam.PTransform):
    """Blocks of ``corpora`` → (reason of a rule, what it measures of a block)."""

    def __init__(self, corpora: Sequence[Corpus], indexes: Indexes):
        super().__init__()
        self._corpora, self._indexes = corpora, indexes

    def expand(self, blocks: beam.PCollection[PairBlock]) -> beam.PCollection[tuple[str, Measures]]:
        return blocks | beam.ParDo(MeasureBlock(self._corpora, self._indexes))


class WriteMeasures(beam.PTransform):
    """(reason of a rule, what it measures of all pairs) → nothing: writes all of them to one file."""

    def __init__(self, file: Location):
        super().__init__()
        self._file = file

    def expand(self, measures: beam.PCollection[tuple[str, Measures]]) -> beam.PCollection[None]:
        return measures | beam.combiners.ToList() | beam.ParDo(WriteMeasuresOfRules(self._file))


@beam.typehints.with_input_types(PairBlock)
@beam.typehints.with_output_types(tuple[str, Measures])
class MeasureBlock(beam.DoFn):
    """Block → (reason, ``Measures``) of every rule whose settings are given, even where it is off."""

    def __init__(self, corpora: Sequence[Corpus], indexes: Indexes):
        self._corpora = {corpus.number: corpus for corpus in corpora}
        self._indexes = indexes

    def process(self, block: PairBlock) -> Iterator[tuple[str, Measures]]:
        corpus = self._corpora[block.corpus]
        settings = corpus.cleaning
        if settings is None:
            raise ValueError(f"corpus {corpus.name} is not cleaned")
        with explained_errors():
            sources, targets = (decoded(lines)[0] for lines in block.lines())
            source, target = repaired_pairs(sources, targets, corpus)
            lines = self._lines(block, corpus)
        for rule in RULES:
            if rule.can_measure(settings):
                values = rule.measure(source, target, settings)
                yield rule.reason, _measures(rule, rule.limit(settings), values, source, target, lines, corpus)
        progress.add(block.pairs)

    @cached_property
    def _numbered(self) -> set[int]:
        """The corpora whose pairs are in other lines of their files than their numbers say."""
        return {number for number, corpus in self._corpora.items() if self._indexes.has_line_numbers(corpus)}

    def _lines(self, block: PairBlock, corpus: Corpus) -> Sequence[int]:
        """The lines of its file that the pairs of a block begin in."""
        end = block.first_line + block.pairs
        if corpus.number not in self._numbered:
            return range(block.first_line, end)
        return self._indexes.some_line_numbers(corpus, block.first_line - 1, end - 1)


def added_measures(several: Iterable[Measures]) -> Measures:
    """What a rule measures of several parts of the pairs, taken together."""
    total = Measures()
    for measures in several:
        total.values.update(measures.values)
        total.beyond += measures.beyond
        total.examples_beyond = heapq.nsmallest(EXAMPLES, [*total.examples_beyond, *measures.examples_beyond])
        total.examples_within = heapq.nsmallest(EXAMPLES, [*total.examples_within, *measures.examples_within])
    return total


class WriteMeasuresOfRules(beam.DoFn):
    """[(reason of a rule, what it measures), …] → nothing: writes the file."""

    def __init__(self, file: Location):
        self._file = file

    def process(self, element: list[tuple[str, Measures]]) -> None:
        with explained_errors():
            write_bytes(self._file, pickle.dumps(element))


def _measures(
    rule: Rule,
    limit: float | None,
    values: Column,
    source: Sentences,
    target: Sentences,
    lines: Sequence[int],
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
        line = lines[place]
        chance = blake2b(f"{corpus.number} {line}".encode(), digest_size=8).digest()
        figures = float(distances[place]), chance, float(values[place])
        return Example(*figures, corpus.name, line, source.texts[place], target.texts[place])

    # To three digits: there are few values then, however many pairs.
    values_to_three_digits = (float(f"{value:.3g}") for value in values[filled].tolist())
    return Measures(Counter(values_to_three_digits), int(beyond.sum()), examples(beyond), examples(~beyond & filled))
