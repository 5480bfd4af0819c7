"""The texts of batch translation, however they are compressed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.translation.documents import opened_document
from tests.pipelines.corpora.support import compressed
from workspace.errors import UserError


@pytest.mark.parametrize("ending", ["", ".gz", ".zst", ".xz", ".bz2"])
def test_lines_are_those_of_the_text(tmp_path: Path, ending: str) -> None:
    """Whatever its name, and of an empty text there are none."""
    path = tmp_path / "text.en"
    for text, lines in ((b"one\n\ntwo", ["one", "", "two"]), (b"", [])):
        path.write_bytes(compressed(text, ending))
        with opened_document(path, tmp_path / "out") as document:
            chunks = range(len(document.index.chunks))
            assert [line for chunk in chunks for line in document.lines(chunk)] == lines
    assert [entry.name for entry in tmp_path.iterdir()] == ["text.en"]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_line_that_is_not_utf_8_is_named_before_anything_is_translated(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"text.ja{ending}"
    path.write_bytes(compressed(b"one\n" * 700 + "二\n".encode("euc_jp"), ending))
    with (
        pytest.raises(UserError, match=rf"^{path}: line 701 is not UTF-8; convert the text, as iconv"),
        opened_document(path, tmp_path / "out"),
    ):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_damaged_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text.en.gz"
    for content in (b"one\n", compressed(b"one\n" * 99, ".gz")[:-9]):
        path.write_bytes(content)
        with (
            pytest.raises(UserError, match=rf"^{path} is cut short or damaged"),
            opened_document(path, tmp_path / "out"),
        ):
            pass
