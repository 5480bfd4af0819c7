"""Writing so that a reader never sees half a file: to a temporary name in the same directory, then renamed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# How the names end of what is not yet whole.
PARTIAL = ".partial"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path to write a file or directory at; renames it to ``path`` on success.

    On any exception, Ctrl-C included, the temporary is removed and what stood at ``path`` still stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    before = path.with_name(f".{path.name}.{os.getpid()}.before")
    # What a killed process of the same id left: in a container the id is always the same.
    remove(temporary)
    try:
        yield temporary
        if temporary.is_dir() and path.is_dir():
            # A directory cannot be renamed over another, and removing the other first may take a while.
            remove(before)
            path.rename(before)
        temporary.replace(path)
    finally:
        remove(temporary)
        remove(before)


def remove(path: Path) -> None:
    """Removes a file or a whole directory; nothing there is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes ``value`` as indented UTF-8 JSON, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """The JSON value in ``path``, or None where there is no such file or it cannot be read as JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
