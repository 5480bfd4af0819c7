"""Whether a command was given ``--debug``, itself or the one that started it: errors then show their tracebacks, and
libraries say what they have to say."""

from __future__ import annotations

import os

_VARIABLE = "RNNSEARCH_DEBUG"


def start_debugging() -> None:
    """From now on, in this process and in those that it starts."""
    os.environ[_VARIABLE] = "1"


def is_debugging() -> bool:
    return _VARIABLE in os.environ
