"""What a run has to do, cut into chunks, and what is done of it: files beside the output, on the same storage.

    .<output>.run/<digest of what the run is made from>/
      run.json                  what it is made from: inputs, options, model
      texts/<chunk>.json        the texts of a chunk; any worker can read them, and needs the input no more
      plan.json                 written when all texts are there: the files, their records and chunks
      failed/<chunk>.jsonl      what has no translation, where there is such
      done/<chunk>.json         the answers to a chunk, written whole: a chunk without it is not done
      joining                   from now on, what is at the output is ours

A chunk is called by its file and the range of its records: 00002-000004001-000006000.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.translation.asked import Answer
from workspace.errors import UserError
from workspace.listing import entries, exists
from workspace.locations import Location
from workspace.storage import read_json, remove, write_json, write_text

# A chunk has so many records at most, and so many characters, or a single text that has more: enough that texts of
# like lengths are found in it, and so few that little is lost when a worker is.
CHUNK_RECORDS = 3_000
CHUNK_CHARACTERS = 300_000


class Text(NamedTuple):
    """A text of a file, and its line there, from 1, or in Parquet its row; and, where it cannot be translated and is
    left out here, why: as a part of a sentence about the line."""

    line: int
    text: str
    why: str | None = None


class ChunkTexts(NamedTuple):
    """The texts of a chunk, "" where they are left out, with their lines, and by their places from 0 why some are."""

    file: str
    lines: list[int]
    texts: list[str]
    whys: dict[int, str]


class Counts(NamedTuple):
    """Records, and how they divide; of the translated ones, those that were split where they are too long for the
    model, and those that another one of the same chunk has been translated for."""

    records: int = 0
    translated: int = 0
    blank: int = 0
    failed: int = 0
    split: int = 0
    repeated: int = 0

    def plus(self, other: Counts) -> Counts:
        return Counts(*(one + another for one, another in zip(self, other, strict=True)))


class PlannedFile(NamedTuple):
    """why: why the file cannot be read, and so has no chunks."""

    records: int
    chunks: list[str]
    why: str | None = None


@dataclass(frozen=True)
class Run:
    """The files of a run in ``directory``; they can be had on any machine that reaches the storage."""

    directory: Location

    def write_texts(self, chunk: str, texts: ChunkTexts) -> None:
        write_text(self._texts(chunk), json.dumps(texts, ensure_ascii=False))

    def read_texts(self, chunk: str) -> ChunkTexts:
        """Raises UserError where they are damaged; the next run of the same plans anew."""
        found = read_json(self._texts(chunk))
        if found is None:
            remove(self._plan)
            raise UserError(f"{self._texts(chunk)} is damaged; run the same command again, and it is made anew")
        file, lines, texts, whys = found
        return ChunkTexts(file, lines, texts, {int(place): why for place, why in whys.items()})

    def write_plan(self, files: Sequence[PlannedFile]) -> None:
        write_json(self._plan, files)

    def read_plan(self) -> list[PlannedFile] | None:
        """None where there is none yet."""
        found = read_json(self._plan)
        return None if found is None else [PlannedFile(*file) for file in found]

    def write_answers(
        self, chunk: str, answers: Sequence[Answer], counts: Counts, failed: Sequence[dict[str, Any]]
    ) -> None:
        """Leaves what was made of a chunk: from now on it is done."""
        if failed:
            lines = (json.dumps(each, ensure_ascii=False) + "\n" for each in failed)
            write_text(self._failed(chunk), "".join(lines))
        write_text(self._done(chunk), json.dumps([list(answers), counts], ensure_ascii=False))

    def read_answers(self, chunk: str) -> tuple[list[Answer], Counts]:
        """Raises UserError where they are damaged; the next run of the same has the chunk translated again."""
        found = read_json(self._done(chunk))
        if found is None:
            raise UserError(f"{self._done(chunk)} is damaged; run the same command again, and it is made anew")
        answers, counts = found
        return answers, Counts(*counts)

    def done(self) -> set[str]:
        """The chunks that are done, as far as their names tell."""
        return {found.stem for found in entries(self.directory / "done") if found.suffix == ".json"}

    def is_done(self, chunk: str) -> bool:
        """Whether its answers are there, and whole: where a machine lost its power, a file may be empty."""
        return read_json(self._done(chunk)) is not None

    def failed(self) -> dict[str, Location]:
        """By chunk the lists of what has no translation, of those chunks that have such."""
        there = entries(self.directory / "failed")
        return {found.stem: found for found in there if found.suffix == ".jsonl"}

    def begin_joining(self) -> None:
        write_text(self.directory / "joining", "")

    @property
    def is_joining(self) -> bool:
        return exists(self.directory / "joining")

    @property
    def _plan(self) -> Location:
        return self.directory / "plan.json"

    def _texts(self, chunk: str) -> Location:
        return self.directory / "texts" / f"{chunk}.json"

    def _failed(self, chunk: str) -> Location:
        return self.directory / "failed" / f"{chunk}.jsonl"

    def _done(self, chunk: str) -> Location:
        return self.directory / "done" / f"{chunk}.json"


def run_in(root: Location, made_from: dict[str, Any]) -> Run:
    """The run that is made from this, whether it has begun or not."""
    digest = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
    return Run(root / digest[:16])


def begin(root: Location, made_from: dict[str, Any]) -> Run:
    """The run that is made from this, which may have begun before; what is there of another one is removed, which is
    said. Nobody else may be at it."""
    run = run_in(root, made_from)
    for other in entries(root):
        if other.name != run.directory.name and not other.name.startswith("."):
            before = read_json(other / "run.json") or {}
            if done := len(Run(other).done()):
                changed = " and ".join(key for key in made_from if before.get(key) != made_from[key])
                print(
                    f"note: {changed or 'something'} changed since a run of which {done:,} chunks were done; a new one "
                    "begins",
                    file=sys.stderr,
                )
            remove(other)
    write_json(run.directory / "run.json", made_from)
    return run


def remove_run(root: Location, run: Run) -> None:
    """Takes away what a run needed meanwhile."""
    remove(run.directory)
    if isinstance(root, Path):
        remove(root)


def chunked(texts: Iterable[Text], number: int, name: str) -> Iterator[tuple[str, ChunkTexts]]:
    """The texts of the file with this number and name in chunks, each with what it is called."""
    first = 1
    chunk = ChunkTexts(name, [], [], {})
    characters = 0
    for line, text, why in texts:
        if chunk.texts and (len(chunk.texts) == CHUNK_RECORDS or characters + len(text) > CHUNK_CHARACTERS):
            yield _called(number, first, chunk), chunk
            first += len(chunk.texts)
            chunk, characters = ChunkTexts(name, [], [], {}), 0
        if why:
            chunk.whys[len(chunk.texts)] = why
        chunk.lines.append(line)
        chunk.texts.append(text)
        characters += len(text)
    if chunk.texts:
        yield _called(number, first, chunk), chunk


def records_of(chunk: str) -> int:
    """The number of a chunk's records, by what it is called."""
    _, first, last = chunk.split("-")
    return int(last) - int(first) + 1


def _called(number: int, first: int, chunk: ChunkTexts) -> str:
    return f"{number:05d}-{first:09d}-{first + len(chunk.texts) - 1:09d}"
