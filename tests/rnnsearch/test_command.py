"""The command ``rnnsearch``, and what ``import rnnsearch`` costs."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import rnnsearch
from rnnsearch.__main__ import COMMANDS

ROOT = Path(__file__).parents[2]
# What the Makefile starts for itself, in a clone.
OF_A_CLONE = {"recipes.environment", "recipes.make_variables", "recipes.settings"}


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rnnsearch", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_door_has_a_short_name() -> None:
    doors = {
        f"{package}.{path.stem}"
        for package in ("recipes", "pipelines", "model", "serving")
        for path in (ROOT / package).glob("*.py")
        if '\nif __name__ == "__main__":' in path.read_text(encoding="utf-8")
    }
    assert {module for module, _ in COMMANDS.values()} == doors - OF_A_CLONE


@pytest.mark.slow
def test_help_lists_the_commands() -> None:
    said = ran("--help")
    assert (said.returncode, said.stderr) == (0, "")
    assert re.findall(r"^  ([a-z][\w-]+)  ", said.stdout, re.MULTILINE) == list(COMMANDS)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", "translate", "run"])
def test_a_command_calls_itself_by_its_short_name(command: str) -> None:
    said = ran(command, "--help")
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith(f"usage: rnnsearch {command} [-h] [--debug]")
    wrong = ran(command, "--nonesuch")
    assert wrong.returncode == 2
    assert f"rnnsearch {command}: error: " in wrong.stderr


@pytest.mark.slow
def test_a_command_ends_in_a_sentence(tmp_path: Path) -> None:
    said = ran("train", "--work", str(tmp_path))
    assert said.returncode == 1
    assert said.stderr.startswith(f"error: {tmp_path} holds no run")


@pytest.mark.slow
def test_version_and_what_is_no_command() -> None:
    assert ran("--version").stdout == f"rnnsearch {version('rnnsearch')}\n"
    for arguments, sentence in (((), "which command?"), (("trian",), "invalid choice: 'trian'")):
        said = ran(*arguments)
        assert (said.returncode, said.stdout) == (2, "")
        assert f"rnnsearch: error: {sentence}" in said.stderr or sentence in said.stderr


def test_every_name_of_the_face_is_there() -> None:
    assert dir(rnnsearch) == sorted(rnnsearch.__all__)
    for name in rnnsearch.__all__:
        assert getattr(rnnsearch, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'Network'"):
        getattr(rnnsearch, "Network")  # noqa: B009


@pytest.mark.slow
def test_import_costs_nothing() -> None:
    code = "import sys; before = set(sys.modules); import rnnsearch; print(*(set(sys.modules) - before))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages = {module.partition(".")[0] for module in said.stdout.split()} - set(sys.stdlib_module_names)
    assert packages == {"rnnsearch", "workspace"}
