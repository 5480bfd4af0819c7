"""The first Beam job: finds the sentence pairs of every corpus, so that any worker can read any part of them.

    corpus ──► unpack, unless it is two plain files ──► index by newlines ──► <number>.index

Each corpus is one element and one worker's work. What is not two plain line-aligned files of this machine
is read through once and written out as such: later steps then read every format in parallel.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.corpora.file_access import without_compression
from pipelines.corpora.formats import format_of, read_pairs
from pipelines.corpora.line_files import FilePair, PairIndex, index_pair
from pipelines.preparation.steps import made_once
from pipelines.runners.guards import explained_errors
from pipelines.runners.progress import Progress
from pipelines.runners.run import run_pipeline
from recipes.corpora import Corpus, is_remote, read_as
from workspace.errors import UserError
from workspace.storage import read_json, replacing, write_json


@dataclass(frozen=True)
class Indexes:
    """The indexes of a recipe's corpora, in files of ``directory``."""

    directory: Path

    def read(self, corpus: Corpus) -> PairIndex:
        """The index of a corpus."""
        index: PairIndex = pickle.loads(self._path(corpus).read_bytes())
        return index

    def write(self, corpus: Corpus, index: PairIndex) -> None:
        """Writes the index of a corpus."""
        with replacing(self._path(corpus)) as temporary:
            temporary.write_bytes(pickle.dumps(index))

    def read_warnings(self, corpus: Corpus) -> list[str]:
        """What reading a corpus gave cause to warn of."""
        warnings: list[str] = read_json(self._warnings(corpus)) or []
        return warnings

    def write_warnings(self, corpus: Corpus, warnings: Sequence[str]) -> None:
        """Writes what there is to warn of."""
        write_json(self._warnings(corpus), list(warnings))

    def unpacked(self, corpus: Corpus) -> FilePair:
        """Where the pairs of a corpus are written that cannot be read in parallel where they are."""
        source, target = (self.directory / f"{corpus.number:03d}.{side}" for side in ("source", "target"))
        return FilePair(source, target)

    @property
    def progress(self) -> Progress:
        return Progress(self.directory / "progress")

    def _warnings(self, corpus: Corpus) -> Path:
        return self.directory / f"{corpus.number:03d}.warnings.json"

    def _path(self, corpus: Corpus) -> Path:
        return self.directory / f"{corpus.number:03d}.index"


def index_corpora(corpora: Sequence[Corpus], indexes: Indexes, options: PipelineOptions, chunk_pairs: int) -> list[int]:
    """Runs the job once; gives the number of pairs of every corpus. Raises UserError where one has none."""
    made_from = [[read_as(corpus) for corpus in corpora], chunk_pairs]
    return made_once(indexes.directory, made_from, lambda: _run(corpora, indexes, options, chunk_pairs))


def _run(corpora: Sequence[Corpus], indexes: Indexes, options: PipelineOptions, chunk_pairs: int) -> list[int]:
    index = IndexCorpus(indexes, chunk_pairs)
    with indexes.progress.shown(sum(map(_size, corpora)), "indexing", "B"):
        if len(corpora) == 1:
            # Work for one worker, which would take longer to start.
            index.process(corpora[0])
        else:
            pipeline = beam.Pipeline(options=options)
            pipeline | beam.Create(list(corpora)) | beam.Reshuffle() | "index" >> beam.ParDo(index)
            run_pipeline(pipeline)
    for corpus in corpora:
        for warning in indexes.read_warnings(corpus):
            print(f"warning: {warning}", file=sys.stderr)
    lines = [indexes.read(corpus).lines for corpus in corpora]
    for corpus, count in zip(corpora, lines, strict=True):
        if not count:
            raise UserError(
                f"{corpus.split} corpus {corpus.paths[0]} has no lines; give files with one sentence a line"
            )
    return lines


class IndexCorpus(beam.DoFn):
    """Corpus → nothing: writes its index, and its pairs where they must be unpacked."""

    def __init__(self, indexes: Indexes, chunk_pairs: int):
        self._indexes, self._chunk_pairs = indexes, chunk_pairs

    def process(self, corpus: Corpus) -> None:
        with explained_errors():
            if _is_plain(corpus):
                files = FilePair(Path(str(corpus.files.source)), Path(str(corpus.files.target)))
            else:
                files = self._indexes.unpacked(corpus)
                warnings: list[str] = []
                _unpack(corpus, files, warnings.append)
                self._indexes.write_warnings(corpus, warnings)
            self._indexes.write(corpus, index_pair(files, self._chunk_pairs))
            self._indexes.progress.add(_size(corpus))


def _is_plain(corpus: Corpus) -> bool:
    """Whether the corpus is two line-aligned files of this machine, neither compressed."""
    return format_of(corpus.files) == "lines" and not any(
        is_remote(path) or without_compression(path) != path for path in corpus.paths
    )


def _unpack(corpus: Corpus, files: FilePair, warn: Callable[[str], object]) -> None:
    pairs = read_pairs(corpus.files, corpus.source_language, corpus.target_language, warn)
    with (
        replacing(files.source) as source_path,
        replacing(files.target) as target_path,
        source_path.open("wb") as source_file,
        target_path.open("wb") as target_file,
    ):
        for source, target in pairs:
            source_file.write(source + b"\n")
            target_file.write(target + b"\n")


def _size(corpus: Corpus) -> int:
    return sum(Path(path).stat().st_size for path in corpus.paths if not is_remote(path))
