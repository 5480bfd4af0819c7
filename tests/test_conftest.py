"""How the suite is spread over workers, which pytest and pytest-xdist must agree on."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
def test_all_tests_of_a_file_go_to_one_worker() -> None:
    """Else what they share is made by each, and the suite takes twice as long."""
    files = ["tests/recipes/test_schema.py", "tests/recipes/test_stages.py"]
    command = [sys.executable, "-m", "pytest", "--numprocesses=2", "-vv", *files]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    workers: dict[str, list[str]] = defaultdict(list)
    for worker, file in re.findall(r"^\[(gw\d)\].* PASSED ([^:]+)::", ran.stdout, re.MULTILINE):
        workers[file].append(worker)
    assert sorted(workers) == sorted(files)
    assert all(len(given) > 20 for given in workers.values())
    assert len({given for all_given in workers.values() for given in all_given}) == 2
    assert [len(set(given)) for given in workers.values()] == [1, 1]
