"""How every command of the project ends when something is wrong: in one sentence.

A module's ``main`` raises ``UserError`` with a sentence that names the thing and says what to do;
``run_command`` prints it and sets the exit code. ``--debug`` shows the traceback as well.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn


class UserError(Exception):
    """Something the user can mend; its text is one sentence that says what and how."""


def explain(error: BaseException) -> str:
    """The one sentence a person needs of ``error``."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; what was finished is kept, run the same command again to go on"
    # By its text: TensorFlow has errors of its own for files, with the system's words in them.
    if os.strerror(errno.ENOSPC) in str(error):
        filename = getattr(error, "filename", None)
        where = f" while writing {filename}" if filename else ""
        return f"the disk is full{where}; make room and run the same command again"
    if isinstance(error, PermissionError):
        return f"no permission for {error.filename}; change its mode or choose another WORK directory"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}; check the path"
    return f"{type(error).__name__}: {error} (a fault of the project; --debug shows where)"


def run_command(main: Callable[[list[str]], None], arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs ``main(arguments)`` as a process: exit code 0, 1 for an error, 130 when interrupted.

    ``arguments`` defaults to the command line; ``--debug`` among them is taken out and makes an
    error show its traceback. SIGTERM ends the command as Ctrl-C does.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    argv = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in argv
    try:
        main([argument for argument in argv if argument != "--debug"])
    except BrokenPipeError:
        # Who read our output has gone (`… | head`): nothing to say, and nowhere to say it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        print(f"error: {explain(error)}", file=sys.stderr)
        sys.exit(130 if isinstance(error, KeyboardInterrupt) else 1)
    sys.exit(0)
