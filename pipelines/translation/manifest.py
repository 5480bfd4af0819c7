"""What a finished job leaves beside its translations: a manifest, which says what it has made."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, TypeAlias

from workspace.errors import UserError, as_given
from workspace.listing import exists
from workspace.locations import Location, reached
from workspace.storage import read_json

# JSON, and written last.
Manifest: TypeAlias = dict[str, Any]

NAME = "manifest.json"


def read_manifest(location: Location) -> Manifest | None:
    """None where there is no file. Raises UserError where it is something else than a manifest of a translation."""
    found = read_json(location)
    if _is_manifest(found):
        return dict(found)
    if found is None and not exists(location):
        return None
    raise UserError(
        f"{location} is not of a translation, and would be written over; move it away, or give another "
        f"{as_given('--output')}"
    )


def beside_translations(found: Location) -> set[Location]:
    """What a job has left beside its translations, by a file that may be its manifest: that, and its lists of what has
    no translation."""
    if found.name == NAME or found.name.endswith(f".{NAME}"):
        manifest = read_json(found)
        if _is_manifest(manifest):
            lists = (each["failed"] for each in manifest["files"] if each["failed"])
            return {found, *(reached(found.parent, name) for name in lists)}
    return set()


def _is_manifest(value: Any) -> bool:
    if not isinstance(value, dict) or not {"files", "options", "model", "counts"} <= value.keys():
        return False
    files = value["files"]
    return isinstance(files, list) and all(isinstance(each, dict) and _names_what_is_below(each) for each in files)


def _names_what_is_below(file: dict[str, Any]) -> bool:
    """Whether it says what was made of a file, all of it beside the manifest or below."""
    if not {"output", "failed"} <= file.keys():
        return False
    names = [name for name in (file["output"], file["failed"]) if name is not None]
    return all(
        isinstance(name, str)
        and "\0" not in name
        and not (path := PurePosixPath(name)).is_absolute()
        # Not the directory itself.
        and path.name
        and ".." not in path.parts
        for name in names
    )
