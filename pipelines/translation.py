"""Batch translation as a Beam job: a text file in, its translation out, line for line.

    lines ──► chunks ──► translate, one file a chunk ──► joined in order, renamed

A chunk is translated by the exported model inside the worker, or by a running server. A line in is a
line out on any runner, blank lines included; they stay blank. Lines that are too long for the model come
out empty.
"""

from __future__ import annotations

import functools
import gzip
import importlib
import math
import shutil
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.corpora.line_files import FileIndex, index_file, read_lines
from pipelines.runners.guards import explained_errors
from pipelines.runners.progress import Progress
from pipelines.runners.run import run_pipeline
from serving.client import Translator
from workspace.errors import UserError
from workspace.foreign_lines import foreign_lines_left_out
from workspace.layout import SCORE_OUTPUT, SIGNATURE, TEXT_INPUT, TRANSLATION_OUTPUT
from workspace.storage import read_json, remove, replacing, write_json

CHUNK_LINES = 500
BATCH_SENTENCES = 32

# Of each sentence its translation; None where it is too long.
Translate = Callable[[list[str]], list[str | None]]


@dataclass(frozen=True)
class SavedModel:
    """An exported version, loaded in the worker."""

    path: Path

    def open(self) -> Translate:
        # Imported by the workers only: a job that asks a server needs no TensorFlow. The text operators
        # of the graph are there once tensorflow_text is.
        with foreign_lines_left_out():
            tf = importlib.import_module("tensorflow")
            importlib.import_module("tensorflow_text")
        return functools.partial(_call, tf, tf.saved_model.load(str(self.path)))


@dataclass(frozen=True)
class Server:
    """A running server, asked over gRPC."""

    address: str

    def open(self) -> Translate:
        translator = Translator(self.address)
        return lambda sentences: [
            None if translation.too_long else translation.text for translation in translator.translate_many(sentences)
        ]


def translate_file(
    source: Path, output: Path, engine: SavedModel | Server, options: PipelineOptions
) -> tuple[int, list[int]]:
    """Translates ``source`` into ``output``: its number of lines, and the numbers of those that were too long, from 1.

    Raises UserError if it is not there.
    """
    if not source.is_file():
        raise UserError(f"{source}: no such file to translate")
    parts = output.with_name(f".{output.name}.parts")
    remove(parts)
    try:
        parts.mkdir(parents=True)
        index = index_file(_unpacked(source, parts), CHUNK_LINES)
        progress = Progress(parts / "progress")
        pipeline = beam.Pipeline(options=options)
        (
            pipeline
            | "chunks" >> beam.Create(range(len(index.chunks)))
            | "spread" >> beam.Reshuffle()
            | "translate" >> beam.ParDo(TranslateChunk(index, parts, engine, progress))
        )
        with progress.shown(index.lines, "translating", "line"):
            run_pipeline(pipeline)
        too_long: list[int] = []
        with replacing(output) as temporary, temporary.open("wb") as joined:
            for number in range(len(index.chunks)):
                with _part(parts, number).open("rb") as part:
                    shutil.copyfileobj(part, joined)
                too_long += read_json(_too_long(parts, number)) or []
    finally:
        remove(parts)
    return index.lines, too_long


class TranslateChunk(beam.DoFn):
    """Number of a chunk → nothing: translates the chunk's lines and writes them to its part file, and beside it the
    numbers of those that were too long."""

    def __init__(self, index: FileIndex, parts: Path, engine: SavedModel | Server, progress: Progress):
        self._index, self._parts, self._engine, self._progress = index, parts, engine, progress

    def setup(self) -> None:
        self._translate = self._engine.open()

    def process(self, number: int) -> None:
        with explained_errors():
            # Bytes that are not UTF-8 become U+FFFD: a line must go on to be a line.
            lines = [line.decode(errors="replace").strip() for line in read_lines(self._index, number)]
            translations = translate_lines(lines, self._translate, self._progress.add)
            first = number * self._index.chunk_lines + 1
            too_long = [first + place for place, translation in enumerate(translations) if translation is None]
            if too_long:
                write_json(_too_long(self._parts, number), too_long)
            with replacing(_part(self._parts, number)) as temporary:
                temporary.write_text("".join((line or "") + "\n" for line in translations), encoding="utf-8")


def translate_lines(lines: Sequence[str], translate: Translate, done: Callable[[int], None]) -> list[str | None]:
    """The translation of every line, in order; lines of like lengths go together, blank ones stay blank.

    ``done`` is told the number of lines whenever some are finished.
    """
    translations: list[str | None] = [""] * len(lines)
    filled = sorted((index for index, line in enumerate(lines) if line), key=lambda index: len(lines[index]))
    done(len(lines) - len(filled))
    for begin in range(0, len(filled), BATCH_SENTENCES):
        indices = filled[begin : begin + BATCH_SENTENCES]
        for index, text in zip(indices, translate([lines[index] for index in indices]), strict=True):
            translations[index] = text
        done(len(indices))
    return translations


def _call(tf: Any, model: Any, sentences: list[str]) -> list[str | None]:
    """The loaded model's translation of some sentences; holding the model, for its signature alone does not."""
    outputs = model.signatures[SIGNATURE](**{TEXT_INPUT: tf.constant(sentences)})
    answers = zip(outputs[TRANSLATION_OUTPUT].numpy(), outputs[SCORE_OUTPUT].numpy(), strict=True)
    return [None if score == -math.inf else text.decode() for text, score in answers]


def _unpacked(source: Path, directory: Path) -> Path:
    """``source`` itself, or its text in ``directory``: a compressed file could only be read from its beginning."""
    if source.suffix != ".gz":
        return source
    try:
        with gzip.open(source) as packed, (directory / "input").open("wb") as text:
            shutil.copyfileobj(packed, text)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{source} is damaged or not a gzip file ({error}); fetch it anew") from error
    return directory / "input"


def _part(parts: Path, number: int) -> Path:
    return parts / f"{number:06d}"


def _too_long(parts: Path, number: int) -> Path:
    return parts / f"{number:06d}.too_long"
