"""Finds the sentence pairs of every corpus, so that any worker can read any part of them.

    corpus ──► unpack, unless it is two plain files ──► index by newlines ──► <number>.index

Each corpus is one element and one worker's work. What is not two plain line-aligned files of this machine
is read through once and written out as such: later steps then read every format in parallel.
"""

from __future__ import annotations

import pickle
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from pipelines.corpora.formats import is_read_in_place, read_pairs
from pipelines.corpora.line_files import FilePair, PairIndex, index_pair
from pipelines.corpora.raw_pairs import Warn
from pipelines.runners import progress
from pipelines.runners.guards import explained_errors
from recipes.corpora import Corpus, is_remote
from workspace.errors import UserError
from workspace.storage import read_json, replacing, write_json

_LINE = struct.Struct("=q")


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

    def line_numbers(self, corpus: Corpus) -> npt.NDArray[np.int64] | None:
        """The line of its file that each pair of a corpus begins in, by the pair's number from 0.

        None where pair n is in line n + 1: where the corpus is read in place.
        """
        path = self.lines(corpus)
        return np.memmap(path, np.int64, "r") if path.exists() else None

    def lines(self, corpus: Corpus) -> Path:
        """The file of these numbers."""
        return self.directory / f"{corpus.number:03d}.lines"

    def _warnings(self, corpus: Corpus) -> Path:
        return self.directory / f"{corpus.number:03d}.warnings.json"

    def _path(self, corpus: Corpus) -> Path:
        return self.directory / f"{corpus.number:03d}.index"


class IndexCorpora(beam.PTransform):
    """Beginning of a pipeline → nothing: indexes ``corpora`` in chunks of ``chunk_pairs`` pairs."""

    def __init__(self, corpora: Sequence[Corpus], indexes: Indexes, chunk_pairs: int):
        super().__init__()
        self._corpora, self._indexes, self._chunk_pairs = corpora, indexes, chunk_pairs

    def expand(self, pipeline: beam.pvalue.PBegin) -> beam.PCollection[None]:
        index = IndexCorpus(self._indexes, self._chunk_pairs)
        return pipeline | beam.Create(list(self._corpora)) | beam.ParDo(index)


@beam.typehints.with_input_types(Corpus)
class IndexCorpus(beam.DoFn):
    """Corpus → nothing: writes its index, and its pairs where they must be unpacked."""

    def __init__(self, indexes: Indexes, chunk_pairs: int):
        self._indexes, self._chunk_pairs = indexes, chunk_pairs

    def process(self, corpus: Corpus) -> None:
        with explained_errors():
            if is_read_in_place(corpus.files):
                files = FilePair(Path(str(corpus.files.source)), Path(str(corpus.files.target)))
            else:
                files = self._indexes.unpacked(corpus)
                warnings: list[str] = []
                _unpack(corpus, files, self._indexes.lines(corpus), warnings.append)
                self._indexes.write_warnings(corpus, warnings)
            self._indexes.write(corpus, index_pair(files, self._chunk_pairs))
            progress.add(size_of(corpus))


def indexed_pairs(corpora: Sequence[Corpus], indexes: Indexes) -> list[int]:
    """The number of pairs of every corpus that was indexed; prints what there is to warn of.

    Raises UserError where one has none.
    """
    for corpus in corpora:
        for warning in indexes.read_warnings(corpus):
            print(f"warning: {warning}", file=sys.stderr)
    pairs = [indexes.read(corpus).lines for corpus in corpora]
    for corpus, count in zip(corpora, pairs, strict=True):
        if not count:
            raise UserError(
                f"{corpus.split} corpus {corpus.paths[0]} has no lines; give files with one sentence a line"
            )
    return pairs


def size_of(corpus: Corpus) -> int:
    """The bytes of its files on this machine."""
    return sum(Path(path).stat().st_size for path in corpus.paths if not is_remote(path))


def _unpack(corpus: Corpus, files: FilePair, lines: Path, warn: Warn) -> None:
    pairs = read_pairs(corpus.files, corpus.source_language, corpus.target_language, warn)
    with (
        replacing(files.source) as source_path,
        replacing(files.target) as target_path,
        replacing(lines) as lines_path,
        source_path.open("wb") as source_file,
        target_path.open("wb") as target_file,
        lines_path.open("wb") as lines_file,
    ):
        for pair in pairs:
            source_file.write(pair.source + b"\n")
            target_file.write(pair.target + b"\n")
            lines_file.write(_LINE.pack(pair.line))
