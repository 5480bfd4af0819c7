"""What some tests need beyond Python: where it is missing they are skipped, but fail in CI, which installs it."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(name: str, what: str) -> NoReturn:
    """Skips a test for want of ``what``, or fails it where ``name`` is in RNNSEARCH_REQUIRE, as .ci/run has it."""
    if name in os.environ.get("RNNSEARCH_REQUIRE", "").split(","):
        pytest.fail(f"{what}, and RNNSEARCH_REQUIRE says it must be there")
    pytest.skip(f"{what} (.ci/run installs it)")
