"""What Beam says of a job that fails: nothing, and with --debug what it says by itself, from its workers too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.own_lines import foreign_lines
from tests.pipelines.support import SOURCES, TARGETS, as_settings, new_work, write_pair
from workspace.layout import WorkDirectory

pytestmark = pytest.mark.slow

PROCESSES = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]


@pytest.fixture
def work(tmp_path: Path) -> WorkDirectory[Path]:
    """With two corpora, so that Beam indexes them; one has sides of different lengths, which a worker notices."""
    targets = {"good": TARGETS, "bad": TARGETS[:-1]}
    files = {name: write_pair(tmp_path / name, SOURCES, target) for name, target in targets.items()}
    corpus = {"train": [{"name": name, **as_settings(pair)} for name, pair in files.items()]}
    return new_work(tmp_path / "work", None, corpus=corpus)


def failed(module: str, *arguments: str) -> str:
    """Standard error of a command that must fail, ending in its sentence."""
    command = [sys.executable, "-m", module, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "text.en has 300 lines but " in ran.stderr.splitlines()[-1]
    assert ran.stderr.splitlines()[-1].startswith("error: ")
    return ran.stderr


@pytest.mark.parametrize("flags", [[], PROCESSES], ids=["one process", "worker processes"])
def test_a_job_that_fails_says_its_sentence_only(flags: list[str], work: WorkDirectory[Path]) -> None:
    assert foreign_lines(failed("pipelines.prepare", "--work", str(work.root), *flags)) == []


def test_with_debug_beam_logs_the_error_and_the_command_its_traceback(work: WorkDirectory[Path]) -> None:
    said = failed("pipelines.prepare", "--work", str(work.root), "--debug")
    assert "ERROR:apache_beam.runners.common:" in said
    assert said.count("workspace.errors.UserError: ") > 1


def test_with_debug_worker_processes_are_heard(work: WorkDirectory[Path]) -> None:
    """Through recipes.run, which has the stage's command in its own process."""
    recipe = ["--work", str(work.root), "--recipe", str(work.recipe), "--until", "prepare"]
    said = failed("recipes.run", *recipe, "--debug", "--", *PROCESSES)
    # A logger that only worker processes have.
    assert "ERROR:apache_beam.runners.worker.sdk_worker:Error processing instruction" in said
    # Their errors are heard, the story of their lives is not.
    assert "INFO:" not in said
