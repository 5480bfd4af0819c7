"""Every format comes back as another program wrote it."""

from __future__ import annotations

import codecs
import gzip
import json
import re
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipelines.corpora.formats import format_of, read_pairs
from recipes.data_schema import PairFiles
from tests.pipelines.corpora.support import (
    ENDINGS,
    QUERY,
    WRITERS,
    XLIFF_1,
    Rows,
    compressed,
    is_utf8_lines,
    pairs_of,
    read,
    two_files,
)
from tests.stores.servers import Store
from workspace.errors import UserError
from workspace.locations import located
from workspace.storage import write_bytes

# Text in which the characters that end lines elsewhere, quote, separate or escape are frequent.
AWKWARD = st.text(
    st.sampled_from("a é\u2028\u2029\x85\x0b\x0c\x1c\r\n\t\"'\\,;<>&|#~{}[]\u00a0\ufeff\u200b😀")
    | st.characters(codec="utf-8", exclude_characters="\0"),
    max_size=12,
)
ROWS = st.lists(st.tuples(AWKWARD, AWKWARD), min_size=1, max_size=8)


def as_read(rows: Rows) -> list[tuple[bytes, bytes]]:
    """The pairs as they come back: a line break in a side is a space."""
    return [(one_line(source).encode(), one_line(target).encode()) for source, target in rows]


def one_line(text: str) -> str:
    return text.replace("\r\n", " ").replace("\n", " ").replace("\r", " ")


def can_hold(form: str, text: str) -> bool:
    """Whether a format has a way to write the text down, and to write it as a translated pair."""
    if form == "tsv":
        return not set(text) & set("\t\n")
    if form in ("tmx", "xliff"):
        # What XML has no way to write; and it turns carriage returns that are not written as references to line feeds.
        return bool(text) and all(c in "\t\n" or c >= " " for c in text) and not set(text) & set("\ufffe\uffff")
    return bool(text) or form != "po"


@pytest.mark.parametrize("form", WRITERS)
@given(rows=ROWS)
@settings(max_examples=40)
def test_pairs_come_back(form: str, rows: Rows) -> None:
    rows = [row for row in rows if all(can_hold(form, text) for text in row)] or [("one", "un")]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / f"pairs.{form}"
        WRITERS[form](path, rows)
        found, expected = read(path, **QUERY.get(form, {})), as_read(rows)
        if form == "csv":
            # A space before a cell is not part of it.
            found, expected = ([(s.lstrip(b" "), t.lstrip(b" ")) for s, t in pairs] for pairs in (found, expected))
        assert found == expected


@given(
    rows=st.lists(st.tuples(st.binary(max_size=6), st.binary(max_size=6)), min_size=1, max_size=9),
    endings=st.tuples(*[st.sampled_from(["", *ENDINGS])] * 2),
)
@settings(max_examples=60)
def test_two_files_are_read_line_by_line(rows: list[tuple[bytes, bytes]], endings: tuple[str, str]) -> None:
    """Only a line feed ends a line, a carriage return is white space, and each side may be compressed in its way."""
    rows = [(source.replace(b"\n", b"\x85"), target.replace(b"\n", b"\xe2\x80\xa8")) for source, target in rows]
    rows[0] = b"- " + rows[0][0], b"- " + rows[0][1]
    with tempfile.TemporaryDirectory() as directory:
        paths = [Path(directory) / f"text{side}{ending}" for side, ending in enumerate(endings)]
        for path, side in zip(paths, zip(*rows, strict=True), strict=True):
            text = b"".join(line + b"\n" for line in side)
            assume(is_utf8_lines(text))
            path.write_bytes(compressed(text, path.suffix))
        assert pairs_of(two_files(*paths)) == [
            (source.replace(b"\r", b" "), target.replace(b"\r", b" ")) for source, target in rows
        ]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("form", WRITERS)
def test_every_format_may_be_compressed(tmp_path: Path, form: str, ending: str) -> None:
    rows = [(f"number {number}", f"nombre {number}") for number in range(50)]
    WRITERS[form](tmp_path / "plain", rows)
    path = tmp_path / f"pairs.{form}{ending}"
    path.write_bytes(compressed((tmp_path / "plain").read_bytes(), ending))
    assert read(path, **QUERY.get(form, {})) == as_read(rows)


def test_columns_are_chosen_by_number_or_name(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_bytes(b'fr\tscore\ten\r\nun "\t1\t"one\ndeux\n')
    by_name = read(path, source_field="en", target_field="fr")
    assert by_name == [(b'"one', b'un "'), (b"", b"deux")]
    assert read(path, source_field="3", target_field="1") == [(b"en ", b"fr"), *by_name]
    path = tmp_path / "pairs.csv"
    path.write_bytes(b'\xef\xbb\xbfone,"un, ""\nx"\r\n')
    assert read(path, source_field="1", target_field="2") == [(b"one", b'un, " x')]


@pytest.mark.parametrize(
    ("name", "rows", "line"),
    [
        ("a.csv", 'source,target\na,b\nYes, sir,Oui\n"c\nc",d\n1,2,3\ne,f,\n', 3),
        ("a.tsv", "a\tb\nc c\td\n1\t2\t3\n1\t2\t3\ne\tf\t \n", 3),
        ("a.tsv", "a\tb\t0.5\n1\t2\t3\t4\nc c\td\t0.5\n1\t\t\t2\ne\tf\t0.5\n", 2),
    ],
)
def test_rows_with_more_cells_than_the_first_are_left_out(tmp_path: Path, name: str, rows: str, line: int) -> None:
    """A separator in the text would pair the halves of a side; what is empty at the end does no harm."""
    (tmp_path / name).write_text(rows)
    said: list[str] = []
    pairs = list(read_pairs(PairFiles(file=str(tmp_path / name)), "en", "fr", said.append))
    assert [pair[:2] for pair in pairs] == [(b"a", b"b"), (b"c c", b"d"), (b"e", b"f")]
    width = len(re.split("[,\t]", rows.partition("\n")[0]))
    assert said == [
        f"{tmp_path / name}: 2 of 5 units have more than the {width} columns of the first line and are left out, "
        f"the first in line {line}"
    ]


def test_a_column_may_be_a_number_of_yaml() -> None:
    files = PairFiles.model_validate({"file": "a.csv", "source_field": 1, "target_field": 2})
    assert (files.source_field, files.target_field) == ("1", "2")


def test_a_space_before_a_quote_opens_a_cell_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text('source, target\n"Yes, sir", "Oui, monsieur"\nno, non\n')
    assert read(tmp_path / "pairs.csv") == [(b"Yes, sir", b"Oui, monsieur"), (b"no", b"non")]


def test_a_line_without_a_text_is_a_pair_without_it(tmp_path: Path) -> None:
    lines = [
        '{"en": "one", "fr": "un"}',
        '{"en": "two"}',
        '{"en": 3, "fr": "trois"}',
        "null",
        '{"en": null, "fr": "x"}',
    ]
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines))
    pairs = read(tmp_path / "pairs.jsonl", source_field="en", target_field="fr")
    assert pairs == [(b"one", b"un"), (b"two", b""), (b"", b"trois"), (b"", b""), (b"", b"x")]


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("a.tsv", "one\tun\ntwo\tdeux\n", [1, 2]),
        ("a.csv", 'source,target\none,"un\nx"\ntwo,deux\n', [2, 4]),
        ("a.jsonl", '\n{"source": "a", "target": "b"}\n\n{"source": "c", "target": "d"}', [2, 4]),
        ("a.xlf", XLIFF_1.replace("<file>", "\n<file>").replace('"needs-review-translation"', '"final"'), [3, 7]),
        ("a.po", '# c\n\nmsgid "a"\nmsgstr "b"\n\nmsgid "c"\nmsgstr ""\n\n#: x\nmsgid "d"\nmsgstr "e"\n', [3, 10]),
    ],
)
def test_pairs_have_the_lines_of_the_file(tmp_path: Path, name: str, text: str, lines: list[int]) -> None:
    path = tmp_path / name
    path.write_text(text)
    pairs = read_pairs(PairFiles(file=str(path)), "en", "fr", warn=lambda sentence: None)
    assert [pair.line for pair in pairs] == lines


def test_keys_and_columns_may_be_nested(tmp_path: Path) -> None:
    rows = [{"id": 1, "translation": {"en": "one", "fr": None}}, {"id": 2, "translation": {"en": "two", "fr": "deux"}}]
    (tmp_path / "pairs.jsonl").write_text("\n\n".join(map(json.dumps, rows)))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "pairs.parquet", row_group_size=1)
    for name in ("pairs.jsonl", "pairs.parquet"):
        pairs = read(tmp_path / name, source_field="translation.en", target_field="translation.fr")
        assert pairs == [(b"one", b""), (b"two", b"deux")]


@pytest.mark.parametrize("kind", ["large_string", "string_view", "binary", "dictionary"])
def test_parquet_text_of_every_kind(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "pairs.parquet"
    types = {"dictionary": pyarrow.dictionary(pyarrow.int32(), pyarrow.string())}
    text = pyarrow.array(["one", "é"]).cast(types[kind] if kind in types else getattr(pyarrow, kind)())
    pyarrow.parquet.write_table(pyarrow.table({"source": text, "target": text}), path)
    assert read(path) == [(b"one", b"one"), ("é".encode(), "é".encode())]


def test_what_is_not_utf8_is_passed_on(tmp_path: Path) -> None:
    """Every such pair is rejected with its number later."""
    (tmp_path / "p.tsv").write_bytes(b"\xff\0\tun\n")
    (tmp_path / "p.csv").write_bytes(b"source,target\n\xff,un\n")
    (tmp_path / "p.jsonl").write_bytes(b'{"source": "\xff\\u0000", "target": "\\ud800"}\n')
    not_text = pyarrow.array([b"\xff"]).view(pyarrow.string())
    pyarrow.parquet.write_table(pyarrow.table({"source": not_text, "target": not_text}), tmp_path / "p.parquet")
    with sqlite3.connect(tmp_path / "p.db") as database:
        database.execute("CREATE TABLE pairs AS SELECT CAST(x'ff' AS TEXT) AS source, 1 AS target")
    assert read(tmp_path / "p.tsv") == [(b"\xff\0", b"un")]
    assert read(tmp_path / "p.csv") == [(b"\xff", b"un")]
    assert read(tmp_path / "p.jsonl") == [(b"\xff\0", b"\xed\xa0\x80")]
    assert read(tmp_path / "p.parquet") == [(b"\xff", b"\xff")]
    assert read(tmp_path / "p.db", query="SELECT * FROM pairs") == [(b"\xff", b"1")]


@pytest.mark.slow
def test_files_are_read_where_they_are(tmp_path: Path, s3: Store) -> None:
    for name in ("pairs.tsv.gz", "pairs.tmx", "pairs.parquet", "pairs.sqlite"):
        form, _, ending = name.removeprefix("pairs.").partition(".")
        WRITERS[form](tmp_path / form, [("one", "un")])
        url = f"{s3.root}/{name}"
        write_bytes(located(url), compressed((tmp_path / form).read_bytes(), f".{ending}"))
        assert read(url, **QUERY.get(form, {})) == [(b"one", b"un")]


@pytest.mark.slow
def test_what_is_wrong_with_a_file_in_a_store_is_told_as_of_one_here(s3: Store) -> None:
    write_bytes(located(f"{s3.root}/cut.tsv.gz"), gzip.compress(b"one\tun\n" * 99)[:-9])
    write_bytes(located(f"{s3.root}/false.tsv.gz"), b"one\tun\n")
    write_bytes(located(f"{s3.root}/empty.tsv"), b"")
    for name, sentence in (
        ("none.tsv", "no such file; check the path"),
        ("cut.tsv.gz", r"is cut short or damaged \(it ends in the middle\); fetch or make it again"),
        ("false.tsv.gz", r"is cut short or damaged \(Not a gzipped file, as its name says\); fetch"),
        ("empty.tsv", "is empty; give a file"),
    ):
        with pytest.raises(UserError, match=rf"{s3.root}/{name}:? {sentence}"):
            read(f"{s3.root}/{name}")


def test_a_kind_of_url_that_there_is_not() -> None:
    with pytest.raises(UserError, match=r"nowhere://none/a\.tsv: there are no files by nowhere://; give a path"):
        read("nowhere://none/a.tsv")


def test_files_of_windows(tmp_path: Path) -> None:
    (tmp_path / "a.en").write_bytes(codecs.BOM_UTF8 + b"one\r\ntwo\r\n")
    (tmp_path / "a.fr").write_bytes(b"un\r\ndeux")
    pairs = pairs_of(two_files(tmp_path / "a.en", tmp_path / "a.fr"))
    assert [(source.strip(), target.strip()) for source, target in pairs] == [(b"one", b"un"), (b"two", b"deux")]
    (tmp_path / "a.tsv").write_bytes(codecs.BOM_UTF8 + b"one\tun\r\n")
    assert read(tmp_path / "a.tsv")[0][0] == b"one"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.TSV", "tsv"),
        ("a.csv.gz", "csv"),
        ("a.xlf", "xliff"),
        ("gs://b/a.jsonl.zst", "jsonl"),
        ("a.tmx.xz", "tmx"),
    ],
)
def test_the_ending_tells_the_format(name: str, form: str) -> None:
    assert format_of(PairFiles(file=name)) == form


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"file": "a.txt.gz"}, r"a\.txt\.gz: its name does not tell its format; give format, one of tsv, csv, jsonl, "),
        ({"file": "a.db"}, r"a\.db: give query, a SELECT of two columns"),
        ({"file": "a.txt", "format": "lines"}, "format lines has a file for each side; give source and target"),
        ({"source": "a", "target": "b", "format": "tmx"}, "format tmx has both sides in one file; give it as file"),
    ],
)
def test_settings_that_do_not_go_together(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        format_of(PairFiles(**given))
