"""What a person is told of an error."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workspace.errors import explain


@pytest.mark.slow
def test_debug_shows_where(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "recipes.run", "--work", str(tmp_path), "--recipe", "nonesuch", "--debug"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: there is no recipe 'nonesuch'")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x"), "the disk is full while writing x; make room"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), "x"), "no permission for x; change its mode"),
        (KeyboardInterrupt(), "interrupted; what was finished is kept"),
        (ZeroDivisionError("division by zero"), "a fault of the project; --debug shows where"),
    ],
)
def test_errors_are_sentences(error: BaseException, sentence: str) -> None:
    assert sentence in explain(error)
