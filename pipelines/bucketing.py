"""The first Beam job: the corpus's lines in, cleaned sentence pairs out, one sorted file a bucket.

    block ──► clean, hash, one batch a bucket ──► GroupByKey(bucket) ──► deduplicate, sort, write

Beam shuffles batches of pairs, pickled: each pair as an element would cost several times its own work.
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Iterable, Iterator

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.buckets import Assignment, Buckets, Pair, Rejected
from pipelines.cleaning import DUPLICATE, NOT_UTF8, rejection, repaired
from pipelines.corpus import Chunk, PairBlock, read_chunk, read_compressed
from pipelines.running import explained_errors, run_pipeline
from recipes.schema import FilePair


def clean_into_buckets(buckets: Buckets, options: PipelineOptions, chunk_pairs: int) -> None:
    """Runs the job; afterwards every bucket's kept and rejected pairs are in its files."""
    chunks = [chunk for index in buckets.indexes for chunk in index.chunks]
    compressed = [(index.split, index.files) for index in buckets.indexes if index.compressed]
    pipeline = beam.Pipeline(options=options)
    blocks = []
    if chunks:
        blocks.append(
            pipeline
            | "chunks" >> beam.Create(chunks)
            | "spread" >> beam.Reshuffle()
            | "read" >> beam.ParDo(ReadChunk())
        )
    if compressed:
        files = pipeline | "compressed" >> beam.Create(compressed)
        blocks.append(
            files | "read through" >> beam.ParDo(ReadCompressed(chunk_pairs)) | "spread blocks" >> beam.Reshuffle()
        )
    # A Flatten of one collection would still write all blocks out before they are cleaned.
    every_block = blocks[0] if len(blocks) == 1 else tuple(blocks) | beam.Flatten()
    (
        every_block
        | "clean" >> beam.ParDo(CleanBlock(buckets)).with_output_types(tuple[int, bytes])
        | "bucket" >> beam.GroupByKey()
        | "write" >> beam.ParDo(WriteBucket(buckets))
    )
    with buckets.progress.shown(sum(index.lines for index in buckets.indexes), "cleaning", "pairs"):
        run_pipeline(pipeline)


class ReadChunk(beam.DoFn):
    """Chunk of plain files → block."""

    def process(self, chunk: Chunk) -> Iterator[PairBlock]:
        with explained_errors():
            yield read_chunk(chunk)


class ReadCompressed(beam.DoFn):
    """(split, files) → blocks, by one worker from beginning to end."""

    def __init__(self, chunk_pairs: int):
        self._chunk_pairs = chunk_pairs

    def process(self, element: tuple[str, FilePair]) -> Iterator[PairBlock]:
        with explained_errors():
            yield from read_compressed(*element, self._chunk_pairs)


class CleanBlock(beam.DoFn):
    """Block → (bucket, pickled batch of kept and rejected pairs): repairs, applies the rules, assigns."""

    def __init__(self, buckets: Buckets):
        self._buckets = buckets
        self._assignment = Assignment(buckets)

    def process(self, block: PairBlock) -> Iterator[tuple[int, bytes]]:
        for bucket, batch in self._batches(block).items():
            yield bucket, pickle.dumps(batch)
        with explained_errors():
            self._buckets.progress.add(block.pairs)

    def _batches(self, block: PairBlock) -> dict[int, tuple[list[Pair], list[Rejected]]]:
        """The pairs of a block that are kept and that are rejected, by bucket."""
        batches: dict[int, tuple[list[Pair], list[Rejected]]] = {}
        # Files given as dev or test are one bucket, kept whole and in the order of their lines.
        given = self._buckets.is_given(block.split)
        own_bucket = self._buckets.of_split(block.split)[0]
        settings = None if given else self._buckets.recipe.cleaning
        assignment = self._assignment
        file = block.files.source.name
        for line, (source, target, undecodable) in enumerate(_sentences(block), block.first_line):
            bucket = own_bucket if given else assignment.bucket(source)
            kept, rejected = batches.setdefault(bucket, ([], []))
            if undecodable:
                rejected.append(Rejected(line, NOT_UTF8, undecodable, source, target))
            elif reason := rejection(source, target, settings):
                rejected.append(Rejected(line, reason, file, source, target))
            else:
                order = line if given else assignment.order(source, target)
                kept.append(Pair(order, source, target, line))
        return batches


class WriteBucket(beam.DoFn):
    """(bucket, pickled batches) → nothing: deduplicates, sorts, writes the bucket's files."""

    def __init__(self, buckets: Buckets):
        self._buckets = buckets

    def process(self, element: tuple[int, Iterable[bytes]]) -> None:
        bucket, batches = element
        kept: list[Pair] = []
        rejected: list[Rejected] = []
        for batch in batches:
            some_kept, some_rejected = pickle.loads(batch)
            kept += some_kept
            rejected += some_rejected
        kept.sort()
        split = self._buckets.split(bucket)
        if self._buckets.recipe.cleaning.deduplicate and not self._buckets.is_given(split):
            file = self._buckets.origin(split).files.source.name
            kept, copies = without_duplicates(kept)
            rejected += [Rejected(copy.line, DUPLICATE, file, copy.source, copy.target) for copy in copies]
        rejected.sort()
        with explained_errors():
            self._buckets.write(bucket, kept, rejected)


def without_duplicates(pairs: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Of sorted pairs, the first of every run of equal ones (its smallest line), and the others."""
    firsts: list[Pair] = []
    copies: list[Pair] = []
    for pair in pairs:
        equal = firsts and firsts[-1].source == pair.source and firsts[-1].target == pair.target
        (copies if equal else firsts).append(pair)
    return firsts, copies


def _sentences(block: PairBlock) -> Iterator[tuple[str, str, str]]:
    """Repaired source and target of every pair, and the base name of the file whose line is not UTF-8, or ""."""
    for source, target in zip(*block.lines(), strict=True):
        try:
            yield repaired(source.decode()), repaired(target.decode()), ""
        except UnicodeDecodeError:
            wrong = block.files.target if _is_utf8(source) else block.files.source
            yield repaired(_readable(source)), repaired(_readable(target)), wrong.name


def _is_utf8(line: bytes) -> bool:
    with contextlib.suppress(UnicodeDecodeError):
        line.decode()
        return True
    return False


def _readable(line: bytes) -> str:
    return line.decode(errors="backslashreplace")
