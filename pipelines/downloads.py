"""Placeholder until the downloads arrive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def download(url: str, sha256: str | None, path: Path, advance: Callable[[int], object]) -> None:
    raise NotImplementedError


def fetch_mtdata(identifier: str, source: Path, target: Path, *languages: str) -> dict[str, Any]:
    raise NotImplementedError
