"""Every command there is: what it answers at once, and that it ends at once as long as it starts up."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from recipes import run
from recipes.stages import STAGES
from tests.numbers_corpus import write_corpus
from tests.own_lines import foreign_lines
from workspace.errors import UserError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PACKAGES = ("workspace", "recipes", "pipelines", "model", "serving", "benchmarks")
COMMANDS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if '\nif __name__ == "__main__":' in path.read_text(encoding="utf-8")
)
STARTED_BY_OTHERS = {
    "benchmarks.load": "benchmarks.serving",
    "model.devices.workers": "model.train --workers",
    "pipelines.runners.local_worker": "the job",
}
# They only look at what they are given, or hand on to another command, which starts up itself.
NOTHING_TO_TIDY_UP = {"model.devices.workers", "recipes.make_variables", "serving.serve"}
# Runs a command and says at its end which packages it imported that are not Python's own, and its CPU seconds.
WATCHED = """
import atexit, runpy, sys, time
before = set(sys.modules)
def said():
    packages = {module.partition(".")[0] for module in set(sys.modules) - before} - set(sys.stdlib_module_names)
    print(*sorted(packages), time.process_time(), file=sys.__stderr__)
atexit.register(said)
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
WORKS_ON = re.compile(r"== |fetched|read |shards, ")  # what recipes.run says of its stages


def answered_at_once(command: str, flag: str) -> tuple[int, str, str]:
    """Exit code, output and standard error of a command, which must import nothing but the project for it."""
    ran = subprocess.run([sys.executable, "-c", WATCHED, command, flag], capture_output=True, text=True, check=False)
    *errors, last = ran.stderr.splitlines()
    *packages, seconds = last.split()
    assert set(packages) <= set(PACKAGES)
    assert float(seconds) < 1
    return ran.returncode, ran.stdout, "\n".join(errors)


def test_commands_are_found() -> None:
    assert {"recipes.run", "pipelines.prepare", "model.train", "serving.server", "benchmarks.load"} <= set(COMMANDS)


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - NOTHING_TO_TIDY_UP))
def test_it_says_where_starting_up_ends(command: str) -> None:
    """Until then Ctrl-C ends it at once, and nothing is tidied up."""
    source = (ROOT / command.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
    assert "    with starting_up():" in source


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str) -> None:
    code, said, errors = answered_at_once(command, "--help")
    assert (code, errors) == (0, "")
    said = " ".join(said.split())
    assert said.startswith(f"usage: python -m {command} [-h] [--debug]")
    for words in (
        "--debug show the traceback of an error, and what libraries say",
        "--version",
        " reads: ",
        " writes: ",
    ):
        assert words in said
    if command in STARTED_BY_OTHERS:
        assert f"Started by {STARTED_BY_OTHERS[command]}" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_version(command: str) -> None:
    code, said, errors = answered_at_once(command, "--version")
    assert (code, errors) == (0, "")
    project = f"rnnsearch {version('rnnsearch')}\n"
    # The stand-in says what the real server would.
    assert said.startswith("TensorFlow ModelServer: ") if command == "serving.server" else said == project


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_command_line_is_told_at_once(command: str) -> None:
    code, said, errors = answered_at_once(command, "--nonesuch")
    assert (code, said) == (2, "")
    assert f"python -m {command}: error: " in errors.splitlines()[-1]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--strategy", "both"], "argument --strategy: invalid choice: 'both'"),
        (["--workers", "0"], "argument --workers: 0 is not positive"),
        (["--workers", "two"], "argument --workers: two is not positive"),
        (["--until", "training"], "argument --until: invalid choice: 'training'"),
    ],
)
def test_wrong_values_are_told_before_anything_is_done(
    flags: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run.main(["--work", str(tmp_path / "run"), *flags])
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_one_way_to_spread_a_training(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--workers and --strategy tpu exclude one another"):
        run.main(["--work", str(tmp_path / "run"), "--strategy", "tpu", "--workers", "2"])


@pytest.mark.parametrize(("strategy", "variable"), [("tpu", "TPU_NAME"), ("multi_worker", "TF_CONFIG")])
def test_what_the_environment_does_not_name_is_told_before_anything_is_done(
    strategy: str, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(UserError, match=rf"{strategy} needs .* in {variable}, which is not set"):
        run.main(["--work", str(tmp_path / "run"), "--strategy", strategy])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_is_no_traceback(number: int) -> None:
    """It comes while the first is being told of."""
    program = f"""
import os
from workspace import command
command.explain = lambda error: os.kill(os.getpid(), {int(number)})
def main(_):
    with command.starting_up():
        pass
    os.kill(os.getpid(), {int(number)})
command.run_command(main)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (130, "")


def test_the_stages_by_their_names() -> None:
    assert tuple(stage.name for stage in STAGES) == run.STAGE_NAMES


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_swallows_a_signal_while_a_command_starts_up(number: int) -> None:
    """As an import may: a KeyboardInterrupt within a destructor or the callback of a weak reference is lost."""
    program = f"""
import os
from workspace.command import run_command, starting_up
class Library:
    def __del__(self):
        os.kill(os.getpid(), {int(number)})
def main(_):
    with starting_up():
        try:
            library = Library()
            del library
        except BaseException:
            pass
        print("went on", flush=True)
run_command(main)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "")


def test_signals_are_as_before_when_a_command_has_started_up() -> None:
    program = """
import os, signal
from workspace.command import run_command, starting_up
def main(_):
    with starting_up():
        pass
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    finally:
        print("tidied up", flush=True)
run_command(main)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (130, "tidied up\n")
    assert ran.stderr == "error: interrupted; what was finished is kept, run the same command again to go on\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads the CPU seconds of a process in /proc")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("command", ["recipes.run", "serving.server"])
def test_interrupted_at_any_moment(command: str, seed: int, tmp_path: Path) -> None:
    """After so many CPU seconds: before the first few hundredths, it is Python itself that starts."""
    source, target = write_corpus(tmp_path, pairs=400)
    road = ["--work", str(tmp_path / "run"), "--recipe", "tiny"]
    road += ["--train-source", str(source), "--train-target", str(target)]
    flags = {"recipes.run": road, "serving.server": ["--port=0", f"--model_base_path={tmp_path}"]}[command]
    moment = random.Random(f"{command} {seed}").uniform(0.15, 3)
    with subprocess.Popen(
        [sys.executable, "-m", command, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        give_up = time.monotonic() + 30
        while cpu_seconds(process.pid) < moment and time.monotonic() < give_up:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert all(map(WORKS_ON.match, said.splitlines()))
    assert foreign_lines(errors) == []
    # Silently, or where the work had begun in a sentence, the last.
    assert "error:" not in errors or errors.splitlines()[-1].startswith("error: interrupted")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
