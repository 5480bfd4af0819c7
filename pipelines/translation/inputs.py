"""Which files a batch job translates, in which formats, and where what it makes of them goes.

--input                         --output       translations        besides
one file                        a file         that file           <file>.failed.jsonl, <file>.manifest.json
one file                        a directory    <name>              <name>.failed.jsonl, <name>.manifest.json
a directory, or a pattern       a directory    <the same names>    failed/<name>.jsonl, manifest.json
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

from pipelines.corpora.formats import format_by_ending
from pipelines.translation.asked import FORMATS, Format
from pipelines.translation.manifest import NAME as MANIFEST
from pipelines.translation.manifest import beside_translations
from workspace.errors import UserError, as_given
from workspace.listing import exists, files_under, is_directory, is_file, matching, name_below, size_of, state_of
from workspace.locations import Location, RemotePath, located
from workspace.storage import sha256_of
from workspace.stores import StoreError

_OF_PATTERNS = re.compile(r"[*?\[]")
_ANOTHER_OUTPUT = f"give another {as_given('--output')}"


@dataclass(frozen=True)
class Input:
    """A file to translate: how it is called in what is said of it, its format, and where its translation and the list
    of what has none go."""

    source: Location
    name: str
    format: Format
    output: Location
    failed: Location

    def check_name(self) -> None:
        """Raises UserError for a name that nothing could say which file it is."""
        _check_name(self.source)

    def state(self) -> dict[str, Any]:
        """What it is told by from what it was before."""
        try:
            if not isinstance(self.source, Path):
                return state_of(self.source)
            return {"size": size_of(self.source), "sha256": sha256_of(self.source)}
        except StoreError:
            raise
        except (UserError, PermissionError):  # of which is said more when it is to be read
            return {}


@dataclass(frozen=True)
class Files:
    """run: where a run has what it needs meanwhile."""

    inputs: list[Input]
    manifest: Location
    run: Location

    def made(self) -> list[Location]:
        """Every file that may be made."""
        return [*(place for each in self.inputs for place in (each.output, each.failed)), self.manifest]


def find_files(given: str, output: Location, into: bool, form: Format | None) -> Files:
    """The files that ``given``, a path, a pattern or a URL, names, all of ``form``, or as their names tell.

    into: whether ``output`` is a directory for the translation of one file, too; it is where there is one.
    Raises UserError where there are no such files, or their translations cannot go to ``output``.
    """
    location = located(given)
    for place in (location, output):
        _check_name(place)
    output, into = _whole(output), into or is_directory(output)
    found: list[tuple[Location, str]]
    if is_directory(location):
        if output == _whole(location) or _is_below(output, _whole(location)):
            raise UserError(f"{output} is in the directory that is to be translated; {_ANOTHER_OUTPUT}")
        found = [(file, name_below(location, file)) for file in files_under(location)]
    elif (special := _OF_PATTERNS.search(given)) and not exists(location):
        directory = located(given[: given.rfind("/", 0, special.start()) + 1] or ".")
        # As others have it: of any depth, and not of directories.
        pattern = f"{given}/*" if given.endswith("**") else given
        found = [(file, name_below(directory, file)) for file in matching(pattern)]
    else:
        if not is_file(location):
            raise UserError(f"{given}: no such file to translate")
        target = output / location.name if into else output
        files = Files(
            [_input(location, location.name, form, target, target.with_name(f"{target.name}.failed.jsonl"))],
            target.with_name(f"{target.name}.{MANIFEST}"),
            _run_of(target),
        )
        _check_places(files)
        return files
    found = [(file, name) for file, name in found if not _is_hidden(name)]
    # The translations of another job may be translated on.
    beside = set().union(*(beside_translations(file) for file, _ in found))
    found = [(file, name) for file, name in found if file not in beside]
    if not found:
        raise UserError(f"{given} names no file to translate; names that begin with . or _ are left out")
    if exists(output) and not is_directory(output):
        raise UserError(f"{output} is no directory, as the translations of several files need; {_ANOTHER_OUTPUT}")
    failed = output / "failed"
    inputs = [_input(file, name, form, output / name, failed / f"{name}.jsonl") for file, name in found]
    files = Files(inputs, output / MANIFEST, _run_of(output))
    _check_places(files)
    return files


def _input(source: Location, name: str, form: Format | None, output: Location, failed: Location) -> Input:
    """Raises UserError for a format that is not translated."""
    by_ending = form or format_by_ending(name) or "text"
    if by_ending not in FORMATS:
        raise UserError(
            f"{source}: what is translated is {', '.join(FORMATS)}, not {by_ending}; give the texts that are in it, or "
            "say with --format that it is one of them"
        )
    return Input(source, printable(name), cast(Format, by_ending), output, failed)


def printable(place: Location | str) -> str:
    """A path as UTF-8; bytes of it that are none are numbers."""
    return str(place).encode("utf-8", "backslashreplace").decode()


def _check_name(place: Location) -> None:
    if printable(place) != str(place):
        raise UserError(f"{printable(place)}: the name is not UTF-8; rename it")


def _whole(location: Location) -> Location:
    return location.resolve() if isinstance(location, Path) else location


def _is_below(location: Location, directory: Location) -> bool:
    return str(location).startswith(f"{directory}/")


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)


def _run_of(output: Location) -> Location:
    if not output.name:
        raise UserError(f"{output} has no name; {_ANOTHER_OUTPUT}")
    return output.with_name(f".{output.name}.run")


def _check_places(files: Files) -> None:
    """Raises UserError where what is made would take the place of a text, of one another, or cannot take its own."""
    sources = {_whole(each.source) for each in files.inputs}
    places = files.made()
    if taken := [place for place in places if _whole(place) in sources]:
        raise UserError(f"{taken[0]} is a text that is to be translated; {_ANOTHER_OUTPUT}")
    if len(set(places)) < len(places):
        twice = next(place for place in places if places.count(place) > 1)
        raise UserError(f"{twice} would be made twice; rename one of the files to translate")
    for place in places:
        if isinstance(place, RemotePath):
            continue
        if place.exists() and not place.is_file():
            raise UserError(f"{place} is no file; {_ANOTHER_OUTPUT}")
        if in_the_way := [parent for parent in place.parents if parent.exists() and not parent.is_dir()]:
            raise UserError(f"{in_the_way[0]} is no directory; {_ANOTHER_OUTPUT}")
