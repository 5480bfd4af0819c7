"""Further references of a test set, found by the lines that its sentences came from."""

from __future__ import annotations

import random
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import tensorflow as tf

from model.data.references import further_references
from tests import marks
from workspace.errors import UserError
from workspace.layout import LINE, WorkDirectory, shard_name
from workspace.marks import Manifest, PairCounts

LINES = 9


@pytest.fixture
def prepared(tmp_path: Path) -> tuple[WorkDirectory[Path], Manifest, list[int]]:
    """A test set of which two of nine pairs were rejected, in another order than in its file, and its lines."""
    work = WorkDirectory(tmp_path / "work")
    work.data.mkdir(parents=True)
    numbers = random.Random(3).sample(range(1, LINES + 1), LINES - 2)
    name = shard_name("test", 0, 1)
    with tf.io.TFRecordWriter(str(work.data / name), "GZIP") as writer:
        for number in numbers:
            line = tf.train.Feature(int64_list=tf.train.Int64List(value=[number]))
            writer.write(tf.train.Example(features=tf.train.Features(feature={LINE: line})).SerializeToString())
    counts = {"test": PairCounts(read=LINES, kept={"test": LINES - 2}, rejected={"empty": 2})}
    return work, marks.manifest({}, {name: "0"}).model_copy(update={"corpora": counts}), numbers


def test_each_sentence_has_the_translation_in_its_line(
    prepared: tuple[WorkDirectory[Path], Manifest, list[int]], tmp_path: Path
) -> None:
    work, manifest, numbers = prepared
    paths = [tmp_path / name for name in ("first", "second")]
    paths[0].write_text("".join(f"line {number}\n" for number in range(1, LINES + 1)), encoding="utf-8")
    # As editors leave it: a byte order mark, other ends of lines, white space, none at the end, U+2028 within.
    second = "\r\n".join(f" ligne\u2028no \u00a0{number} " for number in range(1, LINES + 1))
    paths[1].write_bytes(f"\ufeff{second}".encode())
    found = further_references(work, manifest, [str(path) for path in paths])
    assert found == [[f"line {number}" for number in numbers], [f"ligne no {number}" for number in numbers]]
    assert further_references(work, manifest, []) == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("x\n" * (LINES - 1), "{} has 8 lines, but the test set 9; line n must be the translation of line n of the*"),
        ("x\n" * (LINES + 1), "{} has 10 lines, but the test set 9; line n must be*"),
        ("", "{} has 0 lines, but the test set 9; line n must be*"),
        ("x\n" + " \n" * (LINES - 1), "{}: line [2-9] is empty; line n must be the translation*"),
        (None, "{} cannot be read: No such file or directory; mend evaluation.references (TEST_TGT=)"),
        (b"\x1f\x8b", "{} is compressed; give what is in it, as gzip -dc writes it"),
        (b"caf\xe9\n" * LINES, "{}: line 1 is not UTF-8; *"),
    ],
)
def test_what_is_no_translation_of_it_line_by_line_is_a_sentence(
    content: str | bytes | None,
    sentence: str,
    prepared: tuple[WorkDirectory[Path], Manifest, list[int]],
    tmp_path: Path,
) -> None:
    work, manifest, _ = prepared
    path = tmp_path / "reference"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as error:
        further_references(work, manifest, [str(path)])
    assert fnmatchcase(str(error.value), sentence.format(path))
