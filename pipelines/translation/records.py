"""The texts of a file in any format, and the file again, with what they were translated to.

A record stays as it is written, byte for byte, and its new fields are put behind what it has: cells keep their quotes,
numbers their digits, and keys their order. In Parquet, rows keep their row groups and columns their types.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow
import pyarrow.parquet

from pipelines.corpora.file_access import local_file, open_decompressed, size_of_byte_order_mark
from pipelines.corpora.raw_pairs import Warn
from pipelines.corpora.tables import (
    SEPARATED_BY_COMMAS,
    SEPARATED_BY_TABS,
    Row,
    column_of,
    csv_rows,
    is_number,
    json_value,
    listed,
    parquet_column,
    parquet_file,
    parquet_texts,
    text_at,
    tsv_rows,
)
from pipelines.translation.asked import ALIGNMENT, NBEST, SCORE, TRANSLATION, Answer, Asked, Format
from pipelines.translation.chunks import Text
from workspace import charsets
from workspace.errors import UserError, as_given
from workspace.listing import size_of
from workspace.locations import Location

# Of one text: more is a file without line ends, or a quote that is not closed.
MOST_CHARACTERS = 1_000_000
# Bytes that are no UTF-8, as they are decoded, and those of sets that write all characters in ASCII.
_NO_UTF_8 = re.compile("[\udc80-\udcff]|\x1b[$(]")
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_LINE_END = re.compile(r"[\r\n]+")
_QUOTED = re.compile(r'[",\r\n]|^\s|\s$')


@dataclass(frozen=True)
class _Record:
    """A record of a file of lines: its text, None where it is the header of a table, and how it is written with an
    answer."""

    text: Text | None
    with_answer: Callable[[Answer], bytes]


def read_texts(source: Location, form: Format, asked: Asked, warn: Warn) -> Iterator[Text]:
    """The texts of a file, in their order: blank ones, too, and one for each record that has none.

    Raises UserError where the file cannot be read to its end in its format, or has no such field at all.
    """
    if form == "parquet":
        yield from _parquet_texts(source, asked, warn)
        return
    with _lines(source, warn) as (_, lines):
        for record in _records(source, form, lines, asked):
            if record.text is not None:
                yield record.text


def write_answers(
    source: Location, form: Format, asked: Asked, answers: Iterator[Answer], file: BinaryIO
) -> Iterator[None]:
    """Writes to ``file`` what is in ``source``, each record with its answer; yields after every record.

    Raises UserError where it has not as many records as there are answers.
    """
    missing = changed(source)
    if form == "parquet":
        yield from _write_parquet(source, asked, answers, file, missing)
    else:
        with _lines(source, lambda sentence: None) as (mark, lines):
            file.write(mark)
            for record in _records(source, form, lines, asked):
                if record.text is None:
                    file.write(record.with_answer({}))
                    continue
                answer = next(answers, None)
                if answer is None:
                    raise missing
                file.write(record.with_answer(answer))
                yield
    if next(answers, None) is not None:
        raise missing


def changed(source: Location) -> UserError:
    return UserError(f"{source} changed while it was translated; run the same command again")


@contextlib.contextmanager
def _lines(source: Location, warn: Warn) -> Iterator[tuple[bytes, Iterable[bytes]]]:
    """The mark that a file in UTF-8 may begin with, and its lines with their ends."""
    with open_decompressed(str(source), warn) as file:
        beginning = file.peek(charsets.BEGINNING)[: charsets.BEGINNING]
        yield file.read(size_of_byte_order_mark(beginning, str(source))), file


def _records(source: Location, form: Format, lines: Iterable[bytes], asked: Asked) -> Iterator[_Record]:
    path = str(source)
    if form == "text":
        return _text_records(lines)
    if form == "jsonl":
        return _json_records(path, lines, asked)
    if form == "csv":
        return _table_records(path, csv_rows(path, lines), SEPARATED_BY_COMMAS, asked)
    return _table_records(path, tsv_rows(lines), SEPARATED_BY_TABS, asked)


def _text_records(lines: Iterable[bytes]) -> Iterator[_Record]:
    for number, line in enumerate(lines, start=1):
        body, end = _without_end(line)
        text = _checked(number, body.decode("utf-8", "surrogateescape"))
        is_blank = not text.why and not text.text.strip()
        yield _Record(text, functools.partial(_as_it_is, line) if is_blank else functools.partial(_text_line, end))


def _as_it_is(written: bytes, _: Answer) -> bytes:
    return written


def _text_line(end: bytes, answer: Answer) -> bytes:
    return _in_a_line(answer[TRANSLATION]).encode() + end


def _json_records(path: str, lines: Iterable[bytes], asked: Asked) -> Iterator[_Record]:
    """Raises UserError where no line has the field: then it is the wrong one; or one has a field of an answer."""
    wrong, is_there = None, False
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            yield _Record(Text(number, ""), functools.partial(_as_it_is, line))
            continue
        value, why = json_value(_without_end(line)[0])
        text = ""
        if why is None:
            text, why = text_at(value, asked.field)
        if why is None:
            is_there = True
        elif wrong is None:
            wrong = f"{path} line {number:,}{why}; give the key of the text with {as_given('--field')}"
        if isinstance(value, dict) and (taken := [name for name in asked.fields if name in value]):
            raise UserError(f"{path} line {number:,} has a key {taken[0]!r} already; rename it there")
        found = Text(number, "", f"line {number:,}{why}") if why else _checked(number, text)
        yield _Record(found, functools.partial(_json_line if isinstance(value, dict) else _as_it_is, line))
    if wrong and not is_there:
        raise UserError(wrong)


def _json_line(line: bytes, answer: Answer) -> bytes:
    body, end = _without_end(line)
    before, closing = body.rstrip()[:-1].rstrip(), body[len(body.rstrip()) :]
    comma = b"" if before.endswith(b"{") else b", "
    return before + comma + json.dumps(answer, ensure_ascii=False)[1:].encode() + closing + end


def _table_records(path: str, rows: Iterator[Row], separated: str, asked: Asked) -> Iterator[_Record]:
    """Of a table with a header, or where the column is a number, without one."""
    separator = b"," if separated == SEPARATED_BY_COMMAS else b"\t"
    cell = _csv_cell if separated == SEPARATED_BY_COMMAS else _tsv_cell
    first = next(rows, None)
    if first is None:
        return
    column = column_of(path, first.cells, asked.column, separated, f"give one with {as_given('--column')}")
    width = len(first.cells)

    def appended(row: Row, cells: Iterable[str]) -> bytes:
        body, end = _without_end(row.written)
        missing = separator * (width - len(row.cells))
        return body + missing + b"".join(separator + cell(each).encode() for each in cells) + end

    def record(row: Row) -> _Record:
        if len(row.cells) > width:
            # Nobody could tell which of its cells is the translation.
            text = Text(row.line, "", f"it has more than the {width} columns of the first line")
            return _Record(text, functools.partial(_as_it_is, row.written))
        if not any(map(str.strip, row.cells)):
            text = Text(row.line, "")
        elif len(row.cells) <= column:
            text = Text(
                row.line,
                "",
                f"it has {len(row.cells)} of the {width} columns of the first line, and not that of the text",
            )
        else:
            text = _checked(row.line, row.cells[column])
        if not row.written.strip(b"\r\n"):
            return _Record(text, functools.partial(_as_it_is, row.written))
        return _Record(text, lambda answer: appended(row, map(_cell_text, answer.values())))

    if is_number(asked.column):
        yield record(first)
    else:
        there = [name.strip() for name in first.cells]
        if taken := [name for name in asked.fields if name in there]:
            raise UserError(f"{path} has a column {taken[0]} already, among {listed(there)}; rename it there")
        yield _Record(None, lambda _: appended(first, asked.fields))
    yield from map(record, rows)


def _cell_text(value: Any) -> str:
    """A value as a cell: a text or a number as it is, nothing for None, and JSON for what has parts."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _csv_cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def _tsv_cell(text: str) -> str:
    return _in_a_line(text).replace("\t", " ")


def _in_a_line(text: str) -> str:
    """A subword may be the byte of a line end."""
    return _LINE_END.sub(" ", text)


def _without_end(line: bytes) -> tuple[bytes, bytes]:
    body = line.removesuffix(b"\n").removesuffix(b"\r")
    return body, line[len(body) :]


def _checked(line: int, text: str) -> Text:
    """The text, or why it cannot be translated."""
    if len(text) > MOST_CHARACTERS:
        return Text(line, "", f"it has {len(text):,} characters, more than the {MOST_CHARACTERS:,} of the longest text")
    if "\0" in text:
        return Text(line, "", "it has a NUL byte")
    if _NO_UTF_8.search(text):
        return Text(line, "", "it is not UTF-8")
    if _HALF_PAIR.search(text):
        return Text(line, "", "it has half of a surrogate pair, which is no character")
    return Text(line, text)


def _parquet_texts(source: Location, asked: Asked, warn: Warn) -> Iterator[Text]:
    path = str(source)
    if not size_of(source):
        raise UserError(f"{path} is empty, and so is no Parquet; fetch or make it again")
    with local_file(path, warn) as local, parquet_file(path, local) as file:
        names = file.schema_arrow.names
        if taken := [name for name in asked.fields if name in names]:
            raise UserError(f"{path} has a column {taken[0]} already, among {listed(names)}; rename it there")
        column = parquet_column(path, file.schema_arrow, asked.column, f"give one with {as_given('--column')}")
        for row, (value,) in enumerate(parquet_texts(file, [column]), start=1):
            yield _checked(row, (value or b"").decode("utf-8", "surrogateescape"))


_TYPES = {
    TRANSLATION: pyarrow.string(),
    SCORE: pyarrow.float64(),
    NBEST: pyarrow.list_(pyarrow.struct({TRANSLATION: pyarrow.string(), SCORE: pyarrow.float64()})),
    ALIGNMENT: pyarrow.struct(
        {
            "source": pyarrow.list_(pyarrow.string()),
            "target": pyarrow.list_(pyarrow.string()),
            "links": pyarrow.string(),
        }
    ),
}


def _write_parquet(
    source: Location, asked: Asked, answers: Iterator[Answer], file: BinaryIO, missing: UserError
) -> Iterator[None]:
    """A row group for a row group, which is in memory while it is written."""
    path = str(source)
    with local_file(path, lambda sentence: None) as local, parquet_file(path, local) as read:
        schema = read.schema_arrow
        for name in asked.fields:
            schema = schema.append(pyarrow.field(name, _TYPES[name]))
        with pyarrow.parquet.ParquetWriter(file, schema, compression=_codec(read)) as writer:
            for group in range(read.num_row_groups):
                table = read.read_row_group(group)
                found = [answer for _, answer in zip(range(table.num_rows), answers, strict=False)]
                if len(found) < table.num_rows:
                    raise missing
                for name in asked.fields:
                    values = pyarrow.array([answer[name] for answer in found], _TYPES[name])
                    table = table.append_column(pyarrow.field(name, _TYPES[name]), values)
                writer.write_table(table.cast(schema), row_group_size=max(1, table.num_rows))
                yield from (None for _ in found)


def _codec(read: pyarrow.parquet.ParquetFile) -> str:
    """How the file is compressed, as the writer takes it: as its first column is."""
    if not read.num_row_groups:
        return "snappy"
    codec = str(read.metadata.row_group(0).column(0).compression)
    return "none" if codec == "UNCOMPRESSED" else codec
