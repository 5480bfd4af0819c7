"""The dev evaluations of a training, which it writes down and others show."""

from __future__ import annotations

import json
from typing import Any

from workspace.layout import WorkDirectory


def read_history(work: WorkDirectory) -> list[dict[str, Any]]:
    """Every dev evaluation so far, oldest first."""
    if not work.history.is_file():
        return []
    return [json.loads(line) for line in work.history.read_text(encoding="utf-8").splitlines()]
