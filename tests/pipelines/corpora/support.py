"""Sentence pairs written by other programs, in every format; and how a corpus of one file is read."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import zstandard
from lxml import etree

from pipelines.corpora.formats import read_pairs
from recipes.data_schema import PairFiles
from workspace.charsets import charset_of, has_carriage_returns_only

Rows = Sequence[tuple[str, str]]

ENDINGS = (".gz", ".zst", ".xz", ".bz2")


def read(path: Path | str, **more: Any) -> list[tuple[bytes, bytes]]:
    return pairs_of(PairFiles(file=str(path), **more))


def pairs_of(files: PairFiles) -> list[tuple[bytes, bytes]]:
    return [pair[:2] for pair in read_pairs(files, "en", "fr", warn=lambda sentence: None)]


def write_tsv(path: Path, rows: Rows) -> None:
    path.write_bytes("".join(f"{source}\t{target}\n" for source, target in rows).encode())


def write_csv(path: Path, rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "source", "target"), *((1, *row) for row in rows)])


def write_jsonl(path: Path, rows: Rows) -> None:
    lines = (json.dumps({"target": target, "source": source}, ensure_ascii=False) for source, target in rows)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


def write_parquet(path: Path, rows: Rows) -> None:
    source, target = zip(*rows, strict=True)
    pyarrow.parquet.write_table(pyarrow.table({"target": target, "id": range(len(rows)), "source": source}), path)


def write_sqlite(path: Path, rows: Rows) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE pairs (source TEXT, target TEXT)")
        database.executemany("INSERT INTO pairs VALUES (?, ?)", rows)
    database.close()


def write_tmx(path: Path, rows: Rows) -> None:
    root = etree.Element("tmx", version="1.4")
    body = etree.SubElement(root, "body")
    for row in rows:
        unit = etree.SubElement(body, "tu")
        for language, text in zip(("fr-CA", "EN"), reversed(row), strict=True):
            variant = etree.SubElement(unit, "tuv", {"{http://www.w3.org/XML/1998/namespace}lang": language})
            etree.SubElement(variant, "seg").text = text
    etree.ElementTree(root).write(
        str(path), xml_declaration=True, encoding="UTF-16", doctype='<!DOCTYPE tmx SYSTEM "x">'
    )


def write_xliff(path: Path, rows: Rows) -> None:
    namespace = "urn:oasis:names:tc:xliff:document:1.2"
    root = etree.Element(f"{{{namespace}}}xliff", version="1.2", nsmap={None: namespace})
    body = etree.SubElement(etree.SubElement(root, f"{{{namespace}}}file"), f"{{{namespace}}}body")
    for row in rows:
        unit = etree.SubElement(body, f"{{{namespace}}}trans-unit")
        for side, text in zip(("source", "target"), row, strict=True):
            etree.SubElement(unit, f"{{{namespace}}}{side}").text = text
    etree.ElementTree(root).write(str(path), xml_declaration=True, encoding="UTF-8", pretty_print=True)


def write_po(path: Path, rows: Rows) -> None:
    """As gettext's own tools do: a string a line, with C's escapes."""
    escapes = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\t": r"\t", "\r": r"\r"})
    lines = ['msgid ""', 'msgstr ""', r'"Content-Type: text/plain; charset=UTF-8\n"', ""]
    for number, (source, target) in enumerate(rows):
        lines += [f'msgctxt "{number}"', 'msgid ""']
        lines += [f'"{line.translate(escapes)}"' for line in source.split(" ")[:1]]
        lines += [f'" {line.translate(escapes)}"' for line in source.split(" ")[1:]]
        lines += [f'msgstr "{target.translate(escapes)}"', ""]
    path.write_bytes("\n".join(lines).encode())


WRITERS: dict[str, Callable[[Path, Rows], None]] = {
    "tsv": write_tsv,
    "csv": write_csv,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
    "sqlite": write_sqlite,
    "tmx": write_tmx,
    "xliff": write_xliff,
    "po": write_po,
}


QUERY = {"sqlite": {"query": "SELECT source, target FROM pairs ORDER BY rowid"}}


def two_files(source: Path, target: Path) -> PairFiles:
    return PairFiles(source=str(source), target=str(target))


def is_utf8_lines(text: bytes) -> bool:
    """Whether a file is taken for what it is: a few bytes at random may look like UTF-16, or lines of another kind."""
    return charset_of(text) is None and not has_carriage_returns_only(text)


def compressed(content: bytes, ending: str) -> bytes:
    by_ending: dict[str, Callable[[bytes], bytes]] = {
        ".gz": gzip.compress,
        ".zst": zstandard.compress,
        ".xz": lzma.compress,
        ".bz2": bz2.compress,
    }
    return by_ending.get(ending, bytes)(content)


XLIFF_1 = """<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2"><file><body>
<trans-unit id="1"><source>Press <g id="1">he<x id="2"/>re</g><ph id="3">&lt;br></ph>.</source>
<seg-source>no</seg-source><target state="translated"><mrk mtype="seg">Ici</mrk>.</target>
<alt-trans><source>no</source><target>non</target></alt-trans></trans-unit>
<trans-unit id="2"><source>no</source></trans-unit><trans-unit id="3"><source>no</source><target/></trans-unit>
<trans-unit id="4"><source>no</source><target state="needs-review-translation">non</target></trans-unit>
</body></file></xliff>"""


def tmx(prolog: str, text: str) -> bytes:
    return (
        f'<?xml version="1.0"?>{prolog}<tmx><body><tu><tuv xml:lang="en"><seg>{text}</seg></tuv>'
        '<tuv xml:lang="fr"><seg>x</seg></tuv></tu></body></tmx>'
    ).encode()


READER = """
import re, sys
from pathlib import Path
from pipelines.corpora.formats import read_pairs
from recipes.data_schema import PairFiles
# Not by getrusage, which counts the process that started this one.
most = lambda: int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text()).group(1))
before = most()
for path in sys.argv[1:]:
    sizes = [len(source) + len(target) for source, target, _ in read_pairs(PairFiles(file=path), "en", "fr")]
    print(len(sizes), sum(sizes), most() - before)
"""


def run_reader(*paths: Path, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Reads files in a process of its own; prints the pairs and bytes of each, and by how many KB its memory grew."""
    command = [*before, sys.executable, "-c", READER, *map(str, paths)]
    # Arrow's other allocators keep memory that is free again.
    environment = {**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
