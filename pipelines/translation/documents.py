"""A text to translate, in chunks of lines, and its translation, put together from what workers leave of each chunk."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipelines.corpora.file_access import is_plain, open_decompressed
from pipelines.corpora.line_files import FileIndex, index_file, read_lines
from workspace.errors import UserError
from workspace.storage import read_json, remove, replacing, write_json
from workspace.text_lines import text_lines

CHUNK_LINES = 500


class LongLines(NamedTuple):
    """The numbers, from 1, of the lines that are too long for the model: of those that have no translation, and of
    those that were translated sentence by sentence."""

    untranslated: list[int]
    in_sentences: list[int]


@dataclass(frozen=True)
class Document:
    """The chunks of a text, from 0, and the parts of its translation, in files of ``directory``."""

    index: FileIndex
    directory: Path

    def lines(self, chunk: int) -> list[str]:
        """The lines of a chunk, without white space around them."""
        return [line.decode("utf-8").strip() for line in read_lines(self.index, chunk)]

    def write(self, chunk: int, translations: Sequence[str | None], in_sentences: Sequence[int] = ()) -> None:
        """Writes the translation of a chunk, a line for each of its lines, empty where there is None: too long.

        in_sentences: the places, from 0, of those that were translated sentence by sentence."""
        too_long = [place for place, translation in enumerate(translations) if translation is None]
        if too_long or in_sentences:
            first = chunk * self.index.chunk_lines + 1
            write_json(self._long(chunk), [[first + place for place in places] for places in (too_long, in_sentences)])
        with replacing(self._part(chunk)) as temporary:
            lines = ((line or "").replace("\n", " ") for line in translations)  # a subword may be its byte
            temporary.write_text("".join(line + "\n" for line in lines), encoding="utf-8")

    def join(self, output: Path) -> LongLines:
        """Writes the whole translation to ``output``."""
        long = LongLines([], [])
        with replacing(output) as temporary, temporary.open("wb") as joined:
            for chunk in range(len(self.index.chunks)):
                with self._part(chunk).open("rb") as part:
                    shutil.copyfileobj(part, joined)
                untranslated, in_sentences = read_json(self._long(chunk)) or ([], [])
                long.untranslated.extend(untranslated)
                long.in_sentences.extend(in_sentences)
        return long

    def _part(self, chunk: int) -> Path:
        return self.directory / f"{chunk:06d}"

    def _long(self, chunk: int) -> Path:
        return self.directory / f"{chunk:06d}.long"


@contextlib.contextmanager
def opened_document(source: Path, output: Path) -> Iterator[Document]:
    """The text ``source``, plain or compressed, to be translated into ``output``, beside which its parts are meanwhile.

    Raises UserError where there is no such text, or it is damaged, or a line is not UTF-8: of millions too, nothing is
    translated before all are looked at.
    """
    if not source.is_file():
        raise UserError(f"{source}: no such file to translate")
    directory = output.with_name(f".{output.name}.parts")
    remove(directory)
    try:
        directory.mkdir(parents=True)
        text = _unpacked(source, directory)
        with text.open("rb") as lines:
            for _ in text_lines(lines, str(source)):
                pass
        yield Document(index_file(text, CHUNK_LINES), directory)
    finally:
        remove(directory)


def _unpacked(source: Path, directory: Path) -> Path:
    """``source`` itself, or its text in ``directory``: a compressed file could only be read from its beginning."""
    if is_plain(str(source)):
        return source
    with open_decompressed(str(source), _warn) as packed, (directory / "input").open("wb") as text:
        shutil.copyfileobj(packed, text)
    return directory / "input"


def _warn(sentence: str) -> None:
    print(f"warning: {sentence}", file=sys.stderr)
