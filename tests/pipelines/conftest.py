"""What the tests of the Beam jobs share."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.corpora.line_files import FilePair
from tests.numbers_corpus import write_corpus
from tests.pipelines.web_server import server

# A fixture for all tests of the package.
__all__ = ["server"]


@pytest.fixture
def numbers(tmp_path: Path) -> FilePair[Path]:
    """400 numbers in English and French words."""
    source, target = write_corpus(tmp_path / "numbers", 400)
    return FilePair(source=source, target=target)
