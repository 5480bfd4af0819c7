"""What goes around the body of a DoFn."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

from workspace.errors import UserError, explain


@contextlib.contextmanager
def explained_errors() -> Iterator[None]:
    """For the body of a DoFn: what the disk or the file system has against it becomes a UserError.

    Beam hands on an exception's type and text only, and an OSError's sentence needs more than those.
    """
    try:
        yield
    except OSError as error:
        raise UserError(explain(error)) from error


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
