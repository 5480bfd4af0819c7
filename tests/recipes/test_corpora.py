"""By what corpora are known: their bytes, which a run reads once for that, however often it asks."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path

import pytest

from recipes.corpora import Corpus, corpora, fingerprint, read_as
from recipes.loading import load_recipe
from recipes.stages import PREPARE
from tests import marks
from workspace.layout import WorkDirectory
from workspace.marks import write_mark

# Of a file that was written to longer ago, the times tell that it was not written to again.
SECONDS = 2.5
MEGABYTES = 8


def sum_of(corpus: Corpus) -> str:
    """SHA-256 of the source side, as a run asks for it."""
    digest: str = read_as(corpus)["files"][0]["sha256"]
    return digest


def corpus_of(directory: Path) -> Corpus:
    """One of a few megabytes."""
    paths = {side: directory / f"mine.{side}" for side in ("source", "target")}
    for path in paths.values():
        path.write_bytes(b"a line of a corpus\n" * (MEGABYTES * 1_000_000 // 19))
    files = {side: str(path) for side, path in paths.items()}
    return corpora(load_recipe("tiny", {"corpus": {"train": files}}), WorkDirectory(directory / "work"))[0]


def bytes_read() -> int:
    """By this process so far, from wherever."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


@pytest.mark.skipif(sys.platform != "linux", reason="reads in /proc how much a process has read")
def test_a_run_reads_a_corpus_once_to_know_it(tmp_path: Path) -> None:
    """Which asks whether the preparation is stale, what it is made from, and what its index is made from."""
    corpus = corpus_of(tmp_path)
    recipe = load_recipe("tiny", {"corpus": {"train": corpus.files.model_dump(include={"source", "target"})}})
    work = WorkDirectory(tmp_path / "work")
    write_mark(work.manifest, marks.manifest({1: 1}, {"s": "1"}, {"corpora": "others"}))
    time.sleep(SECONDS)
    before = bytes_read()
    assert PREPARE.stale_because(recipe, work)
    made_from = PREPARE.made_from(recipe, work)
    every = corpora(recipe, work)
    assert [{"name": each.name, **fingerprint(each)} for each in every] == made_from["corpora"]
    assert read_as(every[0])["files"] == [
        {"name": Path(path).name, "sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest()}
        for path in every[0].paths
    ]
    # Two files, once by the run and once by this test.
    assert 4 <= (bytes_read() - before) / (MEGABYTES * 1_000_000) < 5


def test_a_corpus_that_has_changed_is_known_to_have(tmp_path: Path) -> None:
    """Though it has the size and the time of modification that it had."""
    corpus = corpus_of(tmp_path)
    source = Path(corpus.paths[0])
    time.sleep(SECONDS)
    before, status = sum_of(corpus), source.stat()
    with source.open("r+b") as file:
        file.write(b"A")
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (source.stat().st_size, source.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert sum_of(corpus) == hashlib.sha256(source.read_bytes()).hexdigest() != before


def test_a_corpus_in_the_place_of_another_is_known_to_be_another(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path)
    source, other = Path(corpus.paths[0]), tmp_path / "other"
    other.write_bytes(source.read_bytes().swapcase())
    status = source.stat()
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    time.sleep(SECONDS)
    before = sum_of(corpus)
    other.replace(source)
    assert sum_of(corpus) == hashlib.sha256(source.read_bytes()).hexdigest() != before


def test_a_corpus_written_again_at_once_is_known_to_be_another(tmp_path: Path) -> None:
    """Sooner than the clock of many a file system ticks."""
    corpus = corpus_of(tmp_path)
    source = Path(corpus.paths[0])
    found = []
    for number in range(50):
        source.write_bytes(b"%d\n" % (100 + number))
        found.append(sum_of(corpus))
    assert found == [hashlib.sha256(b"%d\n" % (100 + number)).hexdigest() for number in range(50)]
