"""The dev evaluations of a training, which it writes down and others show."""

from __future__ import annotations

import json
from typing import Any

from workspace.layout import WorkDirectory
from workspace.storage import read_text


def read_history(work: WorkDirectory) -> list[dict[str, Any]]:
    """Every dev evaluation so far, oldest first."""
    try:
        return [json.loads(line) for line in read_text(work.history).splitlines()]
    except FileNotFoundError:
        return []
