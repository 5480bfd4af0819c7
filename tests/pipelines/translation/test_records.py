"""What is read of files in any format, and what is written of them, as other programs read and write them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.translation.asked import Answer, Asked, Format
from pipelines.translation.chunks import Text
from pipelines.translation.records import MOST_CHARACTERS, read_texts, write_answers
from tests.pipelines.corpora.support import is_utf8_lines
from workspace.errors import UserError

one_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
# Of no text, and of what begins another character set.
characters = st.characters(codec="utf-8", exclude_characters="\0\x1b\ufeff")
# Of carriage returns csv's writer knows only those of its line ends.
cells = st.text(characters.filter(lambda character: character != "\r"), max_size=12)
lines = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters="\ufeff"), max_size=12)


PLAIN = Asked()


def texts(path: Path, form: Format, asked: Asked = PLAIN) -> list[Text]:
    return list(read_texts(path, form, asked, pytest.fail))


def written(path: Path, form: Format, asked: Asked = PLAIN, answer: Callable[[Text], Answer] | None = None) -> bytes:
    """The file with its texts in capitals."""

    def capitals(text: Text) -> Answer:
        return {**asked.nothing, "translation": text.text.upper()}

    answers = map(answer or capitals, texts(path, form, asked))
    file = io.BytesIO()
    for _ in write_answers(path, form, asked, answers, file):
        pass
    return file.getvalue()


@one_file
@given(
    rows=st.lists(st.lists(cells, min_size=3, max_size=3), max_size=6),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_csv_has_the_same_cells_and_one_more(tmp_path: Path, rows: list[list[str]], end: str, quoting: Any) -> None:
    path, table = tmp_path / "a.csv", [["id", "text", "note"], *rows]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator=end, quoting=quoting).writerows(table)
    if not is_utf8_lines(path.read_bytes()):
        return
    found = list(csv.reader(io.StringIO(written(path, "csv").decode(), newline="")))
    # A space at the beginning of a cell is not part of the text, save behind a quote.
    assert [row[:3] for row in found] == table
    assert [row[3].lstrip(" ") for row in found[1:]] == [row[1].lstrip(" ").upper() for row in rows]
    assert found[0][3] == "translation"


@one_file
@given(
    values=st.lists(
        st.dictionaries(lines, st.none() | st.booleans() | st.floats(allow_nan=False) | lines | st.lists(lines)),
        max_size=6,
    ),
    ascii_only=st.booleans(),
)
def test_json_lines_have_the_same_keys_and_one_more(
    tmp_path: Path, values: list[dict[str, Any]], ascii_only: bool
) -> None:
    path = tmp_path / "a.jsonl"
    values = [{**value, "text": f"t{place}"} for place, value in enumerate(values) if "translation" not in value]
    path.write_text("".join(json.dumps(each, ensure_ascii=ascii_only) + "\n\n" for each in values), encoding="utf-8")
    found = written(path, "jsonl").decode().split("\n")
    assert found[1::2] == [""] * len(values)
    for line, value in zip(found[::2], values, strict=False):
        expected = {**value, "translation": value["text"].upper()}
        assert list(json.loads(line).items()) == list(expected.items())


def test_records_stay_as_they_are_written(tmp_path: Path) -> None:
    """Numbers that no float has, spaces, escapes, line ends of either kind, and none at the end."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{ "n": 1.50e400,"text":"\\u0061" }\r\n{"text": null}\n{"text":""}')
    assert written(path, "jsonl") == (
        b'\xef\xbb\xbf{ "n": 1.50e400,"text":"\\u0061", "translation": "A"}\r\n'
        b'{"text": null, "translation": ""}\n{"text":"", "translation": ""}'
    )
    path = tmp_path / "a.csv"
    path.write_bytes(b'text,"b c"\r\n "a ""b""", 2\r\n\r\nc')
    assert written(path, "csv") == b'text,"b c",translation\r\n "a ""b""", 2,"A ""B"""\r\n\r\nc,,C'


@one_file
@given(rows=st.lists(st.lists(lines, min_size=2, max_size=2), max_size=6), has_header=st.booleans())
def test_tsv_has_the_same_cells_and_one_more(tmp_path: Path, rows: list[list[str]], has_header: bool) -> None:
    path, header = tmp_path / "a.tsv", [["a", "text"]] if has_header else []
    path.write_text("".join("\t".join(row) + "\n" for row in [*header, *rows]), encoding="utf-8", newline="")
    asked = Asked(column="text" if has_header else "2")
    if not (header or rows) or not is_utf8_lines(path.read_bytes()):
        return
    found = [line.split("\t") for line in written(path, "tsv", asked).decode().split("\n")[:-1]]
    expected = [[*row, row[1].upper()] for row in rows]
    assert found == [*([["a", "text", "translation"]] if has_header else []), *expected]


@one_file
@given(rows=st.lists(lines, max_size=6), end=st.sampled_from(["\n", "\r\n"]), ends=st.booleans())
def test_a_text_is_translated_line_by_line(tmp_path: Path, rows: list[str], end: str, ends: bool) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes((end.join(rows) + end * ends).encode())
    if is_utf8_lines(path.read_bytes()):
        assert (
            written(path, "text").decode() == end.join(row.upper() if row.strip() else row for row in rows) + end * ends
        )


def test_parquet_keeps_columns_types_and_row_groups(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.parquet", tmp_path / "b.parquet"
    table = pyarrow.table(
        {
            "id": pyarrow.array(range(7), pyarrow.int16()),
            "text": pyarrow.array(["a", None, "", "ü", "b", "a", "c"]).dictionary_encode(),
            "when": pyarrow.array([0, 1, None, 3, 4, 5, 6], pyarrow.timestamp("ms", "UTC")),
            "nested": [{"deep": [str(row)]} for row in range(7)],
        }
    ).replace_schema_metadata({"who": "we"})
    pyarrow.parquet.write_table(table, path, row_group_size=3, compression="zstd")
    asked = Asked(score=True, nbest=2, alignment=True)
    extra = {
        "score": -0.5,
        "nbest": [{"translation": "x", "score": -0.5}],
        "alignment": {"source": ["a"], "target": ["x", "y"], "links": "0-0 0-1"},
    }
    copy.write_bytes(written(path, "parquet", asked, lambda text: {"translation": text.text.upper(), **extra}))
    found = pyarrow.parquet.ParquetFile(copy)
    assert [found.metadata.row_group(group).num_rows for group in range(found.num_row_groups)] == [3, 3, 1]
    assert found.metadata.row_group(0).column(0).compression == "ZSTD"
    read = found.read()
    assert read.select(table.column_names).equals(table)
    assert read.schema.metadata[b"who"] == b"we"
    assert read["translation"].to_pylist() == ["A", "", "", "Ü", "B", "A", "C"]
    for name, value in extra.items():
        assert read[name].to_pylist() == [value] * 7


BAD = {
    "text": b"a\nb\xff\nc\0\n" + b"d" * (MOST_CHARACTERS + 1) + b"\nd",
    "jsonl": b'{"text": "a"}\n{"text": "b\xff"}\n{"text": "\\u0000"}\n{"text": "\\ud800"}\n{"text": 1}\n'
    b'{"other": "d"}\n["d"]\n{"text": "d"\n{}\n{"text": "d"}\n',
    "csv": b'n,text\n1,a\n2,b\xff\n3\n4,"d,e",f\n5,e,\n5,d\n',
    "tsv": b"n\ttext\n1\ta\n2\tb\xff\n3\tc\0\n4\n5\td\te\n6\td\n",
}


REASONS = {
    "text": [
        "it is not UTF-8",
        "it has a NUL byte",
        "it has 1,000,001 characters, more than the 1,000,000 of the longest",
    ],
    "jsonl": [
        *("it is not UTF-8", "it has a NUL byte", "it has half of a surrogate pair", "line 5: 'text' is not text"),
        *("line 6 has no key 'text': it has other", "line 7 has no key 'text': it is not an object"),
        *("line 8, column 13, is not JSON", "line 9 has no key 'text': it has none"),
    ],
    "csv": [
        "it is not UTF-8",
        "it has 1 of the 2 columns of the first line, and not that of the text",
        *["it has more than the 2 columns of the first line"] * 2,
    ],
    "tsv": [
        "it is not UTF-8",
        "it has a NUL byte",
        "it has 1 of the 2 columns of the first line, and not that of the text",
        "it has more than the 2 columns of the first line",
    ],
}


@pytest.mark.parametrize("form", list(BAD))
def test_what_cannot_be_translated_is_told_and_stays(tmp_path: Path, form: Format) -> None:
    """The first and the last can be, and the others are empty."""
    path = tmp_path / "a"
    path.write_bytes(BAD[form])
    found = texts(path, form)
    assert [text.text for text in found] == ["a", *[""] * (len(found) - 2), "d"]
    assert [text.line for text in found if text.why] == [text.line for text in found[1:-1]]
    for text, reason in zip(found[1:-1], REASONS[form], strict=True):
        assert (text.why or "").startswith(reason)
    content, result = BAD[form].split(b"\n"), written(path, form).split(b"\n")
    assert len(result) == len(content)
    if form != "text":
        assert all(after.startswith(before.rstrip(b"}")) for before, after in zip(content, result, strict=True))


def test_parquet_may_have_two_columns_of_a_name_but_not_of_the_text(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.parquet", tmp_path / "b.parquet"
    twice = r"a\.parquet has 2 columns of the name 'text'; rename all but one there$"
    values = pyarrow.array(["a", "b"])
    for names in (["text", "text"], ["n", "n", "text"]):
        pyarrow.parquet.write_table(pyarrow.table([values] * len(names), names), path)
        if names[0] == "text":
            with pytest.raises(UserError, match=twice):
                texts(path, "parquet")
        else:
            copy.write_bytes(written(path, "parquet"))
            found = pyarrow.parquet.ParquetFile(copy).read()
            assert found.column_names == [*names, "translation"]
            assert found.column(3).to_pylist() == ["A", "B"]


@pytest.mark.parametrize(
    ("form", "content", "sentence"),
    [
        ("text", "ab\n".encode("utf-16"), "is in UTF-16; convert it"),
        ("text", b"a\rb\rc", "end in carriage returns"),
        ("jsonl", b'\n{"body": "a"}\n', r"line 2 has no key 'text': it has body; give the key .* --field \(FIELD="),
        ("jsonl", b"{", "line 1, column 2, is not JSON"),
        ("jsonl", b'{"text": "a"}\n{"text": "b", "translation": "c"}', "line 2 has a key 'translation' already"),
        ("csv", b"a,b\nc,d\n", r"has no column text: its first line has 2 separated by commas: a, b; .*COLUMN="),
        ("csv", b'text\n"a\n', "line 2 is not CSV"),
        ("csv", b"text\na\0\n", "line 2 has a NUL byte"),
        ("tsv", b"text\ttranslation\n", "has a column translation already"),
        ("parquet", b"", "is empty"),
        ("parquet", b"text\n", "cannot be read as Parquet"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_told(
    tmp_path: Path, form: Format, content: bytes, sentence: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{path}.*{sentence}"):
        texts(path, form)


def test_a_file_that_has_changed_is_not_mixed_with_the_answers(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for before, after in ((b"a\nb\n", b"a\n"), (b"a\n", b"a\nb\n")):
        path.write_bytes(before)
        answers: Iterator[Answer] = iter([{"translation": "x"}] * before.count(b"\n"))
        path.write_bytes(after)
        with pytest.raises(UserError, match="changed while it was translated"):
            list(write_answers(path, "text", PLAIN, answers, io.BytesIO()))
