"""Scratch: room on this machine for what is only there meanwhile, such as copies of what is in a store.

It is in the directory that the environment variable SCRATCH names (SCRATCH= of make), or else where the system has its
temporary files. A directory in use is locked, and whoever makes another removes those that a killed process left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from workspace.at_once import is_command
from workspace.errors import UserError, may_be_full_at
from workspace.locations import Location

_LEAST_ROOM = 1 << 20
_ANOTHER_DISK = "make room there, or set SCRATCH to a directory on another disk"
_PREFIX = "rnnsearch-scratch-"
# Between being made and being locked, a directory could be taken for one that is left over.
_SECONDS_TO_LOCK = 60.0
# Those that this process has as its temporary directory, the innermost last.
_own: list[str] = []


@contextlib.contextmanager
def scratch_directory() -> Iterator[Path]:
    """A directory for temporary files, which is removed afterwards with all that is in it.

    Raises UserError where none can be made, and where its disk is full when the body fails for want of room.
    """
    with _room_told():
        made = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=_chosen())
    with made as directory, _locked(Path(directory)):
        _remove_left_over(Path(directory).parent)
        try:
            yield Path(directory)
        except Exception as error:
            # Full is also a disk with some last blocks for nobody. Once the directory is gone, there is room again.
            if may_be_full_at(error, directory) and shutil.disk_usage(directory).free < _LEAST_ROOM:
                raise UserError(
                    f"the disk of {_place()} is full, which is for temporary files; {_ANOTHER_DISK}"
                ) from error
            raise


def check_room(needed: int, location: Location) -> None:
    """Raises UserError where scratch has no room for so many bytes of what is at ``location``."""
    with _room_told():
        free = shutil.disk_usage(_place()).free
    if needed > free:
        raise UserError(
            f"{location} has {needed:,} bytes to be read, and there is room for {free:,} in {_place()}; {_ANOTHER_DISK}"
        )


def directory_to_remove(prefix: str) -> Path:
    """A new directory in scratch, for whoever asks for it to remove, or to leave where a user is to look into it.

    Raises UserError where none can be made.
    """
    with _room_told():
        return Path(tempfile.mkdtemp(prefix=prefix, dir=_chosen()))


def is_scratch(path: Path) -> bool:
    """Whether it is in a directory of this kind, of which nothing is of use when the machine fails."""
    return any(above.name.startswith(_PREFIX) for above in path.parents)


@contextlib.contextmanager
def own_temporary_directory() -> Iterator[None]:
    """While the body runs, this process has a temporary directory of its own. It is removed afterwards, with all that
    libraries leave in it: what Beam stages, and the functions that TensorFlow's AutoGraph rewrites.

    Where another program calls a command as a function, that program's temporary directory stays.
    """
    if not is_command():
        yield
        return
    with scratch_directory() as directory:
        before, tempfile.tempdir = tempfile.tempdir, str(directory)
        _own.append(str(directory))
        try:
            yield
        finally:
            _own.pop()
            tempfile.tempdir = before


@contextlib.contextmanager
def _room_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if "SCRATCH" in os.environ and not Path(_place()).is_dir():
            raise UserError(
                f"SCRATCH is {_place()}, which is no directory of this machine; make it, or name another one"
            ) from error
        # Python looks through several, and names the last or none.
        raise UserError(
            f"there is no room for temporary files, or no right to write any, in {_place()}; {_ANOTHER_DISK}"
        ) from error


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """By the system, so that the lock ends with the process, however that ends. Some file systems have none."""
    number = os.open(directory, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(number)


def _remove_left_over(place: Path) -> None:
    for found in place.glob(f"{_PREFIX}*"):
        # Others may remove it at the same time, or have it, or it is somebody else's.
        with contextlib.suppress(OSError):
            if time.time() - found.stat().st_ctime > _SECONDS_TO_LOCK:
                with _locked_by_nobody(found):
                    shutil.rmtree(found, ignore_errors=True)


@contextlib.contextmanager
def _locked_by_nobody(directory: Path) -> Iterator[None]:
    """Raises OSError where somebody has it locked, or there are no locks."""
    number = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(number)


def _chosen() -> str | None:
    """None where this process has a temporary directory of its own already, which is in the one that was chosen."""
    return _own[-1] if _own else os.environ.get("SCRATCH") or None


def _place() -> str:
    """What was chosen by SCRATCH, or else by the system: not a directory in it, which is gone by then."""
    if _own:
        return str(Path(_own[0]).parent)
    chosen = (os.environ.get(name) for name in ("SCRATCH", "TMPDIR", "TEMP", "TMP"))
    return next(filter(None, chosen), "/tmp")
