"""What goes wrong in a DoFn comes out as a sentence that names the thing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelines.runners.guards import explained_errors
from workspace.errors import UserError


def test_a_directory_that_a_worker_does_not_see_is_named(tmp_path: Path) -> None:
    sentence = (
        rf"^a worker finds no directory {tmp_path}/work/index; where machines share no file system, the work directory "
        "must be in a store: see docs/scaling.md$"
    )
    with pytest.raises(UserError, match=sentence), explained_errors():
        (tmp_path / "work" / "index" / "000.index").read_bytes()


def test_a_file_that_is_missing_where_others_are_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^{tmp_path}/000.index: No such file"), explained_errors():
        (tmp_path / "000.index").read_bytes()


def test_of_what_is_missing_in_a_store_no_directory_is_looked_for() -> None:
    missing = FileNotFoundError(2, os.strerror(2), "s3://bucket/work/000.index")
    with pytest.raises(UserError, match=r"^s3://bucket/work/000.index: No such file"), explained_errors():
        raise missing
