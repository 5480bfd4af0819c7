"""What TensorFlow says of a missing GPU is left out, nothing else is, and nothing at all where there may be one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from workspace import foreign_lines
from workspace.foreign_lines import foreign_lines_left_out, quiet_tensorflow

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
FOREIGN = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    "I0000 00:00:1795932762.177686   20448 cudart_stub.cc:31] Could not find cuda drivers on your machine.\n"
)
FATAL = "F0000 00:00:1795932762.242215   20448 cpu_feature_guard.cc:17] It was compiled to use AVX.\n"


@pytest.fixture(autouse=True)
def not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    for variable in (LEVEL, "RNNSEARCH_DEBUG"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.slow
@pytest.mark.parametrize(("gpu", "level"), [(True, "2"), (False, "3")])
def test_errors_are_said_where_there_is_a_gpu(
    gpu: bool, level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    device = tmp_path / "nvidia0"
    if gpu:
        device.touch()
    monkeypatch.setattr(foreign_lines, "_GPUS", (str(device),))
    with foreign_lines_left_out():
        os.write(2, f"{FOREIGN}{FATAL}".encode())
    assert os.environ[LEVEL] == level
    assert capfd.readouterr().err == (FOREIGN if gpu else "") + FATAL


@pytest.mark.parametrize(("variable", "value"), [(LEVEL, "0"), ("RNNSEARCH_DEBUG", "1")])
def test_who_asks_for_all_that_is_said_gets_it(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """By TensorFlow's variable, or by the one that --debug sets."""
    monkeypatch.setenv(variable, value)
    quiet_tensorflow()
    with foreign_lines_left_out():
        os.write(2, FOREIGN.encode())
    assert os.environ[LEVEL] == "0"
    assert capfd.readouterr().err == FOREIGN
