"""Finds the sentence pairs of every corpus, so that any worker can read any part of them.

    corpus ──► unpack, unless it is two plain files ──► index by newlines ──► <number>.index

Each corpus is one element and one worker's work. What is not two plain line-aligned files is read through once and
written out as such: later steps then read every format in parallel.

Two plain files are read where they are only if both they and the work directory are on this machine. Workers that share
no disk with it cannot read its files, so these are copied into the work directory by the process that starts the job.
Those of a store are copied, too: to find their lines, all of it must be read once anyway, and afterwards nobody can
change the copies, while the chunks of an index would not fit what somebody else writes to that store meanwhile.
"""

from __future__ import annotations

import contextlib
import mmap
import pickle
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from pipelines.corpora.formats import is_plain_lines, read_pairs
from pipelines.corpora.line_files import FilePair, PairIndex, index_pair
from pipelines.corpora.raw_pairs import Warn
from pipelines.runners import progress
from pipelines.runners.guards import explained_errors
from recipes.corpora import Corpus
from workspace.errors import UserError
from workspace.listing import exists, state_of
from workspace.listing import size_of as size_of_file
from workspace.locations import Location, RemotePath, is_remote, located
from workspace.storage import copy, local_copy, read_bytes, reading, replacing, write_bytes, writing

_LINE = struct.Struct("=q")


@dataclass(frozen=True)
class CorpusIndex:
    """Where the pairs of a corpus are, and what reading it gave cause to warn of."""

    pairs: PairIndex
    warnings: list[str]


@dataclass(frozen=True)
class Indexes:
    """The indexes of a recipe's corpora, in files of ``directory``."""

    directory: Location

    def read(self, corpus: Corpus) -> CorpusIndex:
        """The index of a corpus."""
        index: CorpusIndex = pickle.loads(read_bytes(self._path(corpus)))
        return index

    def write(self, corpus: Corpus, index: CorpusIndex) -> None:
        """Writes the index of a corpus."""
        write_bytes(self._path(corpus), pickle.dumps(index))

    def are_in_place(self, corpus: Corpus) -> bool:
        """Whether the files of a corpus can be read where they are by whoever can read its index."""
        return not is_remote(self.directory) and not any(map(is_remote, map(located, corpus.paths)))

    def unpacked(self, corpus: Corpus) -> FilePair:
        """Where the pairs of a corpus are written that cannot be read in parallel where they are."""
        source, target = (self.directory / f"{corpus.number:03d}.{side}" for side in ("source", "target"))
        return FilePair(source, target)

    def has_line_numbers(self, corpus: Corpus) -> bool:
        """Whether the pairs of a corpus are in other lines of its file than their numbers say: in what was unpacked."""
        return exists(self.lines(corpus))

    @contextlib.contextmanager
    def line_numbers(self, corpus: Corpus) -> Iterator[npt.NDArray[np.int64] | None]:
        """The line of its file that each pair of a corpus begins in, by the pair's number from 0, while the body runs.

        None where pair n is in line n + 1.
        """
        if not self.has_line_numbers(corpus):
            yield None
            return
        with local_copy(self.lines(corpus)) as path, reading(path) as file:
            yield np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.int64)

    def some_line_numbers(self, corpus: Corpus, begin: int, end: int) -> list[int]:
        """The same of the pairs from ``begin`` to before ``end``, where there are such numbers."""
        numbers = read_bytes(self.lines(corpus), _LINE.size * begin, _LINE.size * end)
        return [line for (line,) in _LINE.iter_unpack(numbers)]

    def lines(self, corpus: Corpus) -> Location:
        """The file of these numbers."""
        return self.directory / f"{corpus.number:03d}.lines"

    def _path(self, corpus: Corpus) -> Location:
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
            before = _states(corpus)
            index = self._index(corpus)
            if _states(corpus) != before:
                raise UserError(f"corpus {corpus.name} changed while it was read; run the same command again")
            self._indexes.write(corpus, index)
            progress.add(size_of(corpus))

    def _index(self, corpus: Corpus) -> CorpusIndex:
        if not is_plain_lines(corpus.files):
            return self._unpacked(corpus)
        given = FilePair(*map(located, corpus.paths))
        if self._indexes.are_in_place(corpus):
            return CorpusIndex(index_pair(given, self._chunk_pairs), [])
        files = self._indexes.unpacked(corpus)
        with replacing(files.source) as source, replacing(files.target) as target:
            copy(given.source, source)
            copy(given.target, target)
            index = index_pair(FilePair(source, target), self._chunk_pairs, copies_of=given)
        return CorpusIndex(index.of_copies(files), [])

    def _unpacked(self, corpus: Corpus) -> CorpusIndex:
        files, warnings = self._indexes.unpacked(corpus), list[str]()
        lines = self._indexes.lines(corpus)
        with replacing(files.source) as source, replacing(files.target) as target, replacing(lines) as numbers:
            _unpack(corpus, source, target, numbers, warnings.append)
            # Before they are put into a store.
            index = index_pair(FilePair(source, target), self._chunk_pairs)
        return CorpusIndex(index.of_copies(files), warnings)


def indexed_pairs(corpora: Sequence[Corpus], indexes: Indexes) -> list[int]:
    """The number of pairs of every corpus that was indexed; prints what there is to warn of.

    Raises UserError where one has none.
    """
    found = list(map(indexes.read, corpora))
    for index in found:
        for warning in index.warnings:
            print(f"warning: {warning}", file=sys.stderr)
    pairs = [index.pairs.lines for index in found]
    for corpus, count in zip(corpora, pairs, strict=True):
        if not count:
            raise UserError(
                f"{corpus.split} corpus {corpus.paths[0]} has no lines; give files with one sentence a line"
            )
    return pairs


def size_of(corpus: Corpus) -> int:
    """The bytes of its files."""
    return sum(size_of_file(located(path)) for path in corpus.paths)


def is_only_here(corpus: Corpus, indexes: Indexes) -> bool:
    """Whether a worker might not be able to read a corpus, and only the process that starts the job surely is."""
    return is_remote(indexes.directory) and not all(map(is_remote, map(located, corpus.paths)))


def _states(corpus: Corpus) -> list[dict[str, Any]]:
    """What stores tell its files by from what they were before. Of those of this machine there is the SHA-256."""
    return [state_of(place) for place in map(located, corpus.paths) if isinstance(place, RemotePath)]


def _unpack(corpus: Corpus, source: Path, target: Path, lines: Path, warn: Warn) -> None:
    pairs = read_pairs(corpus.files, corpus.source_language, corpus.target_language, warn)
    with writing(source) as source_file, writing(target) as target_file, writing(lines) as lines_file:
        for pair in pairs:
            source_file.write(pair.source + b"\n")
            target_file.write(pair.target + b"\n")
            lines_file.write(_LINE.pack(pair.line))
