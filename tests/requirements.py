"""What some tests need beyond Python: where it is missing they are skipped, but fail in CI, which installs it."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

# Whether to try every case, and what is only seen to work elsewhere, such as a whole Flink cluster.
EXHAUSTIVE = os.environ.get("CI") == "true"

only_in_ci = pytest.mark.skipif(
    not EXHAUSTIVE, reason="takes minutes, or a cluster; CI=true make test runs it, as .ci/run does"
)


def missing(name: str, what: str) -> NoReturn:
    """Skips a test for want of ``what``, or fails it where ``name`` is in RNNSEARCH_REQUIRE, as .ci/run has it."""
    if name in os.environ.get("RNNSEARCH_REQUIRE", "").split(","):
        pytest.fail(f"{what}, and RNNSEARCH_REQUIRE says it must be there")
    pytest.skip(f"{what} (.ci/run installs it)")


def without_privileges() -> list[str]:
    """What to put before a command so that the modes of files hold for it: root may do everything otherwise."""
    if os.getuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        missing("setpriv", "it takes setpriv(1), or another user than root")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
