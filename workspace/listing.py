"""What is in a place, on this machine or in a store; what is in its files is for ``workspace.storage``."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from workspace.locations import Location, RemotePath, located, reached
from workspace.stores import file_system, told

_MAGIC = re.compile(r"[*?[]")
# What the stores call a digest of a file, or else the time when it was written.
_STATES = ("ETag", "md5Hash", "etag", "modificationTime", "mtime")


def exists(location: Location) -> bool:
    if isinstance(location, Path):
        return location.exists()
    return _kind(location) is not None


def is_file(location: Location) -> bool:
    if isinstance(location, Path):
        return location.is_file()
    return _kind(location) == "file"


def is_directory(location: Location) -> bool:
    """An object store has no directories: there it is what objects' names begin with."""
    if isinstance(location, Path):
        return location.is_dir()
    return _kind(location) == "directory"


def _kind(location: RemotePath) -> str | None:
    """What is there. By its information, for fsspec's own questions take every error for a no."""
    try:
        with told(location):
            system, path = file_system(location)
            return str(system.info(path)["type"])
    except FileNotFoundError:
        return None


def size_of(location: Location) -> int:
    """The bytes of a file. Raises FileNotFoundError where there is none."""
    if isinstance(location, Path):
        return location.stat().st_size
    with told(location):
        system, path = file_system(location)
        return int(system.size(path))


def state_of(location: RemotePath) -> dict[str, Any]:
    """What a store tells a file by from what it was before: its size, and its digest there or when it was written.

    Raises FileNotFoundError where there is none.
    """
    with told(location):
        system, path = file_system(location)
        return described(system.info(path))


def states_under(directory: RemotePath) -> dict[str, dict[str, Any]]:
    """The same of every file in a directory and below, by what it is called there: from one list, however many."""
    try:
        with told(directory):
            system, path = file_system(directory)
            found = system.find(path, detail=True)
    except FileNotFoundError:
        return {}
    root = PurePosixPath("/") / path
    below = {PurePosixPath("/") / name: known for name, known in found.items() if not name.endswith("/")}
    return {str(name.relative_to(root)): described(known) for name, known in sorted(below.items()) if name != root}


def described(found: dict[str, Any]) -> dict[str, Any]:
    """What ``state_of`` says of a file, from fsspec's information about it."""
    known = next((found[key] for key in _STATES if key in found), "")
    return {"size": int(found["size"]), "state": str(known).strip('"')}


def entries(directory: Location) -> list[Location]:
    """What is directly in a directory, by name; nothing where there is no such directory."""
    if isinstance(directory, Path):
        try:
            return sorted(directory.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
    return sorted(_kinds_in(directory))


def _kinds_in(directory: RemotePath) -> dict[RemotePath, str]:
    """What is directly in a directory, and whether that is a file or a directory: from one list, however many."""
    try:
        with told(directory):
            system, path = file_system(directory)
            found = system.ls(path, detail=True)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    kinds: dict[RemotePath, str] = {}
    # An object store may have a directory and a file of one name; it is taken for the file.
    for known in sorted(found, key=lambda known: str(known["type"])):
        # It may have an object for the directory itself, and lists a file as if it were in itself.
        if known["name"].strip("/") != path.strip("/"):
            kinds[directory / PurePosixPath(known["name"]).name] = str(known["type"])
    return kinds


def files_under(directory: Location) -> list[Location]:
    """Every file in a directory and below, in order; nothing where there is no such directory."""
    if isinstance(directory, Path):
        return sorted(path for path in directory.rglob("*") if path.is_file())
    try:
        with told(directory):
            system, path = file_system(directory)
            found = system.find(path)
    except FileNotFoundError:
        return []
    else:
        below = (PurePosixPath("/") / name for name in found if not name.endswith("/"))
        root = PurePosixPath("/") / path
        return sorted(directory / name.relative_to(root) for name in below if name != root)


def sizes_of(names: Iterable[str], directory: Location) -> dict[str, int | None]:
    """The bytes of files by how they are reached from a directory, None of one that is not there; of a store they are
    found in one request."""
    names = list(names)
    if isinstance(directory, Path):
        paths = {name: Path(reached(directory, name)) for name in names}
        return {name: path.stat().st_size if path.is_file() else None for name, path in paths.items()}
    with told(directory):
        above = max((name.split("/").count("..") for name in names), default=0)
        system, top = file_system(reached(directory, "/".join([".", *[".."] * above])))
        found = {f"/{name.lstrip('/')}": int(of["size"]) for name, of in system.find(top, detail=True).items()}
        places = {name: f"/{file_system(reached(directory, name))[1].lstrip('/')}" for name in names}
        return {name: found.get(place) for name, place in places.items()}


def name_below(directory: Location, file: Location) -> str:
    """What a file in a directory or below is called there, with slashes."""
    if isinstance(directory, Path):
        return Path(str(file)).relative_to(directory).as_posix()
    return PurePosixPath(str(file)).relative_to(str(directory)).as_posix()


def matching(pattern: str) -> list[Location]:
    """The files that a pattern with ``*``, ``?``, ``[…]`` or ``**`` names, in order."""
    location = located(pattern)
    if isinstance(location, Path):
        anchor = Path(location.anchor)
        return sorted(path for path in anchor.glob(str(location.relative_to(anchor))) if path.is_file())
    # And what is known of their kinds without asking for each.
    places: dict[RemotePath, str | None] = {RemotePath(location.store, PurePosixPath("/")): None}
    for part in location.path.parts[1:]:
        if part == "**":
            places = {below: "directory" for place in places for below in _directories(place)}
        elif _MAGIC.search(part):
            found = ((entry, kind) for place in places for entry, kind in _kinds_in(place).items())
            places = {entry: kind for entry, kind in found if fnmatch.fnmatchcase(entry.name, part)}
        else:
            places = {place / part: None for place in places}
    return sorted(place for place, kind in places.items() if kind == "file" or (kind is None and is_file(place)))


def _directories(top: RemotePath) -> set[RemotePath]:
    """A directory and those below that have files."""
    names = (PurePosixPath(name_below(top, file)) for file in files_under(top))
    return {top, *(top / above for name in names for above in name.parents)}
