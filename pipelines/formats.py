"""Reads the sentence pairs of a corpus, in order, from any of the formats that corpora come in.

``read_pairs`` is for one sequential reader: the preparation job unpacks with it whatever is not two plain files
already. All formats are streamed, and need as much memory as their longest pairs; except gettext PO, which its
library loads whole. ``pipelines.markup`` reads the formats made of XML.

Text stays as the file has it: what is not UTF-8 is passed on where the format can hold it, so that such pairs
are rejected one by one later. A row without text on one side is a pair with an empty side, for the same reason.
"""

from __future__ import annotations

import csv
import itertools
import json
import sqlite3
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import quote

import polib
import pyarrow
import pyarrow.compute
import pyarrow.parquet

from pipelines.markup import read_tmx, read_xliff
from pipelines.opening import in_one_line, local_file, read_lines, without_compression
from recipes.data_schema import PairFiles
from workspace.errors import UserError

Pair = tuple[bytes, bytes]

# Python's csv gives up on cells of more than 128 KB unless told otherwise. A quote that is never closed makes
# one cell of all that follows, and this much memory of it.
_MOST_CSV_CELL_CHARACTERS = 1 << 28
_PARQUET_ROWS_AT_A_TIME = 1000

_ENDINGS = {
    ".tsv": "tsv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".tmx": "tmx",
    ".xlf": "xliff",
    ".xliff": "xliff",
    ".po": "po",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".db": "sqlite",
}


def format_of(files: PairFiles) -> str:
    """The format of a corpus: as its settings say, or else by the ending of the file's name.

    Raises UserError where neither tells, or the settings do not go together.
    """
    if files.file is None:
        if files.format not in (None, "lines"):
            raise UserError(f"{files.source}: format {files.format} has both sides in one file; give it as file")
        return "lines"
    if files.format == "lines":
        raise UserError(f"{files.file}: format lines has a file for each side; give source and target")
    name = without_compression(files.file).lower()
    by_ending: str | None = next((form for ending, form in _ENDINGS.items() if name.endswith(ending)), None)
    found = files.format or by_ending
    if found is None:
        raise UserError(
            f"{files.file}: its name does not tell its format; give format, one of {', '.join(list(READERS)[1:])}"
        )
    if found == "sqlite" and not files.query:
        raise UserError(f"{files.file}: give query, a SELECT of two columns, source and target")
    return found


def read_pairs(
    files: PairFiles,
    source_language: str,
    target_language: str,
    warn: Callable[[str], object] = lambda sentence: print(f"warning: {sentence}", file=sys.stderr),
) -> Iterator[Pair]:
    """Source and target of every pair of a corpus, meant to be UTF-8; a line feed in them is a space.

    The languages are those of the recipe; TMX files are searched for them unless ``files`` names others. What a
    file has besides translated pairs, such as units without one of the languages, is left out; ``warn`` is told,
    at the end, of how many. Raises UserError where a file cannot be read through as what it should be.
    """
    form = format_of(files)
    default_source, default_target = _DEFAULT_FIELDS.get(form, (source_language, target_language))
    settings = {
        "source_field": files.source_field or default_source,
        "target_field": files.target_field or default_target,
    }
    pairs = left_out = 0
    for pair in READERS[form](files.model_copy(update=settings)):
        if pair is None:
            left_out += 1
        else:
            pairs += 1
            yield _one_line(pair[0]), _one_line(pair[1])
    path = files.file or files.source
    if not pairs:
        raise UserError(
            f"{path} has no sentence pairs{f', and {left_out:,} units without a translation' if left_out else ''}; "
            "give a file that has some"
        )
    if left_out:
        warn(f"{path}: {left_out:,} of {pairs + left_out:,} units have no translation and are left out")


def _read_two_files(files: PairFiles) -> Iterator[Pair]:
    paths = str(files.source), str(files.target)
    sides = [read_lines(path) for path in paths]
    counts = [0, 0]
    for source, target in itertools.zip_longest(*sides):
        counts[0] += source is not None
        counts[1] += target is not None
        if source is not None and target is not None:
            yield source, target
    if counts[0] != counts[1]:
        raise UserError(
            f"{paths[0]} has {counts[0]:,} lines but {paths[1]} has {counts[1]:,}; "
            "line n of one must be the translation of line n of the other"
        )


def _read_tsv(files: PairFiles) -> Iterator[Pair]:
    """OPUS and others write no quotes around cells, and mean those that are there."""
    path = str(files.file)
    rows = (line.decode("utf-8", "surrogateescape").split("\t") for line in read_lines(path))
    return _two_columns(path, rows, _fields(files), "separated by tabs")


def _read_csv(files: PairFiles) -> Iterator[Pair]:
    csv.field_size_limit(_MOST_CSV_CELL_CHARACTERS)
    path = str(files.file)
    rows = csv.reader(_csv_lines(path), strict=True)
    try:
        yield from _two_columns(path, rows, _fields(files), "separated by commas")
    except csv.Error as error:
        raise UserError(f"{path} line {rows.line_num:,} is not CSV ({error}); mend it") from error


def _csv_lines(path: str) -> Iterator[str]:
    for number, line in enumerate(read_lines(path), start=1):
        # Up to Python 3.10 csv refuses them, with words of its own.
        if b"\0" in line:
            raise UserError(
                f"{path} line {number:,} has a NUL byte, which CSV cannot have; take it out with tr -d '\\0'"
            )
        yield line.decode("utf-8", "surrogateescape") + "\n"


def _read_jsonl(files: PairFiles) -> Iterator[Pair]:
    path = str(files.file)
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            # Not strict: control characters in a string do no harm.
            row = json.loads(line.decode("utf-8", "surrogateescape"), strict=False)
        except json.JSONDecodeError as error:
            raise UserError(
                f"{path} line {number:,}, column {error.colno}, is not JSON ({error.msg}); mend it"
            ) from error
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path} line {number:,} cannot be read as JSON ({error}); mend it") from error
        source, target = (_encoded(_text_at(row, field, f"{path} line {number:,}")) for field in _fields(files))
        yield source, target


def _text_at(row: Any, field: str, place: str) -> str:
    """The text under a key, which may lead into nested objects (``translation.en``); null is no text."""
    value = row
    for key in [field] if isinstance(row, dict) and field in row else field.split("."):
        if not isinstance(value, dict) or key not in value:
            keys = f"it has {_listed(row)}" if isinstance(row, dict) else "it is no object"
            raise UserError(f"{place} has no key {field!r}: {keys}; set source_field and target_field")
        value = value[key]
    if not isinstance(value, str | None):
        raise UserError(f"{place}: {field!r} is not text; set source_field and target_field to keys of text")
    return value or ""


def _read_parquet(files: PairFiles) -> Iterator[Pair]:
    path = str(files.file)
    with local_file(path) as local:
        try:
            # Unlike the defaults, these read a column in pieces, and not a whole row group of it.
            file = pyarrow.parquet.ParquetFile(local, buffer_size=1 << 20, pre_buffer=False)
            columns = [_parquet_column(path, file.schema_arrow, field) for field in _fields(files)]
            names = [".".join(column) for column in columns]
            for batch in file.iter_batches(_PARQUET_ROWS_AT_A_TIME, columns=names, use_threads=False):
                source, target = (_parquet_texts(batch, column) for column in columns)
                yield from zip(source, target, strict=True)
        except pyarrow.ArrowException as error:
            raise UserError(
                f"{path} cannot be read as Parquet ({in_one_line(error)}); fetch or make it again"
            ) from error


def _parquet_column(path: str, schema: pyarrow.Schema, field: str) -> list[str]:
    """The names that lead to a column of text, through nested structs. Raises UserError where there is none."""
    names = [field] if field in schema.names else field.split(".")
    kind: pyarrow.DataType = pyarrow.struct(schema)
    for name in names:
        if not pyarrow.types.is_struct(kind) or kind.get_field_index(name) < 0:
            raise UserError(
                f"{path} has no column {field!r}, but {_listed(schema.names)}; set source_field and target_field"
            )
        kind = kind.field(name).type
    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    if not any(test(kind) for test in _PARQUET_TEXT):
        raise UserError(f"{path}: column {field!r} is {kind}, not text; set source_field and target_field")
    return names


_PARQUET_TEXT = (
    pyarrow.types.is_string,
    pyarrow.types.is_large_string,
    pyarrow.types.is_string_view,
    pyarrow.types.is_binary,
    pyarrow.types.is_large_binary,
)


def _parquet_texts(batch: pyarrow.RecordBatch, column: Sequence[str]) -> Iterator[bytes]:
    values = batch.column(column[0])
    for name in column[1:]:
        values = pyarrow.compute.struct_field(values, name)
    if pyarrow.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    # As bytes, because text that is not UTF-8 could not be taken out.
    return (value or b"" for value in values.cast(pyarrow.large_binary()).to_pylist())


def _read_po(files: PairFiles) -> Iterator[Pair | None]:
    """Of a message with a plural, the plural is taken: the forms of two languages do not match one by one."""
    path = str(files.file)
    with local_file(path) as local:
        last = local.read_bytes().rstrip().rpartition(b"\n")[2]
        # The library takes a string without its closing quote for an empty one.
        if not last.startswith(b"#") and not last.endswith(b'"'):
            raise UserError(f"{path} is cut short in its last line; fetch or make it again")
        try:
            entries = polib.pofile(str(local))
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is not in the character set its header names ({error}); mend it") from error
        except (OSError, LookupError, ValueError) as error:
            said = in_one_line(error).replace(str(local), path)
            raise UserError(f"{path} is not gettext PO ({said}); mend it") from error
    for entry in entries:
        if entry.obsolete:
            continue
        translation = entry.msgstr_plural[max(entry.msgstr_plural)] if entry.msgstr_plural else entry.msgstr
        if entry.fuzzy or not translation:
            yield None
        else:
            yield _encoded(entry.msgid_plural or entry.msgid), _encoded(translation)


def _read_sqlite(files: PairFiles) -> Iterator[Pair]:
    path = str(files.file)
    with local_file(path) as local:
        try:
            with closing(sqlite3.connect(f"file:{quote(str(local))}?mode=ro", uri=True)) as database:
                database.text_factory = bytes
                cursor = database.execute(str(files.query))
                if cursor.description is None or len(cursor.description) != 2:
                    columns = len(cursor.description or ())
                    raise UserError(f"{path}: query gives {columns} columns; SELECT two of them, source and target")
                for source, target in cursor:
                    yield _sqlite_text(source), _sqlite_text(target)
        # Of several statements sqlite3 warns, up to Python 3.10.
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise UserError(
                f"{path}: {in_one_line(error)}; check query, and that the file is an SQLite database"
            ) from error


def _sqlite_text(value: bytes | float | None) -> bytes:
    return value if isinstance(value, bytes) else b"" if value is None else str(value).encode()


def _fields(files: PairFiles) -> list[str]:
    return [str(files.source_field), str(files.target_field)]


def _two_columns(path: str, rows: Iterator[list[str]], fields: Sequence[str], separator: str) -> Iterator[Pair]:
    """Two columns of a table. Unless both are given by number, its first row is a header.

    A row that is too short has an empty side, so that it is rejected by its number later; a first row that is
    too short is an error, because then the table is another than was thought.
    """
    first = next(rows, [])
    if all(map(_is_number, fields)):
        rows = itertools.chain([first], rows)
    source, target = (_column(path, first, field, separator) for field in fields)
    for row in rows:
        yield _encoded("".join(row[source : source + 1])), _encoded("".join(row[target : target + 1]))


def _column(path: str, first: Sequence[str], field: str, separator: str) -> int:
    # The last may have a carriage return.
    names = [name.strip() for name in first]
    if field in names and not _is_number(field):
        return names.index(field)
    if _is_number(field) and int(field) <= len(names):
        return int(field) - 1
    has = f"its first line has {len(names)} {separator}" + ("" if _is_number(field) else f": {_listed(names)}")
    raise UserError(f"{path} has no column {field}: {has}; set source_field, target_field and format")


def _is_number(field: str) -> bool:
    return field.isdecimal() and int(field) > 0


def _listed(names: Iterable[str]) -> str:
    """Names for a message, of which there may be any number."""
    return textwrap.shorten(", ".join(names), 200, placeholder=" …")


def _encoded(text: str) -> bytes:
    """Text as UTF-8; what was not UTF-8 when it was read, or is half a surrogate pair, is not UTF-8 after either."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _one_line(text: bytes) -> bytes:
    return text.replace(b"\r\n", b" ").replace(b"\n", b" ")


# Sides without fields of their own are found by the recipe's languages.
_DEFAULT_FIELDS = {
    "tsv": ("1", "2"),
    "csv": ("source", "target"),
    "jsonl": ("source", "target"),
    "parquet": ("source", "target"),
}

READERS: dict[str, Callable[[PairFiles], Iterator[Pair | None]]] = {
    "lines": _read_two_files,
    "tsv": _read_tsv,
    "csv": _read_csv,
    "jsonl": _read_jsonl,
    "parquet": _read_parquet,
    "tmx": read_tmx,
    "xliff": read_xliff,
    "po": _read_po,
    "sqlite": _read_sqlite,
}
