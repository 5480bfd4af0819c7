"""The graphs of the jobs: what flows in them is what Beam is told, and sums do not depend on how pairs are read."""

from __future__ import annotations

from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that
from apache_beam.typehints import TypeCheckError

from pipelines.cleaning.statistics import Statistics
from pipelines.corpora.line_files import FilePair, PairBlock
from pipelines.preparation.clean import CleanPairs
from pipelines.preparation.deduplicate import ChosenPairs, Deduplicate
from pipelines.preparation.index import Indexes
from pipelines.preparation.job import index_corpora
from pipelines.preparation.measure import MeasureRules, Measures, measure_corpora
from pipelines.preparation.partitions import Partitions
from pipelines.preparation.read import ReadCorpora
from pipelines.preparation.write import WritePartitions
from pipelines.runners.options import pipeline_options
from pipelines.runners.run import beam_pipeline
from recipes.corpora import corpora
from recipes.stages import resolved_recipe
from tests.pipelines.support import directory_of, new_work, run
from workspace.layout import WorkDirectory
from workspace.progress import progress_bar


@pytest.fixture
def partitions(tmp_path: Path, numbers: FilePair[Path]) -> Partitions:
    return partitions_of(new_work(tmp_path / "work", numbers))


def partitions_of(work: WorkDirectory[Path], directory: str = "clean") -> Partitions:
    recipe = resolved_recipe(work)
    return Partitions(work.intermediate / directory, recipe, corpora(recipe, work), [400])


def test_beam_knows_what_flows(partitions: Partitions, tmp_path: Path) -> None:
    """By the type hints, which choose the coders."""
    pipeline = beam.Pipeline()
    blocks = pipeline | ReadCorpora(partitions.corpora, Indexes(tmp_path))
    pairs, statistics = blocks | CleanPairs(partitions)
    chosen = pairs | Deduplicate(partitions)
    measures = blocks | MeasureRules(partitions.corpora, Indexes(tmp_path))
    expected = [
        (blocks, PairBlock),
        *((each, tuple[int, bytes]) for each in pairs.values()),
        (statistics, tuple[int, Statistics]),
        (chosen, tuple[int, ChosenPairs]),
        (measures, tuple[str, Measures]),
    ]
    for found, kind in expected:
        assert found.element_type == beam.typehints.native_type_compatibility.convert_to_beam_type(kind)


def test_beam_refuses_what_does_not_fit_together(partitions: Partitions) -> None:
    pipeline = beam.Pipeline()
    with pytest.raises(TypeCheckError, match=r"CleanBlock.*requires PCollections of type .*PairBlock"):
        pipeline | beam.Create([b"no block"]) | CleanPairs(partitions)
    with pytest.raises(TypeCheckError, match=r"WritePartition.*requires PCollections of type .*ChosenPairs"):
        (
            pipeline
            | "others" >> beam.Create([(1, "no pairs")])
            | WritePartitions(partitions, Indexes(partitions.directory))
        )


def test_a_corpus_is_read_in_blocks_that_hold_every_line_once(tmp_path: Path, numbers: FilePair[Path]) -> None:
    work = new_work(tmp_path / "work", numbers)
    every = corpora(resolved_recipe(work), work)
    indexes, pairs = index_corpora(every, tmp_path, pipeline_options([]), chunk_pairs=150)
    assert pairs == [400]

    def check(blocks: list[PairBlock]) -> None:
        in_order = sorted(blocks, key=lambda block: block.first_line)
        assert [(block.first_line, block.pairs) for block in in_order] == [(1, 150), (151, 150), (301, 100)]
        assert b"".join(block.source for block in in_order) == numbers.source.read_bytes()
        assert b"".join(block.target for block in in_order) == numbers.target.read_bytes()

    with progress_bar(400, "reading", "pair") as bar, beam_pipeline(pipeline_options([]), bar) as pipeline:
        assert_that(pipeline | ReadCorpora(every, indexes), check)


@pytest.mark.slow
def test_statistics_are_the_same_in_whatever_blocks_a_corpus_is_read(tmp_path: Path, numbers: FilePair[Path]) -> None:
    """With blocks of 7 pairs, they are summed in several steps."""
    work = new_work(tmp_path / "work", numbers)
    found = []
    for chunk_pairs in (10_000, 7):
        run(work, chunk_pairs=chunk_pairs)
        found.append(partitions_of(work, directory_of("clean", work).name).read_statistics(0))
    assert found[0] == found[1]
    assert found[0]["source_words"].total() == 400


def test_measures_are_the_same_in_whatever_blocks_a_corpus_is_read(tmp_path: Path, numbers: FilePair[Path]) -> None:
    work = new_work(tmp_path / "work", numbers)
    every = corpora(resolved_recipe(work), work)
    found = []
    for chunk_pairs in (10_000, 7):
        directory = tmp_path / str(chunk_pairs)
        indexes, pairs = index_corpora(every, directory, pipeline_options([]), chunk_pairs)
        measures = measure_corpora(every, indexes, sum(pairs), directory, pipeline_options([]))
        found.append(dict(sorted(measures.items())))
    for whole, in_blocks in zip(*(measures.values() for measures in found), strict=True):
        assert (whole.values, whole.beyond) == (in_blocks.values, in_blocks.beyond)
        for of_whole, of_blocks in (
            (whole.examples_beyond, in_blocks.examples_beyond),
            (whole.examples_within, in_blocks.examples_within),
        ):
            assert [example.distance for example in of_whole] == [example.distance for example in of_blocks]
