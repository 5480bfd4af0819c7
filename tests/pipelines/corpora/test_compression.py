"""Compressed corpora: by what is in the files, whatever their names."""

from __future__ import annotations

from pathlib import Path

import pytest
import zstandard

from pipelines.corpora.formats import is_plain_lines, read_pairs
from recipes.data_schema import PairFiles
from tests.pipelines.corpora.support import (
    ENDINGS,
    compressed,
    pairs_of,
    read,
    two_files,
)


def test_compressed_files_may_be_put_together(tmp_path: Path) -> None:
    """As ``cat a.gz b.gz`` does."""
    for ending in ENDINGS:
        path = tmp_path / f"pairs.tsv{ending}"
        path.write_bytes(compressed(b"one\tun\n", ending) + compressed(b"two\tdeux\n", ending))
        assert read(path) == [(b"one", b"un"), (b"two", b"deux")]


def test_how_a_file_is_compressed_is_seen_and_not_read_off_its_name(tmp_path: Path) -> None:
    for ending in ENDINGS:
        for name in ("pairs.tsv", *(f"pairs.tsv{other}" for other in ENDINGS)):
            (tmp_path / name).write_bytes(compressed(b"one\tun\n", ending))
            assert read(tmp_path / name) == [(b"one", b"un")], (ending, name)
    files = two_files(tmp_path / "a.en", tmp_path / "a.fr")
    (tmp_path / "a.en").write_bytes(b"one\n")
    (tmp_path / "a.fr").write_bytes(b"un\n")
    assert is_plain_lines(files)
    (tmp_path / "a.fr").write_bytes(compressed(b"un\n", ".zst"))
    assert not is_plain_lines(files)
    assert pairs_of(files) == [(b"one", b"un")]


@pytest.mark.parametrize("ending", ENDINGS)
def test_bytes_after_the_end_are_left_out_with_a_warning(tmp_path: Path, ending: str) -> None:
    """Zeros are padding, and pass in silence."""
    path = tmp_path / f"pairs.tsv{ending}"
    said: list[str] = []
    for after in (b"", b"\0" * 700, b"\0\0signature"):
        path.write_bytes(compressed(b"one\tun\n", ending) + after)
        assert list(read_pairs(PairFiles(file=str(path)), "en", "fr", said.append)) == [(b"one", b"un", 1)]
    (sentence,) = said
    assert sentence.startswith(f"{path} has 9 bytes after its end that are not ")


def test_zstandard_with_a_long_window_and_frames_without_text(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv.zst"
    long = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=29))
    packing = long.compressobj()
    skipped = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"
    path.write_bytes(skipped + packing.compress(b"one\tun\n") + packing.flush())
    assert read(path) == [(b"one", b"un")]


def test_text_that_begins_as_compressed_files_do_is_read(tmp_path: Path) -> None:
    """Breton's files end as those of brotli."""
    for name, text in (("a.tsv", "x^2\tx au carré\n"), ("corpus.br", "Glav a rae\til a plu\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert read(tmp_path / name, format="tsv") == [tuple(text.strip().encode().split(b"\t"))]
