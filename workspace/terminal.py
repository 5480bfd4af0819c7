"""Whether a person watches standard error, and how wide the lines drawn for them may be."""

from __future__ import annotations

import os
import sys


def columns() -> int:
    """The width of the terminal that standard error is; 0 where it is none, has no size, or CI is set to true."""
    if sys.stderr is None or not sys.stderr.isatty() or os.environ.get("CI") == "true":
        return 0
    return os.get_terminal_size(sys.stderr.fileno()).columns
