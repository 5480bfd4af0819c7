"""Whatever can be wrong with a file of pairs is said in a sentence."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shlex
import tarfile
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
import zstandard

from pipelines.corpora.formats import read_pairs
from tests.pipelines.corpora.support import (
    QUERY,
    WRITERS,
    XLIFF_1,
    compressed,
    read,
    run_reader,
    tmx,
    two_files,
    write_parquet,
    write_sqlite,
)
from tests.requirements import without_privileges
from workspace.errors import UserError


def nested(depth: int) -> str:
    """Entities, each of ten of the one before: billion laughs."""
    return "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "lol"}">' for n in range(depth))


def tar_gz() -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as file:
        member = tarfile.TarInfo("a.tsv")
        member.size = 7
        file.addfile(member, io.BytesIO(b"one\tun\n"))
    return archive.getvalue()


PARAMETERS = "<!ENTITY % p0 \"<!ENTITY e 'lol'>\">" + "".join(
    f'<!ENTITY % p{n} "{f"&#37;p{n - 1};" * 10}">' for n in range(1, 9)
)
# Of b"one\tun\n" * 20, by brotli 1.2.1.
BROTLI = bytes.fromhex("1b8b00f88d54b5bf4e707bab530a65115b24f06716")
BAD_FILES: dict[str, tuple[str, bytes, dict[str, Any], str]] = {
    "empty": ("a.tsv", b"", {}, "is empty"),
    "empty in a .gz": ("a.jsonl.gz", gzip.compress(b""), {}, "is empty"),
    "empty TMX": ("a.tmx", b"", {}, "is empty"),
    "header only": ("a.csv", b"source,target\n", {}, "has no sentence pairs; give"),
    "nothing translated": (
        "a.xlf",
        XLIFF_1.replace("translated", "new").encode(),
        {},
        "has no sentence pairs, and 4 units that have no translation; give",
    ),
    "not a .gz": ("a.tsv.gz", b"one\tun\n", {}, r"is cut short or damaged \(Not a gzipped file"),
    "not a .zst": ("a.tsv.zst", b"one\tun\n", {}, "is cut short or damaged"),
    "not a .xz": ("a.tsv.xz", b"one\tun\n", {}, "is cut short or damaged"),
    "text in a .bz2": ("a.tsv.bz2", b"one\tun\n", {}, r"is cut short or damaged \(Not a bzip2 file, as its name says"),
    "zip archive": ("a.tsv", b"PK\x03\x04" + b"one\tun\n", {}, "is a zip archive; unpack it, and give what was in it"),
    "tar archive": ("a.tsv.gz", tar_gz(), {}, "is a tar archive; unpack it, and give what was in it"),
    "damaged second .gz": (
        "a.tsv.gz",
        gzip.compress(b"one\tun\n") + gzip.compress(b"two\tdeux\n")[:-1] + b"!",
        {},
        "is cut short or damaged",
    ),
    "damaged second .xz": (
        "a.tsv.xz",
        lzma.compress(b"one\tun\n") + lzma.compress(b"two\tdeux\n")[:-1] + b"!",
        {},
        "is cut short or damaged",
    ),
    "damaged .gz": ("a.tsv.gz", gzip.compress(b"one\tun\n")[:-8] + b"12345678", {}, "is cut short or damaged"),
    "gzipped twice": (
        "a.tsv.gz",
        gzip.compress(gzip.compress(b"one\tun\n")),
        {},
        "is compressed twice, and gzipped within; unpack it once, and give what was in it",
    ),
    "xz in a .zst": ("a.tsv.zst", zstandard.compress(lzma.compress(b"one\tun\n")), {}, "twice, and xz within; unpack"),
    "zip archive in a .gz": ("a.tsv.gz", gzip.compress(b"PK\x03\x04one\tun\n"), {}, "is a zip archive; unpack it"),
    **{
        f"zlib, level {level}": (
            "a.tsv",
            zlib.compress(b"one\tun\n" * 9, level),
            {},
            "is compressed with zlib; unpack it",
        )
        for level in (1, 3, 6, 9)
    },
    "zlib in a .bz2": (
        "a.tsv.bz2",
        bz2.compress(zlib.compress(b"one\tun\n")),
        {},
        "is compressed with zlib; unpack it",
    ),
    "brotli": ("a.tsv.br", BROTLI, {"format": "tsv"}, "is compressed with brotli; unpack it, and give what was in it"),
    "lzip": ("a.tsv", b"LZIP\x01one\tun\n", {}, "is compressed with lzip; unpack it"),
    "UTF-16": ("a.tsv", "one\tun\n".encode("utf-16"), {}, r"is in UTF-16; convert it with iconv -f UTF-16 -t UTF-8"),
    "UTF-16 without a mark": (
        "a.tsv",
        "one\tun\n".encode("utf-16-be"),
        {},
        "is in UTF-16; convert it with iconv -f UTF-16BE",
    ),
    "UTF-32": ("a.tsv", "one\tun\n".encode("utf-32"), {}, "is in UTF-32; convert it with iconv -f UTF-32"),
    "no such name": (
        "a.tsv",
        b"en\tde\n",
        {"source_field": "en", "target_field": "fr"},
        "has no column fr: its first line has 2 separated by tabs: en, de; set source_field, target_field and format",
    ),
    "too few columns": ("a.tsv", b"one un\n", {}, "has no column 2: its first line has 1 separated by tabs; set"),
    "CSV by semicolons": (
        "a.csv",
        b"source;target\n",
        {},
        "no column source: .* 1 separated by commas: source;target;",
    ),
    "NUL in CSV": ("a.csv", b"source,target\na\0,b\n", {}, r"line 2 has a NUL byte, which CSV cannot have; take it"),
    "quote in CSV": ("a.csv", b'source,target\n"a"b,c\n', {}, r"line 2 is not CSV \(',' expected after '\"'\); mend"),
    "open quote in CSV": ("a.csv", b'source,target\n"a,b\nc,d\n', {}, r"line 3 is not CSV \(unexpected end of data\)"),
    "not JSON": (
        "a.jsonl",
        b'{"source": "a", "target": "b"}\n{"source": "a" "target": "b"}\n',
        {},
        r"line 2, column 16, is not JSON \(Expecting ',' delimiter\); mend it",
    ),
    "missing key": ("a.jsonl", b'{"en": "a"}\n', {}, r"line 1 has no key 'source': it has en; set source_field"),
    "JSON without keys": ("a.jsonl", b'["a", "b"]\n', {}, "line 1 has no key 'source': it is not an object; set"),
    "JSON number": ("a.jsonl", b'{"source": 1, "target": "b"}\n', {}, "line 1: 'source' is not text; set"),
    "a key that no line has": (
        "a.jsonl",
        b'{"source": "a"}\n{"source": "b", "fr": "c"}\n',
        {},
        "line 1 has no key 'target': it has source; set source_field",
    ),
    "not Parquet": ("a.parquet", b"one\tun\n" * 9, {}, "cannot be read as Parquet"),
    "not SQLite": (
        "a.db",
        b"one\tun\n" * 99,
        {"query": "SELECT a, b FROM pairs"},
        "file is not a database; check query",
    ),
    "not TMX": ("a.tmx", XLIFF_1.encode(), {}, "is not TMX: its first element is xliff; set format"),
    "not XML": ("a.tmx", b"one\tun\n", {}, "line 1, column 1, is not well-formed XML .*; mend it or fetch it again"),
    "TMX cut short": ("a.tmx", tmx("", "one")[:-20], {}, r"line 1, column \d+, is not well-formed XML \("),
    "XLIFF cut short": ("a.xliff", XLIFF_1.encode()[:-20], {}, r"line 7, column \d+, is not well-formed XML \("),
    "XML not UTF-8": ("a.tmx", tmx("", "?").replace(b"?<", b"\xff<"), {}, "line 1, .* is not well-formed XML"),
    "billion laughs": ("a.tmx", tmx(f"<!DOCTYPE tmx [{nested(12)}]>", "&e11;"), {}, "which may be an attack"),
    "quadratic blowup": (
        "a.tmx",
        tmx(f'<!DOCTYPE tmx [<!ENTITY e "{"x" * 50_000}">]>', "&e;" * 50_000),
        {},
        "which may be an attack",
    ),
    "laughing parameters": ("a.tmx", tmx(f"<!DOCTYPE tmx [{PARAMETERS}%p8;]>", "a"), {}, "not well-formed XML"),
    "long defaults": (
        "a.xlf",
        f'<!DOCTYPE xliff [<!ATTLIST x y CDATA "{"y" * 50_000}">]><xliff>{"<x/>" * 50_000}</xliff>'.encode(),
        {},
        "which may be an attack",
    ),
    "external entity": (
        "a.tmx",
        tmx('<!DOCTYPE tmx [<!ENTITY e SYSTEM "file:///etc/passwd">]>', "&e;"),
        {},
        "which may be an attack",
    ),
    "parameter entity": (
        "a.tmx",
        tmx("<!DOCTYPE tmx [<!ENTITY % p '<!ENTITY e \"lol\">'> %p;]>", "&e;"),
        {},
        "which may be an attack",
    ),
    "entity of markup": (
        "a.tmx",
        tmx('<!DOCTYPE tmx [<!ENTITY e "<hi>a</hi>">]>', "&e;"),
        {},
        "which may be an attack",
    ),
    "entity without a DTD": ("a.tmx", tmx("", "caf&eacute;"), {}, "line 1, column .*Entity 'eacute' not defined"),
    "XLIFF of other languages": (
        "a.xlf",
        XLIFF_1.replace("<file>", '<file source-language="de" target-language="fr">').encode(),
        {},
        "has no unit in both en and fr, but in de and fr; set source_field and target_field to two of them",
    ),
    "PO of another language": (
        "a.po",
        b'msgid ""\nmsgstr "Language: de\\n"\n\nmsgid "a"\nmsgstr "b"\n',
        {},
        "has no unit in both en and fr, but in de; set",
    ),
    "bad PO": (
        "a.po",
        b'msgid "a"\nmsgstr "b"\nmsgtsr "c"\n',
        {},
        r"is not gettext PO \(Syntax error .*line 3.*; mend",
    ),
    "PO cut short": ("a.po", b'msgid "a"\nmsgstr "b', {}, "is cut short in its last line; fetch"),
    "PO with a lost closing quote": (
        "a.po",
        b'msgid "a\nmsgstr "b"\n\nmsgid "c"\nmsgstr "d"\n',
        {},
        r'line 1 is not a string in quotes, with \\" for those in it; mend it',
    ),
    "PO with an escaped closing quote": (
        "a.po",
        rb'msgid "a"' b"\n" rb'msgstr "b\"' b'\n\nmsgid "c"\n"\n',
        {},
        "line 2 is not",
    ),
    "PO with a lost opening quote": ("a.po", b'msgid "a"\nmsgstr[0] b"\nmsgid "c"\nmsgstr "d"\n', {}, "line 2 is not"),
    "PO with a quote within": ("a.po", b'msgid "a"\nmsgstr ""\n"b\\\\"c"\n', {}, "line 3 is not a string in quotes"),
    "PO of another character set": (
        "a.po",
        b'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "a"\nmsgstr "\xff"\n',
        {},
        "line 5 is not in the character set its header names",
    ),
}


@pytest.mark.parametrize(("name", "content", "more", "sentence"), BAD_FILES.values(), ids=BAD_FILES)
def test_what_cannot_be_read_is_said_in_a_sentence(
    tmp_path: Path, name: str, content: bytes, more: dict[str, Any], sentence: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    began = time.process_time()
    with pytest.raises(UserError, match=sentence) as error:
        read(path, **more)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert time.process_time() - began < 2


def test_a_command_that_is_suggested_does_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "it's mine.x.tsv"
    path.write_bytes("one\tun\n".encode("utf-16"))
    with pytest.raises(UserError, match="is in UTF-16; convert it with iconv") as error:
        read(path)
    command = str(error.value).partition("convert it with ")[2]
    assert shlex.split(command)[-1] == str(tmp_path / "it's mine_utf8.x.tsv")
    assert command.startswith(f"iconv -f UTF-16 -t UTF-8 < {shlex.quote(str(path))} > ")


@pytest.mark.parametrize("ending", [".gz", ".zst", ".xz", ".bz2"])
@pytest.mark.parametrize("form", WRITERS)
def test_a_compressed_file_that_is_cut_short_is_noticed(tmp_path: Path, form: str, ending: str) -> None:
    WRITERS[form](tmp_path / "plain", [(os.urandom(50).hex(), os.urandom(50).hex()) for _ in range(200)])
    whole = compressed((tmp_path / "plain").read_bytes(), ending)
    path = tmp_path / f"pairs.{form}{ending}"
    for length in (len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"is cut short or damaged \(.*\); fetch or make it again"):
            read(path, **QUERY.get(form, {}))


def test_parquet_that_is_cut_short_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "pairs.parquet"
    write_parquet(path, [("one", "un")] * 100)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="cannot be read as Parquet"):
        read(path)


@pytest.mark.parametrize("field", ["text", "id", "translation.text", "id.text"])
def test_parquet_without_the_column_of_text(tmp_path: Path, field: str) -> None:
    path = tmp_path / "pairs.parquet"
    write_parquet(path, [("one", "un")])
    with pytest.raises(UserError, match=r"column '.*'(, but target, id, source| is int64, not text); set source_field"):
        read(path, source_field=field)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("SELECT source FROM pairs", "query gives 1 columns; SELECT two of them"),
        ("SELECT source, targte FROM pairs", "no such column: targte; check query"),
        ("SELEKT", 'near "SELEKT": syntax error; check query'),
        ("DELETE FROM pairs", "attempt to write a readonly database; check query"),
        ("SELECT 1, 2; SELECT 3, 4", "one statement at a time.*; check query"),
    ],
)
def test_queries_that_give_no_pairs(tmp_path: Path, query: str, sentence: str) -> None:
    write_sqlite(tmp_path / "a?b%20.db", [("one", "un")])
    with pytest.raises(UserError, match=sentence):
        read(tmp_path / "a?b%20.db", query=query)


def test_sides_of_unequal_length_are_counted(tmp_path: Path) -> None:
    paths = tmp_path / "a.en.gz", tmp_path / "a.fr.zst"
    paths[0].write_bytes(gzip.compress(b"one\ntwo\nthree"))
    paths[1].write_bytes(zstandard.compress(b"un\n"))
    with pytest.raises(UserError, match=r"a\.en\.gz has 3 lines but .*a\.fr\.zst has 1; line n of one must be"):
        list(read_pairs(two_files(*paths), "en", "fr"))


@pytest.mark.parametrize("form", [*WRITERS, "tsv.gz"])
def test_no_file_or_a_directory(tmp_path: Path, form: str) -> None:
    more = QUERY.get(form, {})
    with pytest.raises(UserError, match=r"none\..*: no such file; check the path"):
        read(tmp_path / f"none.{form}", **more)
    (tmp_path / f"some.{form}").mkdir()
    with pytest.raises(UserError, match=r"some\..* is a directory; name a file"):
        read(tmp_path / f"some.{form}", **more)


@pytest.mark.slow
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"one\tun\n")
    path.chmod(0)
    result = run_reader(path, before=without_privileges())
    assert result.stderr.strip().splitlines()[-1].endswith(f"UserError: no permission to read {path}; change its mode")
