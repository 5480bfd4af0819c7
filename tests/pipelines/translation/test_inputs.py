"""Which files are translated, and where to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines.translation.inputs import Files, find_files
from workspace.errors import UserError


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    for name in ("a.txt", "b/c.jsonl.gz", "b/d.parquet", "b/.hidden", "_SUCCESS", "e.csv", "f.tsv.zst", "g"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "in"


def names(files: Files) -> dict[str, str]:
    return {each.name: each.format for each in files.inputs}


def test_a_directory_and_a_pattern_have_their_files_with_their_names(texts: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    files = find_files(str(texts), output, False, None)
    formats = {"b/c.jsonl.gz": "jsonl", "b/d.parquet": "parquet", "e.csv": "csv", "f.tsv.zst": "tsv", "g": "text"}
    assert names(files) == {"a.txt": "text", **formats}
    assert [each.output for each in files.inputs] == [output / name for name in names(files)]
    assert (files.manifest, files.run) == (output / "manifest.json", tmp_path / ".out.run")
    assert files.inputs[1].failed == output / "failed" / "b" / "c.jsonl.gz.jsonl"
    assert names(find_files(f"{texts}/*", output, False, "text")) == dict.fromkeys(
        ["a.txt", "e.csv", "f.tsv.zst", "g"], "text"
    )
    assert names(find_files(f"{texts}/**", output, False, None)) == names(files)
    found = find_files(f"{tmp_path}/i?/**/*.[jp]*", output, False, None)
    assert names(found) == {"in/b/c.jsonl.gz": "jsonl", "in/b/d.parquet": "parquet"}


def test_one_file_goes_to_a_file_or_into_a_directory(texts: Path, tmp_path: Path) -> None:
    text = str(texts / "a.txt")
    for output, into, expected in (("out", False, "out"), ("new", True, "new/a.txt"), ("in", False, None)):
        if expected:
            files = find_files(text, tmp_path / output, into, None)
            made = [tmp_path / f"{expected}{ending}" for ending in ("", ".failed.jsonl", ".manifest.json")]
            assert files.made() == made
            assert files.run == made[0].with_name(f".{made[0].name}.run")
        else:
            with pytest.raises(UserError, match=f"{text} is a text that is to be translated; give another --output"):
                find_files(text, tmp_path / output, into, None)


@pytest.mark.parametrize(
    ("given", "output", "sentence"),
    [
        ("none", "out", "none: no such file to translate"),
        ("none/*.txt", "out", "none/*.txt names no file to translate"),
        ("in", "in/a.txt", "is in the directory that is to be translated"),
        ("in", "in", "is in the directory that is to be translated"),
        ("in", "file", "file is no directory, as the translations of several files need"),
        ("in/a.txt", "file/out", "file is no directory; give another --output (OUT= of make)"),
        ("in", "\udcff", r"\udcff: the name is not UTF-8; rename it"),
        ("\udcff", "out", r"\udcff: the name is not UTF-8; rename it"),
        ("pairs.tmx", "out", "what is translated is text, jsonl, csv, tsv, parquet, not tmx"),
    ],
)
def test_what_cannot_be_is_told(texts: Path, tmp_path: Path, given: str, output: str, sentence: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "pairs.tmx").touch()
    with pytest.raises(UserError, match=re.escape(sentence)):
        find_files(str(tmp_path / given), tmp_path / output, False, None)
