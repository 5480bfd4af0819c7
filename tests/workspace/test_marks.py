"""Marks come back as they were written; those that say something else are of another version, and say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import marks
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.marks import (
    AnotherVersionError,
    Manifest,
    Mark,
    find_mark,
    read_manifest,
    read_scores,
    read_training_mark,
    write_mark,
)
from workspace.storage import read_json, read_text, write_json, write_text

MADE_FROM = {"corpora": {"text": {"files": [{"name": "a", "sha256": "0"}]}}, "shards": None}
MARKS: list[Mark] = [
    marks.manifest({3: 2, 17: 1}, {"train-00001": "b", "train-00000": "a", "dev-00000": "c"}, MADE_FROM),
    marks.training_mark("w", MADE_FROM),
    marks.scores(MADE_FROM),
    marks.provenance(MADE_FROM),
]


@pytest.mark.parametrize("mark", MARKS, ids=lambda mark: type(mark).__name__)
def test_round_trip(tmp_path: Path, mark: Mark) -> None:
    work = WorkDirectory(tmp_path)
    work.version(1).mkdir(parents=True)
    assert find_mark(work, type(mark)) is None
    write_mark(mark.path(work), mark)
    assert find_mark(work, type(mark)) == mark
    write_text(mark.path(work), read_text(mark.path(work))[:-9])  # as a full disk may leave it
    assert find_mark(work, type(mark)) is None


@pytest.mark.parametrize("change", [{"weights": None}, {"more": 1}, {"steps": "many"}])
def test_another_version_is_named_with_what_makes_it_anew(tmp_path: Path, change: dict[str, object]) -> None:
    work = WorkDirectory(tmp_path)
    write_mark(work.training_mark, marks.training_mark("w", MADE_FROM))
    write_json(work.training_mark, {**read_json(work.training_mark), **change})
    with pytest.raises(AnotherVersionError) as error:
        read_training_mark(work)
    assert str(error.value) == (
        f"{work.training_mark} comes from another version of the project; make train WORK={tmp_path} makes it anew"
    )


def test_what_is_not_made_is_said(tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    for read, sentence in (
        (read_manifest, "data holds no prepared corpus; make one with make prepare"),
        (read_training_mark, "training holds no finished training; make one with make train"),
        (read_scores, "evaluation holds no scores; make them with make evaluate"),
    ):
        with pytest.raises(UserError, match=f"{sentence} WORK={tmp_path}$"):
            read(work)


def test_shards_of_a_split_come_in_order() -> None:
    manifest = MARKS[0]
    assert isinstance(manifest, Manifest)
    assert manifest.shards_of("train") == ["train-00000", "train-00001"]
    assert manifest.shards_of("test") == []


def test_a_mark_stays_as_it_is() -> None:
    with pytest.raises(ValueError, match="frozen"):
        MARKS[1].weights = "others"  # type: ignore[attr-defined]
