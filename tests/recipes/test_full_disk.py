"""A disk that is really full, at every stage of the road."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.recipes.support import NAMESPACE, can_mount
from tests.requirements import only_in_ci

pytestmark = pytest.mark.slow


@only_in_ci
@pytest.mark.skipif(not can_mount(), reason="needs unshare(1) and the right to make a mount namespace")
def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path) -> None:
    """Every stage of the road and the batch job say so, keep what was made, and succeed once there is room."""
    done = subprocess.run(
        [*NAMESPACE, sys.executable, "-m", "tests.recipes.small_disk", str(tmp_path)],
        env={**os.environ, "CI": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"stage"')]
    assert [report["stage"] for report in reports] == ["prepare", "train", "evaluate", "export", "translate"]
    for report in reports:
        assert report["said"].startswith("the disk is full"), report
        assert report["said"].endswith("; make room and run the same command again")
        assert report["lost"] == []
