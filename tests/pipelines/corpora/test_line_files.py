"""Indexing and reading of line-aligned files: no byte is lost, wherever the chunks fall."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipelines.corpora import line_files
from pipelines.corpora.line_files import FilePair, PairBlock, index_file, index_pair, read_chunk, read_lines
from tests.pipelines.corpora.support import is_utf8_lines
from workspace.errors import UserError

# Text in which the characters that matter are frequent.
TEXTS = st.lists(
    st.sampled_from([b"a", b"\n", b"\r", b"\xef\xbb\xbf", b"\xff", "é".encode(), "\u2028".encode(), b"\x0b", b"\x00"])
    | st.binary(max_size=3),
    max_size=40,
).map(b"".join)


def lines_of(text: bytes) -> list[bytes]:
    """What the lines of a file are, said in the plainest way."""
    lines = text.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return lines if lines[-1] else lines[:-1]


def blocks_of(files: FilePair[Path], chunk_pairs: int) -> list[PairBlock]:
    return [read_chunk(chunk) for chunk in index_pair(files, chunk_pairs).chunks(3)]


@given(
    rows=st.lists(st.tuples(st.binary(max_size=4), st.binary(max_size=4)), max_size=30),
    end=st.booleans(),
    chunk_pairs=st.integers(1, 12),
)
def test_blocks_are_the_lines_of_both_files(rows: list[tuple[bytes, bytes]], end: bool, chunk_pairs: int) -> None:
    """Also of files without a last line feed, and with any bytes on a line."""
    rows = [(source.replace(b"\n", b""), target.replace(b"\n", b"")) for source, target in rows]
    if rows and not end:
        # What follows the last line feed, or is a byte order mark, is a line only if there is something more.
        source, target = (side.removeprefix(b"\xef\xbb\xbf") or b"x" for side in rows[-1])
        rows[-1] = source, target
    with tempfile.TemporaryDirectory() as directory:
        paths = []
        for side, suffix in enumerate(("en", "fr")):
            text = b"\n".join(row[side] for row in rows) + (b"\n" if rows and end else b"")
            assume(is_utf8_lines(text))
            paths.append(Path(directory) / f"text.{suffix}")
            paths[-1].write_bytes(text)
        blocks = blocks_of(FilePair(source=paths[0], target=paths[1]), chunk_pairs)
    without_mark = [tuple(side.removeprefix(b"\xef\xbb\xbf") for side in row) for row in rows[:1]] + rows[1:]
    assert [pair for block in blocks for pair in zip(*block.lines(), strict=True)] == without_mark
    assert [block.first_line for block in blocks] == list(range(1, len(rows) + 1, chunk_pairs))
    assert [block.pairs for block in blocks[:-1]] == [chunk_pairs] * (len(blocks) - 1)


@given(text=TEXTS.filter(is_utf8_lines), chunk_lines=st.integers(1, 12))
def test_a_file_is_its_chunks(text: bytes, chunk_lines: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "text"
        path.write_bytes(text)
        index = index_file(path, chunk_lines)
        lines = [line for chunk in range(len(index.chunks)) for line in read_lines(index, chunk)]
    assert lines == lines_of(text)
    assert index.lines == len(lines)


def test_chunks_do_not_depend_on_the_size_of_a_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"".join(b"x" * (number % 7) + b"\n" for number in range(100)))
    whole = index_file(path, 8)
    monkeypatch.setattr(line_files, "_BYTES_AT_A_TIME", 5)
    assert index_file(path, 8) == whole


def test_unequal_sides_name_both_files_and_counts(tmp_path: Path) -> None:
    (tmp_path / "a.en").write_bytes(b"one\ntwo\nthree")
    (tmp_path / "a.fr").write_bytes(b"un\ndeux\n")
    with pytest.raises(UserError, match=r"a\.en has 3 lines but .*a\.fr has 2;"):
        index_pair(FilePair(source=tmp_path / "a.en", target=tmp_path / "a.fr"))


@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be"])
def test_a_file_in_utf16_is_named(tmp_path: Path, charset: str) -> None:
    path = tmp_path / "a.en"
    path.write_bytes("\ufeffone\n".encode(charset))
    with pytest.raises(UserError, match=r"a\.en is in UTF-16; convert it with iconv"):
        index_file(path, 10)


def test_a_file_that_changed_after_indexing_is_noticed(tmp_path: Path) -> None:
    paths = [tmp_path / "a.en", tmp_path / "a.fr"]
    for path in paths:
        path.write_bytes(b"one\ntwo\n")
    (chunk,) = index_pair(FilePair(source=paths[0], target=paths[1])).chunks(0)
    paths[1].write_bytes(b"one two\n")
    with pytest.raises(UserError, match="changed while it was read"):
        read_chunk(chunk).lines()
