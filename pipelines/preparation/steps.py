"""Steps of a job whose results are kept: done once, and again when what they are made from or have left changed."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from workspace.listing import entries, files_under, is_file, name_below, size_of, states_under
from workspace.locations import Location, RemotePath, Where
from workspace.storage import make_directory, read_json, remove, sha256_of, write_json

_MARK = "step.json"
# Of what steps leave to one another; with another number, what an older version of the project left is made anew.
_FORMAT = 5
_DIGITS = 12

Result = TypeVar("Result")


def step_directory(intermediate: Where, step: str, made_from: Any) -> Where:
    """Where a step leaves its files, in a directory for all steps.

    The name says what they are made from: a worker of another run that was killed may write for a while yet, and writes
    elsewhere.
    """
    described = json.dumps(_described(made_from), sort_keys=True)
    return intermediate / f"{step}-{hashlib.sha256(described.encode()).hexdigest()[:_DIGITS]}"


def made_once(directory: Location, made_from: Any, make: Callable[[], Result]) -> Result:
    """What ``make`` gives, which leaves its files in a ``step_directory``: from an earlier run where it is still good.

    It is good while ``made_from`` is the same and every file is as it was left; else the directory is emptied first.
    One that was not finished is left as it is, for ``make`` to go on in. What the step left when it was made from
    something else is removed. ``made_from`` and the result are of JSON.
    """
    of_step = [found for found in entries(directory.parent) if _step(found) == _step(directory)]
    for other in of_step:
        if other != directory:
            remove(other, last=_MARK)
    mark = directory / _MARK
    made_from = _described(made_from)
    made: dict[str, Any] = (read_json(mark) or {}) if directory in of_step else {}
    is_good = made.get("made_from") == made_from
    if is_good and "result" in made:
        changed = _changed_file(directory, made.get("files", {}))
        if changed is None:
            earlier: Result = made["result"]
            return earlier
        print(f"warning: {changed} is missing or damaged; {directory} is made anew", file=sys.stderr)
        is_good = False
    if not is_good:
        if directory in of_step:
            remove(directory, last=_MARK)
        make_directory(directory)
        write_json(mark, {"made_from": made_from})
    result = make()
    write_json(mark, {"made_from": made_from, "files": _files(directory), "result": result})
    return result


def left_by(directory: Location) -> str:
    """A digest of all that the finished step of a directory has left."""
    return sha256_of(directory / _MARK)


def forget(directory: Location) -> None:
    """Takes back that the step of a directory is done, before its files are taken away."""
    remove(directory / _MARK)


def _described(made_from: Any) -> Any:
    return json.loads(json.dumps({"format": _FORMAT, "of": made_from}))


def _step(directory: Location) -> str:
    return directory.name.partition("-")[0]


def _files(directory: Location) -> dict[str, dict[str, Any]]:
    """What tells every file that a step has left from any other, by its path in the directory: in a store what that
    says of all at once, here size and SHA-256."""
    if isinstance(directory, RemotePath):
        found = states_under(directory)
    else:
        found = {name_below(directory, file): _state(file) for file in files_under(directory)}
    return {name: state for name, state in found.items() if name != _MARK}


def _changed_file(directory: Location, files: Mapping[str, dict[str, Any]]) -> Location | None:
    """The first file that is not there, or not as it was left."""
    found = states_under(directory) if isinstance(directory, RemotePath) else None
    for name, state in files.items():
        path = directory / name
        if found is not None:
            is_as_left = found.get(name) == state
        else:
            is_as_left = is_file(path) and size_of(path) == state["size"] and sha256_of(path) == state["sha256"]
        if not is_as_left:
            return path
    return None


def _state(file: Location) -> dict[str, Any]:
    return {"size": size_of(file), "sha256": sha256_of(file)}
