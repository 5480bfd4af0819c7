"""Steps of a job whose results are kept: done once, and again when what they are made from or have left changed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from workspace.storage import read_json, remove, sha256_of, write_json

_MARK = "step.json"
# Of what steps leave to one another; with another number, what an older version of the project left is made anew.
_FORMAT = 4

Result = TypeVar("Result")


def made_once(directory: Path, made_from: Any, make: Callable[[], Result]) -> Result:
    """What ``make`` gives, which leaves its files in ``directory``: from an earlier run where that is still good.

    It is good while ``made_from`` is the same and every file is as it was left; else the directory is emptied first.
    One that was not finished is left as it is, for ``make`` to go on in. ``made_from`` and the result are of JSON.
    """
    mark = directory / _MARK
    made_from = json.loads(json.dumps({"format": _FORMAT, "of": made_from}))
    made: dict[str, Any] = read_json(mark) or {}
    is_good = made.get("made_from") == made_from
    if is_good and "result" in made:
        changed = _changed_file(directory, made.get("files", {}))
        if changed is None:
            earlier: Result = made["result"]
            return earlier
        print(f"warning: {changed} is missing or damaged; {directory} is made anew", file=sys.stderr)
        is_good = False
    if not is_good:
        remove(directory)
        directory.mkdir(parents=True)
        write_json(mark, {"made_from": made_from})
    result = make()
    write_json(mark, {"made_from": made_from, "files": _files(directory), "result": result})
    return result


def left_by(directory: Path) -> str:
    """A digest of all that the finished step of a directory has left."""
    return sha256_of(directory / _MARK)


def forget(directory: Path) -> None:
    """Takes back that the step of a directory is done, before its files are taken away."""
    remove(directory / _MARK)


def _files(directory: Path) -> dict[str, list[int | str]]:
    """Size and SHA-256 of every file that a step has left, by its path in the directory."""
    paths = (path for path in sorted(directory.rglob("*")) if path.is_file() and path.name != _MARK)
    return {path.relative_to(directory).as_posix(): [path.stat().st_size, sha256_of(path)] for path in paths}


def _changed_file(directory: Path, files: Mapping[str, list[int | str]]) -> Path | None:
    """The first file that is not there, or not as it was left."""
    for name, (size, sha256) in files.items():
        path = directory / name
        if not path.is_file() or path.stat().st_size != size or sha256_of(path) != sha256:
            return path
    return None
