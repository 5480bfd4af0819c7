"""Reads corpora by their indexes, every part of them by whichever worker is free."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import apache_beam as beam

from pipelines.corpora.line_files import Chunk, PairBlock, read_chunk
from pipelines.preparation.index import Indexes
from pipelines.runners.guards import explained_errors
from recipes.corpora import Corpus


class ReadCorpora(beam.PTransform):
    """Beginning of a pipeline → the pairs of ``corpora`` as their files have them, in blocks of any order."""

    def __init__(self, corpora: Sequence[Corpus], indexes: Indexes):
        super().__init__()
        self._corpora, self._indexes = corpora, indexes

    def expand(self, pipeline: beam.pvalue.PBegin) -> beam.PCollection[PairBlock]:
        return (
            pipeline
            | beam.Create(list(self._corpora))
            | beam.ParDo(ListChunks(self._indexes))
            # Or the worker that lists a corpus's chunks would read them all.
            | beam.Reshuffle()
            | beam.ParDo(ReadChunk())
        )


@beam.typehints.with_input_types(Corpus)
@beam.typehints.with_output_types(Chunk)
class ListChunks(beam.DoFn):
    """Corpus → its chunks."""

    def __init__(self, indexes: Indexes):
        self._indexes = indexes

    def process(self, corpus: Corpus) -> Iterator[Chunk]:
        with explained_errors():
            yield from self._indexes.read(corpus).pairs.chunks(corpus.number)


@beam.typehints.with_input_types(Chunk)
@beam.typehints.with_output_types(PairBlock)
class ReadChunk(beam.DoFn):
    """Chunk → block."""

    def process(self, chunk: Chunk) -> Iterator[PairBlock]:
        with explained_errors():
            yield read_chunk(chunk)
