"""Files of any size are read in the memory of their longest pairs."""

from __future__ import annotations

from pathlib import Path

import pytest
import zstandard

from tests.pipelines.corpora.support import (
    WRITERS,
    run_reader,
    tmx,
)


@pytest.mark.slow
def test_deep_json(tmp_path: Path) -> None:
    """Apart from Hypothesis, which is called at every garbage collection, and needs more stack than is left there."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"[" * 100_000)
    last = run_reader(path).stderr.strip().splitlines()[-1]
    assert f"UserError: {path} line 1 cannot be read as JSON (maximum recursion" in last


LONG = 100_000_000


@pytest.mark.parametrize("name", ["a.tsv.zst", "a.jsonl.zst", "a.csv.zst", "a.tmx.zst"])
@pytest.mark.slow
def test_a_line_of_100_megabytes(tmp_path: Path, name: str) -> None:
    """Zstandard makes nothing of it, so that no disk is kept busy."""
    before, after = tmx("", "|").split(b"|")
    around = {
        "a.tsv.zst": (b"", b"\tun\none\tun\n"),
        "a.jsonl.zst": (b'{"source": "', b'", "target": "un"}\n{"source": "one", "target": "un"}\n'),
        "a.csv.zst": (b"source,target\n", b",un\none,un\n"),
        "a.tmx.zst": (before, after),
    }
    path = tmp_path / name
    path.write_bytes(zstandard.compress((b"x" * LONG).join(around[name])))
    pairs, size, grown = map(int, run_reader(path).stdout.split())
    assert (pairs, size) in [(2, LONG + 7), (1, LONG + 1)]
    # Python's csv has four bytes for every character.
    assert grown < (8.5 if "csv" in name else 4.5) * LONG / 1024


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Save for gettext PO, which its library loads whole; SQLite gives a row at a time by itself."""
    # Arrow, the last, needs 20 MB for itself.
    counts = {"tsv": 10_000, "csv": 10_000, "jsonl": 10_000, "tmx": 10_000, "xliff": 10_000, "parquet": 60_000}
    paths = [tmp_path / f"pairs.{form}" for form in counts]
    for path, count in zip(paths, counts.values(), strict=True):
        WRITERS[path.suffix[1:]](
            path, [(f"number {number} ".ljust(1000, "."), f"nombre {number}") for number in range(count)]
        )
    said = run_reader(*paths).stdout.splitlines()
    for line, count in zip(said, counts.values(), strict=True):
        pairs, size, grown = map(int, line.split())
        assert pairs == count
        assert grown * 1024 < size
