"""Steps of a job whose results are kept: done once, and again only when what they are made from has changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from workspace.storage import read_json, remove, write_json

_MARK = "step.json"
# Of what steps leave to one another; with another number, what an older version of the project left is made anew.
_FORMAT = 2

Result = TypeVar("Result")


def made_once(directory: Path, made_from: Any, make: Callable[[], Result]) -> Result:
    """What ``make`` gives, which leaves its files in ``directory``: from an earlier run where that is still good.

    ``made_from`` and the result are of JSON. A directory made from something else is emptied first; one that
    was not finished is left as it is, for ``make`` to go on in.
    """
    mark = directory / _MARK
    made_from = json.loads(json.dumps({"format": _FORMAT, "of": made_from}))
    made: dict[str, Any] = read_json(mark) or {}
    if made.get("made_from") != made_from:
        remove(directory)
        directory.mkdir(parents=True)
        write_json(mark, {"made_from": made_from})
    elif "result" in made:
        earlier: Result = made["result"]
        return earlier
    result = make()
    write_json(mark, {"made_from": made_from, "result": result})
    return result


def forget(directory: Path) -> None:
    """Takes back that the step of a directory is done, before its files are taken away."""
    remove(directory / _MARK)
