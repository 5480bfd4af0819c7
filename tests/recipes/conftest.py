"""What the tests of recipes share."""

from __future__ import annotations

from pathlib import Path

import pytest

from workspace.layout import WorkDirectory


@pytest.fixture
def work(tmp_path: Path) -> WorkDirectory[Path]:
    return WorkDirectory(tmp_path / "work")
