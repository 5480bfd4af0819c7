"""Batch translation as a Beam job: a text file in, its translation out, line for line.

    lines ──► chunks ──► translate, one file a chunk ──► joined in order, renamed

A chunk is translated by the exported model inside the worker, or by a running server. A line in is a
line out on any runner, blank lines included; they stay blank. A line that is too long for the model is translated
sentence by sentence; where that cannot be done it comes out empty.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.runners import progress
from pipelines.runners.guards import explained_errors
from pipelines.runners.run import beam_pipeline
from pipelines.translation.documents import Document, LongLines, opened_document
from pipelines.translation.engines import Engine, Translate
from serving.client.answers import Translation
from serving.client.long_text import answered, by_sentence
from serving.client.questions import batches
from workspace.progress import progress_bar

BATCH_SENTENCES = 32


def translate_file(source: Path, output: Path, engine: Engine, options: PipelineOptions) -> tuple[int, LongLines]:
    """Translates ``source`` into ``output``: its number of lines, and which were too long for the model.

    Raises UserError if it is not there.
    """
    with opened_document(source, output) as document:
        with progress_bar(document.index.lines, "translating", "line") as bar, beam_pipeline(options, bar) as pipeline:
            pipeline | TranslateChunks(document, engine)
        return document.index.lines, document.join(output)


class TranslateChunks(beam.PTransform):
    """Beginning of a pipeline → nothing: translates all chunks of the document."""

    def __init__(self, document: Document, engine: Engine):
        super().__init__()
        self._chunks = range(len(document.index.chunks))
        self._translate = TranslateChunk(document, engine)

    def expand(self, pipeline: beam.pvalue.PBegin) -> beam.PCollection[None]:
        return pipeline | beam.Create(self._chunks) | beam.ParDo(self._translate)


@beam.typehints.with_input_types(int)
class TranslateChunk(beam.DoFn):
    """Number of a chunk → nothing: translates its lines, and writes its part of the translation."""

    def __init__(self, document: Document, engine: Engine):
        self._document, self._engine = document, engine

    def setup(self) -> None:
        self._translate = self._engine.open()

    def process(self, chunk: int) -> None:
        with explained_errors():
            lines = self._document.lines(chunk)
            self._document.write(chunk, *translate_lines(lines, self._translate, progress.add))


def translate_lines(
    lines: Sequence[str], translate: Translate, done: Callable[[int], None]
) -> tuple[list[str | None], list[int]]:
    """The translation of every line, in order, None where it is too long; and the places of those that were translated
    sentence by sentence. Lines of like lengths go together, blank ones stay blank.

    ``done`` is told the number of lines whenever some are finished.
    """

    def in_batches(sentences: list[str]) -> Iterator[Translation]:
        return itertools.chain.from_iterable(map(translate, batches(sentences)))

    translations: list[str | None] = [""] * len(lines)
    in_sentences: list[int] = []
    filled = sorted((index for index, line in enumerate(lines) if line), key=lambda index: len(lines[index]))
    done(len(lines) - len(filled))
    for begin in range(0, len(filled), BATCH_SENTENCES):
        indices = filled[begin : begin + BATCH_SENTENCES]
        found = dict(zip(indices, translate([lines[index] for index in indices]), strict=True))
        long = [index for index in indices if found[index].too_long]
        found.update(zip(long, answered(by_sentence([lines[index] for index in long]), in_batches), strict=True))
        for index, translation in found.items():
            translations[index] = None if translation.too_long else translation.text
        in_sentences += [index for index in long if translations[index] is not None]
        done(len(indices))
    return translations, sorted(in_sentences)
