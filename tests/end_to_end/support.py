"""The road as a user goes it, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.own_lines import foreign_lines
from tests.stores.servers import Store

ENVIRONMENT = {**os.environ, "CI": "true", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": ""}

# What a library's line begins with, or has in it.
FOREIGN = r"^[EWIF]\d{4} |^\d{4}-\d\d-\d\d .*tensorflow|^WARNING|absl|oneDNN|cuInit|AutoGraph|Warning:"

TOO_LONG = " ".join(["one"] * 600)
# More bytes than 500 subwords can have, and nowhere to split it.
UNSPLITTABLE = "one" * 12_000


def environment_of(directory: Path, store: Store) -> dict[str, str]:
    """That of a command which has its temporary files and scratch in a directory of its own, and finds a store."""
    directory.mkdir(exist_ok=True)
    return {**ENVIRONMENT, **store.environment, "TMPDIR": str(directory), "SCRATCH": str(directory)}


def run_road(root: Path, *arguments: str) -> str:
    """``recipes.run`` in a process of its own; gives what it printed."""
    command = [sys.executable, "-m", "recipes.run", "--work", str(root / "run"), "--recipe", "tiny"]
    corpus = ["--train-source", str(root / "numbers.en"), "--train-target", str(root / "numbers.fr")]
    temporary = root / "temporary"
    temporary.mkdir(exist_ok=True)
    environment = {**ENVIRONMENT, "TMPDIR": str(temporary)}
    done = subprocess.run([*command, *corpus, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(temporary.iterdir()) == []
    assert foreign_lines(done.stderr) == []
    assert not re.search(FOREIGN, done.stdout, re.MULTILINE)
    return done.stdout
