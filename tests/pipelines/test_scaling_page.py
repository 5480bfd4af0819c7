"""The commands of docs/scaling.md: every flag in them is one that Beam, or the command, has."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from pipelines.runners.options import _unknown_flags, pipeline_options
from recipes.make_variables import RUNNERS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
# Indented lines, those that end in a backslash joined with the next.
COMMANDS = re.sub(r"\\\n +", " ", "\n".join(re.findall(r"^ {4}.*$", PAGE, re.MULTILINE))).splitlines()
PREPARE = [command.strip() for command in COMMANDS if command.strip().startswith("make prepare")]


def test_the_page_has_a_command_for_every_engine() -> None:
    assert len(PREPARE) == 9
    assert {command.split("RUNNER=")[1].split()[0] for command in PREPARE} == {"flink", "SparkRunner", "DataflowRunner"}


@pytest.mark.parametrize("command", PREPARE)
@pytest.mark.slow
def test_beam_knows_every_flag(command: str, tmp_path: Path) -> None:
    """As make hands them on, which looks first whether the files are there."""
    for name in ("corpus.en", "corpus.fr"):
        (tmp_path / name).touch()
    make, *arguments = shlex.split(command.replace("/data", str(tmp_path)))
    result = subprocess.run(
        [make, "--dry-run", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
    )
    last = next(line for line in reversed(result.stdout.splitlines()) if "recipes.run" in line)
    # The shell that runs it has make's variables in its environment.
    variables = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    flags = shlex.split(re.sub(r'"\$(\w+)"', lambda found: shlex.quote(variables[found[1]]), last.partition(" -- ")[2]))
    assert flags[0].startswith("--runner=")
    assert _unknown_flags(PipelineOptions(flags)) == []
    if "Dataflow" not in flags[0]:
        pipeline_options(flags)


def test_beam_has_every_runner_that_make_takes() -> None:
    assert {name for name in RUNNERS if name.endswith("Runner")} < set(StandardOptions.KNOWN_RUNNER_NAMES)
