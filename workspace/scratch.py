"""Scratch: room on this machine for what is only there meanwhile, such as copies of what is in a store.

It is in the directory that the environment variable SCRATCH names (SCRATCH= of make), or else where the system has its
temporary files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from workspace.at_once import is_command
from workspace.errors import UserError, is_full_somewhere

_LEAST_ROOM = 1 << 20


@contextlib.contextmanager
def scratch_directory() -> Iterator[Path]:
    """A directory for temporary files, which is removed afterwards with all that is in it.

    Raises UserError where none can be made, and where its disk is full when the body fails for want of room.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix="rnnsearch-", dir=_chosen())
    except OSError as error:
        # Python looks through several, and names the last or none.
        raise UserError(
            f"there is no room for temporary files, or no right to write any, in {_temporary_place()}; make room "
            "there, or set SCRATCH to a directory on another disk"
        ) from error
    with made as directory:
        try:
            yield Path(directory)
        except Exception as error:
            # Full is also a disk with some last blocks for nobody. Once the directory is gone, there is room again.
            if is_full_somewhere(error) and shutil.disk_usage(directory).free < _LEAST_ROOM:
                raise UserError(
                    f"the disk of {Path(directory).parent} is full, which is for temporary files; make room there, or "
                    "set SCRATCH to a directory on another disk"
                ) from error
            raise


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
        try:
            yield
        finally:
            tempfile.tempdir = before


def _chosen() -> str | None:
    """None where this process has a temporary directory of its own already, which is in the one that was chosen."""
    return (os.environ.get("SCRATCH") or None) if tempfile.tempdir is None else None


def _temporary_place() -> str:
    return _chosen() or os.environ.get("TMPDIR") or os.environ.get("TEMP") or os.environ.get("TMP") or "/tmp"
