"""Reads the sentence pairs of tables: TSV, CSV, JSON Lines, Parquet and SQLite.

The fields of a corpus name two columns, or in TSV and CSV number them from 1.
"""

from __future__ import annotations

import csv
import itertools
import json
import sqlite3
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pyarrow
import pyarrow.compute
import pyarrow.parquet

from pipelines.corpora.file_access import in_one_line, local_file, read_lines
from pipelines.corpora.raw_pairs import LeftOut, RawPair, Warn, encoded
from recipes.data_schema import PairFiles
from workspace.errors import UserError

# Python's csv gives up on cells of more than 128 KB unless told otherwise. A quote that is never closed makes
# one cell of all that follows: no more than this of it is kept in memory.
_MOST_CSV_CELL_CHARACTERS = 1 << 28
_PARQUET_ROWS_AT_A_TIME = 1000
# Of the cells of a first line, in a sentence.
SEPARATED_BY_TABS, SEPARATED_BY_COMMAS = "separated by tabs", "separated by commas"


class Row(NamedTuple):
    """A row of a table: the line that it begins in, from 1, its cells, what is not UTF-8 as half surrogate pairs, and
    the lines of the file that it is written in."""

    line: int
    cells: list[str]
    written: bytes


def read_tsv(files: PairFiles, warn: Warn) -> Iterator[RawPair | LeftOut]:
    path = str(files.file)
    return _two_columns(path, tsv_rows(read_lines(path, warn)), _fields(files), SEPARATED_BY_TABS)


def tsv_rows(lines: Iterable[bytes]) -> Iterator[Row]:
    """Quotes are part of the text: OPUS and others put none around cells."""
    for number, line in enumerate(lines, start=1):
        yield Row(number, line.removesuffix(b"\n").decode("utf-8", "surrogateescape").split("\t"), line)


def read_csv(files: PairFiles, warn: Warn) -> Iterator[RawPair | LeftOut]:
    path = str(files.file)
    rows = csv_rows(path, read_lines(path, warn), with_ends=False)
    return _two_columns(path, rows, _fields(files), SEPARATED_BY_COMMAS)


def csv_rows(path: str, lines: Iterable[bytes], with_ends: bool = True) -> Iterator[Row]:
    """The rows of lines with their ends, or without; then ``written`` is empty, for no line is kept.

    A space after a comma is not part of the text, so that the quote behind it opens a cell. Raises UserError, which
    names the line of ``path``, where they are not CSV.
    """
    csv.field_size_limit(_MOST_CSV_CELL_CHARACTERS)
    written: list[bytes] = []
    taken = written.append if with_ends else None
    rows = csv.reader(_decoded(path, lines, taken), strict=True, skipinitialspace=True)
    begins = 1
    try:
        for cells in rows:
            yield Row(begins, cells, b"".join(written))
            written.clear()
            begins = rows.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path} line {rows.line_num:,} is not CSV ({error}); mend it") from error


def _decoded(path: str, lines: Iterable[bytes], taken: Callable[[bytes], object] | None) -> Iterator[str]:
    """The lines as text with their ends. ``taken`` is told of each when it is taken; without it, they have none yet."""
    end = "" if taken else "\n"
    for number, line in enumerate(lines, start=1):
        # Up to Python 3.10 csv refuses them, with words of its own.
        if b"\0" in line:
            raise UserError(
                f"{path} line {number:,} has a NUL byte, which CSV cannot have; take it out with tr -d '\\0'"
            )
        if taken:
            taken(line)
        yield line.decode("utf-8", "surrogateescape") + end


def read_jsonl(files: PairFiles, warn: Warn) -> Iterator[RawPair]:
    """A side without text in some lines is empty there, and the pair is rejected later.

    Raises UserError where a side has no text in any line: then it is the wrong key.
    """
    path = str(files.file)
    fields = _fields(files)
    # What is wrong with the first line of each side, until one is found that has it.
    wrong: dict[str, str | None] = {}
    for number, line in enumerate(read_lines(path, warn), start=1):
        if not line.strip():
            continue
        row, why = json_value(line)
        if why:
            raise UserError(f"{path} line {number:,}{why}; mend it")
        texts = []
        for field in fields:
            text, without = text_at(row, field)
            if without is None:
                wrong[field] = None
            else:
                wrong.setdefault(field, f"{path} line {number:,}{without}; set source_field and target_field")
            texts.append(encoded(text))
        yield RawPair(texts[0], texts[1], number)
    if sentence := next(filter(None, wrong.values()), None):
        raise UserError(sentence)


def json_value(line: bytes) -> tuple[Any, str | None]:
    """The value that a line of JSON Lines has, and else why it has none: how a sentence about the line goes on."""
    try:
        # Not strict: control characters in a string do no harm.
        return json.loads(line.decode("utf-8", "surrogateescape"), strict=False), None
    except json.JSONDecodeError as error:
        return None, f", column {error.colno}, is not JSON ({error.msg})"
    except (ValueError, RecursionError) as error:
        return None, f" cannot be read as JSON ({error})"


def text_at(row: Any, field: str) -> tuple[str, str | None]:
    """The text under a key, which may lead into nested objects (``translation.en``), and else why there is none, as
    ``json_value`` says it.

    null is no text, and nothing is wrong with it.
    """
    value = row
    for key in [field] if isinstance(row, dict) and field in row else field.split("."):
        if value is None:
            break
        if not isinstance(value, dict) or key not in value:
            keys = f"it has {listed(row) or 'none'}" if isinstance(row, dict) else "it is not an object"
            return "", f" has no key {field!r}: {keys}"
        value = value[key]
    if not isinstance(value, str | None):
        return "", f": {field!r} is not text"
    return value or "", None


def read_parquet(files: PairFiles, warn: Warn) -> Iterator[RawPair]:
    path = str(files.file)
    rows = itertools.count(1)
    with local_file(path, warn) as local, parquet_file(path, local) as file:
        columns = [
            parquet_column(path, file.schema_arrow, field, "set source_field and target_field")
            for field in _fields(files)
        ]
        for source, target in parquet_texts(file, columns):
            yield RawPair(source or b"", target or b"", next(rows))


@contextmanager
def parquet_file(path: str, local: Path) -> Iterator[pyarrow.parquet.ParquetFile]:
    """The file ``local`` of this machine, read in pieces. Raises UserError, which names it ``path``, where it is not
    Parquet or damaged."""
    try:
        # Unlike the defaults, these read a column in pieces, and not a whole row group of it.
        yield pyarrow.parquet.ParquetFile(local, buffer_size=1 << 20, pre_buffer=False)
    except pyarrow.ArrowException as error:
        raise UserError(f"{path} cannot be read as Parquet ({in_one_line(error)}); fetch or make it again") from error


def parquet_column(path: str, schema: pyarrow.Schema, field: str, advice: str) -> list[str]:
    """The names that lead to a column of text, through nested structs. Raises UserError, which ends with ``advice``,
    where there is none, or several have the name."""
    names = [field] if field in schema.names else field.split(".")
    kind: pyarrow.DataType = pyarrow.struct(schema)
    for name in names:
        places = kind.get_all_field_indices(name) if pyarrow.types.is_struct(kind) else []
        if not places:
            raise UserError(f"{path} has no column {field!r}, but {listed(schema.names)}; {advice}")
        if len(places) > 1:
            raise UserError(f"{path} has {len(places)} columns of the name {field!r}; rename all but one there")
        kind = kind.field(places[0]).type
    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    if not any(test(kind) for test in _PARQUET_TEXT):
        raise UserError(f"{path}: column {field!r} is {kind}, not text; {advice}")
    return names


_PARQUET_TEXT = (
    pyarrow.types.is_string,
    pyarrow.types.is_large_string,
    pyarrow.types.is_string_view,
    pyarrow.types.is_binary,
    pyarrow.types.is_large_binary,
)


def parquet_texts(
    file: pyarrow.parquet.ParquetFile, columns: Sequence[Sequence[str]]
) -> Iterator[tuple[bytes | None, ...]]:
    """What each row has in some columns of text, which ``parquet_column`` has found."""
    names = [".".join(column) for column in columns]
    for batch in file.iter_batches(_PARQUET_ROWS_AT_A_TIME, columns=names, use_threads=False):
        yield from zip(*(_texts_of(batch, column) for column in columns), strict=True)


def _texts_of(batch: pyarrow.RecordBatch, column: Sequence[str]) -> list[bytes | None]:
    values = batch.column(column[0])
    for name in column[1:]:
        values = pyarrow.compute.struct_field(values, name)
    if pyarrow.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    # As bytes, because Arrow does not give out text that is not UTF-8.
    texts: list[bytes | None] = values.cast(pyarrow.large_binary()).to_pylist()
    return texts


def read_sqlite(files: PairFiles, warn: Warn) -> Iterator[RawPair]:
    path = str(files.file)
    with local_file(path, warn) as local:
        try:
            with closing(sqlite3.connect(f"file:{quote(str(local))}?mode=ro", uri=True)) as database:
                database.text_factory = bytes
                cursor = database.execute(str(files.query))
                if cursor.description is None or len(cursor.description) != 2:
                    columns = len(cursor.description or ())
                    raise UserError(f"{path}: query gives {columns} columns; SELECT two of them, source and target")
                for row, (source, target) in enumerate(cursor, start=1):
                    yield RawPair(_sqlite_text(source), _sqlite_text(target), row)
        # The warning is for several statements, up to Python 3.10.
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise UserError(
                f"{path}: {in_one_line(error)}; check query, and that the file is an SQLite database"
            ) from error


def _sqlite_text(value: bytes | float | None) -> bytes:
    return value if isinstance(value, bytes) else b"" if value is None else str(value).encode()


def _fields(files: PairFiles) -> list[str]:
    return [str(files.source_field), str(files.target_field)]


def _two_columns(path: str, rows: Iterator[Row], fields: Sequence[str], separator: str) -> Iterator[RawPair | LeftOut]:
    """Two columns of a table, whose rows come with their lines. Unless both are given by number, the first is a header.

    A row that is too short has an empty side, and is rejected later under its number; one that is too long has a
    separator in its text, and nothing tells in which column. A first row that is too short is an error, because then
    the table is not the one it was taken for.
    """
    first = next(rows, Row(1, [], b""))
    if all(map(is_number, fields)):
        rows = itertools.chain([first], rows)
    advice = "set source_field, target_field and format"
    source, target = (column_of(path, first.cells, field, separator, advice) for field in fields)
    width = len(first.cells)
    for line, row, _ in rows:
        if any(map(str.strip, row[width:])):
            yield LeftOut(f"have more than the {width} columns of the first line", line)
        else:
            yield RawPair(encoded("".join(row[source : source + 1])), encoded("".join(row[target : target + 1])), line)


def column_of(path: str, first: Sequence[str], field: str, separator: str, advice: str) -> int:
    """The place, from 0, of a column that is named, or numbered from 1. Raises UserError, which ends with ``advice``,
    where the first row has none."""
    # The last name may end in a carriage return.
    names = [name.strip() for name in first]
    if field in names and not is_number(field):
        return names.index(field)
    if is_number(field) and int(field) <= len(names):
        return int(field) - 1
    has = f"its first line has {len(names)} {separator}" + ("" if is_number(field) else f": {listed(names)}")
    raise UserError(f"{path} has no column {field}: {has}; {advice}")


def is_number(field: str) -> bool:
    """Whether a field is the number of a column."""
    return field.isdecimal() and int(field) > 0


def listed(names: Iterable[str]) -> str:
    """Any number of names, shortened for a message."""
    return textwrap.shorten(", ".join(names), 200, placeholder=" …")
