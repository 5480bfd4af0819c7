"""What workers do of a batch translation: they translate chunks, each once.

A worker imports this, and little else: what reads and writes the files of users is the starting process's.
"""

from __future__ import annotations

from collections.abc import Sequence

import apache_beam as beam
from apache_beam.utils.shared import Shared

from pipelines.runners import progress
from pipelines.runners.guards import explained_errors
from pipelines.translation.asked import Asked
from pipelines.translation.batching import translate_chunk
from pipelines.translation.chunks import Run, records_of
from pipelines.translation.engines import Engine


class TranslateChunks(beam.PTransform):
    """Beginning of a pipeline → nothing: translates some chunks of a run."""

    def __init__(self, chunks: Sequence[str], run: Run, asked: Asked, engine: Engine):
        super().__init__()
        self._chunks = chunks
        self._translate = TranslateChunk(run, asked, engine)

    def expand(self, pipeline: beam.pvalue.PBegin) -> beam.PCollection[None]:
        return pipeline | beam.Create(self._chunks) | beam.ParDo(self._translate)


@beam.typehints.with_input_types(str)
class TranslateChunk(beam.DoFn):
    """Name of a chunk → nothing: leaves the answers to its texts."""

    def __init__(self, run: Run, asked: Asked, engine: Engine):
        self._run, self._asked, self._engine = run, asked, engine
        # By all threads of a process.
        self._shared = Shared()

    def setup(self) -> None:
        with explained_errors():
            self._ready = self._shared.acquire(self._engine.made_ready)

    def process(self, chunk: str) -> None:
        with explained_errors():
            if self._run.is_done(chunk):  # by a worker that was lost later, with others of its chunks
                progress.add(records_of(chunk))
                return
            texts = self._run.read_texts(chunk)
            self._run.write_answers(chunk, *translate_chunk(texts, self._asked, self._ready, progress.add))
