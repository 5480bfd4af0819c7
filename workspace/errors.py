"""What every command of the project says when something is wrong: one sentence.

The code that notices raises ``UserError`` with a sentence that names the thing and says what to do; ``run_command``
of ``workspace.command`` prints it.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
from collections.abc import Iterator


class UserError(Exception):
    """Something the user can mend; its text is one sentence that says what and how."""


# The flags of commands that make gives, and the variables that it has them from.
_MAKE = {
    "--port": "PORT",
    "--rest_api_port": "REST_PORT",
    "--output": "OUT",
    "--overwrite": "OVERWRITE",
    "--field": "FIELD",
    "--column": "COLUMN",
    "--nbest": "NBEST",
    "--alignment": "ALIGN",
    "--terms": "TERMS",
    "--show": "SHOW",
    "--align-gold": "ALIGN_GOLD",
}


def as_given(flag: str) -> str:
    """A flag as a sentence names it to whoever started the command: by make, too."""
    return f"{flag} ({_MAKE[flag]}= of make)" if flag in _MAKE else flag


_MAKE_ROOM = "; make room and run the same command again"
_FULL_SOMEWHERE = f"the disk is full{_MAKE_ROOM}"
_FULL_AT = "the disk is full while writing"


def explain(error: BaseException) -> str:
    """The one sentence a person needs of ``error``."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; what was finished is kept, run the same command again to go on"
    # Recognised by its text: TensorFlow's own errors about files carry the system's words.
    if os.strerror(errno.ENOSPC) in str(error):
        filename = getattr(error, "filename", None)
        return f"{_FULL_AT} {filename}{_MAKE_ROOM}" if filename else _FULL_SOMEWHERE
    if isinstance(error, PermissionError):
        return f"no permission for {error.filename}; change its mode or choose another WORK directory"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}; check the path"
    return _what_to_install(error) or f"{type(error).__name__}: {error} (a fault of the project; --debug shows where)"


def may_be_full_at(error: BaseException, directory: str) -> bool:
    """Whether ``error`` is about a full disk, and names either none or a file in ``directory``."""
    sentence = explain(error)
    return _FULL_SOMEWHERE in sentence or f"{_FULL_AT} {directory}" in sentence


def check_installed(package: str) -> None:
    """Raises UserError that says what to install where a package is missing, before anything is begun without it."""
    if importlib.util.find_spec(package) is None:
        raise UserError(explain(ModuleNotFoundError(name=package)))


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """In what other programs call: what a command would say in a sentence of a missing package, or of a file, is a
    UserError."""
    try:
        yield
    except UserError:
        raise
    except ModuleNotFoundError as error:
        if sentence := _what_to_install(error):
            raise UserError(sentence) from error
        raise
    except OSError as error:
        raise UserError(explain(error)) from error


def _what_to_install(error: BaseException) -> str | None:
    """The sentence where a package is missing because the project was installed without it."""
    package = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if package in ("", "rnnsearch", "workspace", "recipes", "pipelines", "model", "serving"):
        return None
    return (
        f"the package {package} is not installed; install the project with the extra that brings it, as in "
        "pip install '.[all]' ([train], [pipelines], [serve] and [translate] are parts of it)"
    )
