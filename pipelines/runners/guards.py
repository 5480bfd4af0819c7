"""What goes around the body of a DoFn."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path

from workspace.errors import UserError, explain
from workspace.locations import is_url


@contextlib.contextmanager
def explained_errors() -> Iterator[None]:
    """For the body of a DoFn: what the disk or the file system has against it becomes a UserError.

    Beam hands on an exception's type and text only, and an OSError's sentence needs more than those.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) and (unseen := _unseen_directory(error)):
            raise UserError(
                f"a worker finds no directory {unseen}; where machines share no file system, the work directory must "
                "be in a store: see docs/scaling.md"
            ) from error
        raise UserError(explain(error)) from error


def _unseen_directory(error: FileNotFoundError) -> Path | None:
    """The directory, of this machine, that the missing file would be in, if that is missing, too."""
    if error.filename is None or is_url(str(error.filename)):
        return None
    directory = Path(str(error.filename)).parent
    return None if directory.is_dir() else directory


@contextlib.contextmanager
def without_cycle_collection() -> Iterator[None]:
    """For the body of a DoFn that makes many small objects at once, none of them in cycles.

    To look for cycles among them again and again would take an eighth of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
