"""Preparing with a work directory in a store, and corpora there: the same bytes as on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.corpora.line_files import FilePair
from tests.pipelines.support import hashes, new_work, run
from tests.stores.servers import Store
from workspace.locations import located

pytestmark = pytest.mark.slow


@pytest.fixture(params=["s3", "hdfs"])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return found


def test_the_shards_are_the_same_bytes(store: Store, tmp_path: Path, numbers: FilePair[Path]) -> None:
    here = new_work(tmp_path / "work", numbers)
    there = new_work(located(f"{store.root}/work"), numbers)
    run(here)
    run(there)
    assert hashes(there) == hashes(here)
