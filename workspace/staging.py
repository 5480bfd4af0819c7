"""Exported versions as all who load them have them: on this machine, and as they were exported."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from workspace.errors import UserError
from workspace.layout import SAVED_MODEL, provenance_of
from workspace.listing import is_file, size_of, sizes_of
from workspace.locations import Location, reached, relative
from workspace.scratch import check_room
from workspace.storage import local_copy, read_json, sha256_of


@contextlib.contextmanager
def staged(version: Location, part: Location | None = None) -> Iterator[Path]:
    """A version, or a directory in it, on this machine while the body runs: itself where it is here, else a copy in
    scratch, of which each file has the SHA-256 that the version's mark says, or in an older mark the size.

    Raises UserError where a version in a store is gone, or not as it was exported, or scratch has no room for it.
    """
    part = part or version
    if isinstance(part, Path):
        yield part
        return
    mark = _mark(version)
    check_room(sum(size for _, _, size in _files_in(part, version, mark)), part)
    with contextlib.ExitStack() as copied:
        try:
            here = copied.enter_context(local_copy(part))
        except FileNotFoundError as error:
            raise UserError(f"{version} is gone; export it again, and run the same command again") from error
        for name, below, size in _files_in(part, version, mark):
            file, digest = here / below, mark.get("sha256", {}).get(name)
            if not is_file(file) or size_of(file) != size or (digest and sha256_of(file) != digest):
                raise _damaged(version, name)
        yield here


def check_sizes(version: Location) -> None:
    """Raises UserError where a file of a version is missing, or has another size than when it was exported."""
    left = _mark(version).get("left", {})
    found = sizes_of(left, provenance_of(version).parent)
    for name, size in left.items():
        if found[name] != size:
            raise _damaged(version, name)


def digest_of(version: Location) -> str | None:
    """What tells a version from another one in its place: the SHA-256 of its mark, or without one of saved_model.pb;
    None where there is neither."""
    for file in (provenance_of(version), version / SAVED_MODEL):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return sha256_of(file)
    return None


def _files_in(part: Location, version: Location, mark: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
    """The files of a version that are in a directory of it: as the mark calls them, from there, and their sizes."""
    for name, size in mark.get("left", {}).items():
        below = relative(reached(provenance_of(version).parent, name), part)
        if not below.startswith("../"):
            yield name, below, size


def _mark(version: Location) -> dict[str, Any]:
    """Whichever version of the project has written it; empty where there is none."""
    return read_json(provenance_of(version)) or {}


def _damaged(version: Location, name: str) -> UserError:
    return UserError(f"{version}: {PurePosixPath(name).name} is missing or damaged; remove it, and export again")
