"""Keeps off standard error what TensorFlow and LiteRT remark on the machine, on itself and on a missing GPU.

Where there is a GPU, everything that TensorFlow calls an error is shown, for then it may be one. Whoever sets
TF_CPP_MIN_LOG_LEVEL gets what they ask for, and with ``--debug`` everything is shown.
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

from workspace.debugging import is_debugging

# The devices of NVIDIA's drivers for Linux, for Linux within Windows and for Jetson.
_GPUS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/nvhost-gpu")
_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_EVERYTHING, _ERRORS, _NOTHING = "0", "2", "3"
# Written while TensorFlow is loaded, before it heeds the level.
_FOREIGN = (
    r"^WARNING: All log messages before absl::InitializeLog|^[IWE]0000 .*(cudart_stub|cuda_platform|cpu_feature|oneDNN)"
    # LiteRT's, with the first model.
    r"|^INFO: Created TensorFlow Lite XNNPACK delegate for CPU"
)
_SECONDS_TO_END = 1.0
_redirected = threading.RLock()


def quiet_tensorflow() -> None:
    """Lets TensorFlow log only errors, or nothing where there is no GPU, in this process and those it starts.

    With ``--debug`` it may say everything. Call it before TensorFlow is imported.
    """
    level = _EVERYTHING if is_debugging() else _ERRORS if has_gpu() else _NOTHING
    if os.environ.setdefault(_LEVEL, level) in (_ERRORS, _NOTHING):
        # AutoGraph's warnings, and those of deprecation.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)


@contextlib.contextmanager
def foreign_lines_left_out(package: str = "tensorflow") -> Iterator[None]:
    """Around the import of TensorFlow, or of another package and its first use: leaves out the lines that no log level
    suppresses, and nothing else."""
    quiet_tensorflow()
    unneeded = os.environ[_LEVEL] != _NOTHING or package in sys.modules
    if unneeded or sys.stderr is None or shutil.which("grep") is None:
        yield
        return
    with _redirected:
        # A process, not a thread: what ours says as it dies still comes through, and nothing waits for us to read it.
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
            # So that what was said comes before what we say next; a process started meanwhile may keep the pipe open.
            with contextlib.suppress(subprocess.TimeoutExpired):
                left.wait(_SECONDS_TO_END)


@contextlib.contextmanager
def warnings_left_out() -> Iterator[None]:
    """Around what is done knowing well what TensorFlow warns of."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def has_gpu() -> bool:
    """Whether this machine has a GPU of NVIDIA's, as far as can be told without TensorFlow."""
    return any(Path(gpu).exists() for gpu in _GPUS)
