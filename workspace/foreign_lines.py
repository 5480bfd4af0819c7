"""Keeps off standard error what TensorFlow says there of the machine, of itself and of a GPU that is missing.

Where there is a GPU, all that is an error to TensorFlow is shown, for then it may be one. Whoever sets
TF_CPP_MIN_LOG_LEVEL gets what they ask for.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

# Of NVIDIA's driver for Linux, for Linux within Windows and for Jetson.
_GPUS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/nvhost-gpu")
_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_ERRORS, _NOTHING = "2", "3"
# Written while TensorFlow is loaded, before it heeds the level.
_FOREIGN = r"^WARNING: All log messages before absl::InitializeLog|^[IWE]0000 .*(cudart_stub|cuda_platform|cpu_feature)"
_SECONDS_TO_END = 1.0
_redirected = threading.RLock()


def quiet_tensorflow() -> None:
    """Lets TensorFlow say errors only, and without a GPU nothing, in this process and those it starts.

    Call it before TensorFlow is imported.
    """
    if os.environ.setdefault(_LEVEL, _ERRORS if _has_gpu() else _NOTHING) in (_ERRORS, _NOTHING):
        # AutoGraph's warnings, and what is deprecated.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)


@contextlib.contextmanager
def foreign_lines_left_out() -> Iterator[None]:
    """For an import of TensorFlow: leaves out what no level keeps it from saying, and nothing else."""
    quiet_tensorflow()
    unneeded = os.environ[_LEVEL] != _NOTHING or "tensorflow" in sys.modules
    if unneeded or sys.stderr is None or shutil.which("grep") is None:
        yield
        return
    with _redirected:
        # A process beside ours: what is said by one that dies comes through, and nothing waits to be read by us.
        left = subprocess.Popen(["grep", "--text", "-vE", _FOREIGN], stdin=subprocess.PIPE, stdout=2)
        assert left.stdin is not None
        stderr = os.dup(2)
        os.dup2(left.stdin.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            left.stdin.close()
            # What was said comes before what we say next; but a process that was started meanwhile may hold its end.
            with contextlib.suppress(subprocess.TimeoutExpired):
                left.wait(_SECONDS_TO_END)


def _has_gpu() -> bool:
    return any(Path(gpu).exists() for gpu in _GPUS)
