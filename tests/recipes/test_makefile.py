"""What make refuses before anything runs, and what it hands on, with an environment that does nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from recipes.make_variables import USED, VARIABLES, check_names, check_targets, check_used, check_values
from tests.conftest import alone
from workspace.errors import UserError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The Makefile and what it needs beside; the environment's Python prints what it is given, one argument a line."""
    clone = tmp_path / "clone"
    (clone / ".venv/bin").mkdir(parents=True)
    for name in ("Makefile", "setup.py", "constraints.txt"):
        shutil.copy(ROOT / name, clone)
    for name in ("recipes", "workspace"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("python", "lint-imports"):
        command = clone / ".venv/bin" / name
        command.write_text('#!/bin/sh\n[ "$1" != -c ] || exit 1\nprintf "%s\\n" "$@"\n', encoding="utf-8")
        command.chmod(0o755)
    (clone / "pipelines").mkdir()
    shutil.copy(ROOT / "pipelines/requirements.txt", clone / "pipelines")
    made_from = ("setup.py", "pipelines/requirements.txt", "constraints.txt")
    (clone / ".venv/complete").write_bytes(b"".join((clone / name).read_bytes() for name in made_from))
    return clone


def outside_make() -> dict[str, str]:
    """The environment, without what a make that runs the tests was given itself."""
    unset = ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL", *VARIABLES)
    return {name: value for name, value in os.environ.items() if name not in unset}


def make(clone: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**outside_make(), **settings}
    return subprocess.run(["make", *arguments], cwd=clone, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "WOKR=x"], "make has no variable WOKR; did you mean WORK?"),
        (["-n", "clean", "STRATEGY=foo"], "STRATEGY=foo: it takes auto, one, *; did you mean STRATEGY=one?"),
        (["translate"], "translate: what? give TEXT='…' to ask the running server, or IN= OUT= for files"),
        (["translate", "IN=Makefile"], "translate IN=Makefile: where to? give OUT=file or directory too"),
        (["train", "RECIPE=no.yaml"], "RECIPE=no.yaml: there is no such file"),
        (["train", "SRC=no.en", "TGT=no.fr"], "SRC=no.en: there is no such file"),
        (["train", "SRC=Makefile"], "SRC=Makefile: and the other side? give TGT=file too"),
        (["train", "TEST_SRC=Makefile", "TEST_TGT=Makefile b"], "TEST_TGT=b: there is no such file; put a path with*"),
        (["evaluate", "AGAINST=x"], "AGAINST=x: there is no such directory; give the WORK of another run"),
        (["translate", "TEXT=x", "SERVER=a:b"], "SERVER=a:b: it takes host:port, such as localhost:8500"),
        (
            ["prepare", "RUNNER=flink", "FLINK_MASTER=a"],
            "FLINK_MASTER=a: it takes host:port, such as localhost:8081",
        ),
        (["prepare", "FLINK_MASTER=a:1"], "FLINK_MASTER=a:1: it is for Flink; give RUNNER=flink too"),
        (
            ["translate", "TEXT=x", "IN=Makefile", "OUT=x"],
            "translate: TEXT= and IN= exclude one another; give one of them",
        ),
        (["train", "STRATEGY=one", "WORKERS=2"], "WORKERS= and STRATEGY=one exclude one another; give one of them"),
        (["evaluate", "TEXT=x"], "TEXT= has no effect on make evaluate; leave it out (it is for translate)"),
        (
            ["translate", "TEXT=x", "PORT=1", "SERVER=a:1"],
            "translate: SERVER= and PORT= exclude one another; give one of them",
        ),
    ],
    ids=[
        "name",
        "value",
        "translate",
        "translate IN",
        "recipe",
        "file",
        "side",
        "references",
        "against",
        "server",
        "master",
        "no runner",
        "both",
        "spread",
        "no effect",
        "server and port",
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(clone: Path, arguments: Sequence[str], sentence: str) -> None:
    """Before anything runs: there is no environment yet, and none is made."""
    shutil.rmtree(clone / ".venv")
    done = make(clone, *arguments)
    assert done.returncode != 0
    assert fnmatchcase(done.stderr.splitlines()[0], f"error: {sentence}")
    assert not list(clone.glob(".venv*"))


@pytest.mark.parametrize(
    ("targets", "given", "refused"),
    [
        (["serve"], ["WORK", "PORT", "STRATEGY"], "STRATEGY"),
        (["summary"], ["SRC", "TGT", "FORCE"], "FORCE"),
        (["prepare", "summary"], ["WORK", "BEAM", "SET", "IN"], "IN"),
        (["translate"], ["TEXT", "BEAM"], "BEAM"),
        (["translate"], ["IN", "OUT", "BEAM", "PORT"], None),
        (["train", "translate"], ["TEXT", "SET", "PORT", "PYTHON", "DEBUG"], None),
        ([], ["TEXT"], None),
    ],
)
def test_what_no_target_uses_is_refused(targets: list[str], given: list[str], refused: str | None) -> None:
    if refused is None:
        check_used(given, targets)
    else:
        with pytest.raises(UserError, match=rf"^{refused}= has no effect on make {' '.join(targets)}.*; leave it out"):
            check_used(given, targets)


# What is read by whatever needs it, and is in no command line.
BY_ENVIRONMENT = {"SCRATCH"}


def test_what_a_target_uses_is_what_its_commands_have() -> None:
    """And those of the targets before it; but the preparation hears nothing of how the training is spread."""
    values = dict(re.findall(r"^(\w+) :?= ((?:.*\\\n)*.*)", MAKEFILE, re.MULTILINE))
    rules = re.findall(r"^([a-z-]+): (.*?)(?: ##.*)?\n((?:\t.*\n|ifdef.*\n|else\n|endif\n)*)", MAKEFILE, re.MULTILINE)

    def named(text: str) -> set[str]:
        found = set(re.findall(r"\$\$?[({]?([A-Z][A-Z_0-9]+)\b", text)) & set(VARIABLES)
        return found.union(*(named(values.pop(name)) for name in re.findall(r"\$\((\w+)", text) if name in values))

    everything = dict(values)
    used: dict[str, set[str]] = {}
    for target, before, commands in rules:
        values = dict(everything)
        used[target] = named(commands).union(*(used.get(name, set()) for name in before.split()))
    files = {name for name in VARIABLES if name.endswith(("SRC", "TGT"))}
    assert used.keys() >= USED.keys()
    for target, variables in USED.items():
        run = {"RECIPE", *files} if "WORK" in used[target] else set()
        spread = {"STRATEGY", "WORKERS"} if target in ("prepare", "clean-report") else set()
        assert variables - BY_ENVIRONMENT == (used[target] | run) - spread - {"DEBUG", "PYTHON"}, target


def test_names_are_refused_with_the_nearest_right_one() -> None:
    check_names(list(VARIABLES))
    for name, said in {
        "strategy": "did you mean STRATEGY?",
        "DEVSRC": "did you mean DEV_SRC?",
        "ZZZ": "make help",
    }.items():
        with pytest.raises(UserError, match=re.escape(said)):
            check_names(["WORK", name])


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("STRATEGY=mirored", "STRATEGY=mirrored"),
        ("WORKERS=abc", "WORKERS=1"),
        ("WORKERS=0", "WORKERS=1"),
        ("WORKERS=2.5", "WORKERS=2"),
        ("RUNNER=spark", "RUNNER=SparkRunner"),
        ("RUNNER=Flink", "RUNNER=flink"),
        ("PORT=80000", "PORT=65535"),
        ("REST_PORT=-1", "REST_PORT=0"),
        ("RECIPE=bibel", "RECIPE=bible"),
    ],
)
def test_values_are_refused_with_the_nearest_right_one(given: str, nearest: str) -> None:
    name, value = given.split("=")
    with pytest.raises(UserError, match=rf"^{re.escape(given)}: it takes .*; did you mean {nearest}\?$"):
        check_values({name: value})
    check_values({name: nearest.split("=")[1]})


def test_values_that_are_taken(tmp_path: Path) -> None:
    recipe = tmp_path / "own.yaml"
    recipe.touch()
    for name, value in {"RECIPE": str(recipe), "RUNNER": "my.module.Runner", "WORKERS": "", "PYTHON": "sh"}.items():
        check_values({name: value})
    for name in ("PYTHON", "OPENNMT"):
        with pytest.raises(UserError, match=rf"^{name}=python2\.99: no such command"):
            check_values({name: "python2.99"})


def test_targets_lack_what_they_cannot_do_without() -> None:
    check_targets(["train"], {})
    check_targets(["translate"], {"IN": "x", "OUT": "y"})
    check_targets(["translate"], {"TEXT": "x"})
    for target, given, said in (
        ("translate", {"OUT": "x", "TEXT": "y"}, "translate OUT=x: what? give IN=file or directory too"),
        ("bench-train", {"SRC": "x"}, "bench-train: on what? give SRC=file TGT=file"),
    ):
        with pytest.raises(UserError, match=re.escape(said)):
            check_targets([target], given)


def test_values_come_to_commands_as_they_are(clone: Path) -> None:
    """Spaces, quotes and dollars; a name of the work directory is made of the corpus'."""
    for path in ("in $1", "my $dir/it's a.corpus.en.gz", "b"):
        (clone / path).parent.mkdir(exist_ok=True)
        (clone / path).touch()
    text = """it's "$5" for $HOME & `this` #1"""
    said = make(clone, "translate", f"TEXT={text}", "SERVER=unix:a b").stdout.splitlines()
    assert said == ["-m", "serving.translate", "--server", "unix:a b", "--", text]
    for which in (["WORK=my 'work'"], ["RECIPE=tiny"], ["SRC=b", "TGT=b"]):
        said = make(clone, "translate", "TEXT=x", *which).stdout.splitlines()
        work = "my 'work'" if "WORK" in which[0] else "work/tiny" if "RECIPE" in which[0] else "work/b"
        assert said == ["-m", "serving.translate", "--server", "localhost:8500", "--work", work, "--", "x"]
    said = make(clone, "translate", "TEXT=x", "PORT=18501").stdout.splitlines()
    assert said == ["-m", "serving.translate", "--server", "localhost:18501", "--", "x"]
    said = make(clone, "translate", "IN=in $1", "OUT=o", "SERVER=a:1", "WORK=w").stdout.splitlines()
    files = ["--input", "in $1", "--output", "o"]
    assert said == ["-m", "pipelines.translate", "--server", "a:1", "--work", "w", *files]
    said = make(clone, "translate", "IN=in $1", "OUT=it's out", "WORK=my 'work'", "RUNNER=direct").stdout.splitlines()
    files = ["--work", "my 'work'", "--input", "in $1", "--output", "it's out", "--runner=direct"]
    assert said == ["-m", "pipelines.translate", *files]
    more = ["FIELD=a b", "COLUMN=2", "SCORE=1", "NBEST=3", "ALIGN=1", "TERMS=t $1", "OVERWRITE=1", "COPIES=2"]
    said = make(clone, "translate", "IN=in*", "OUT=o", "WORK=w", *more).stdout.splitlines()
    assert said[2:8] == ["--work", "w", "--input", "in*", "--output", "o"]
    assert said[8:] == [
        *("--field", "a b", "--column", "2", "--score", "--nbest", "3", "--alignment"),
        *("--terms", "t $1", "--overwrite", "--model_copies", "2"),
    ]
    said = make(clone, "train", "SRC=my $dir/it's a.corpus.en.gz", "TGT=b", "STRATEGY=one").stdout.splitlines()
    corpus = ["--train-source", "my $dir/it's a.corpus.en.gz", "--train-target", "b"]
    assert said[2:] == ["--work", "work/it's a.corpus", "--recipe", "bible", *corpus, "--strategy", "one"]
    said = make(clone, "prepare", "RUNNER=my.module.Runner", "BEAM=--a='b c' --d").stdout.splitlines()
    assert said[-4:] == ["--", "--runner=my.module.Runner", "--a=b c", "--d"]


def test_a_work_directory_alone_says_which_run_is_meant(clone: Path) -> None:
    """Its recipe is not named; without any of them, or with a corpus alone, it is the Bible's."""
    road = ["-m", "recipes.run", "--work"]
    assert make(clone, "train", "WORK=my run").stdout.splitlines() == [*road, "my run"]
    assert make(clone, "train").stdout.splitlines() == [*road, "work/bible", "--recipe", "bible"]
    assert make(clone, "train", "WORK=w", "RECIPE=tiny").stdout.splitlines() == [*road, "w", "--recipe", "tiny"]
    assert make(clone, "train", WORK="w").stdout.splitlines() == [*road, "w"]
    given = ["WORK=w", "SET=training.epochs=2 name='my run'", "FORCE=1"]
    said = make(clone, "evaluate", *given).stdout.splitlines()
    assert said == [*road, "w", "--set", "training.epochs=2 name='my run'", "--force", "--until", "evaluate"]
    (clone / "it's $x").mkdir()
    assert make(clone, "evaluate", "WORK=w", "AGAINST=it's $x").stdout.splitlines()[-2:] == ["--against", "it's $x"]
    for name in ("b.en.bz2", "b.fr", "news [1] (2).en.zst"):
        (clone / name).touch()
    said = make(clone, "train", "SRC=news [1] (2).en.zst", "TGT=b.fr").stdout.splitlines()
    assert said[3] == "work/news _1_ (2)"
    assert make(clone, "train", "SRC=b.en.bz2", "TGT=b.fr").stdout.splitlines()[3:6] == ["work/b", "--recipe", "bible"]


def test_text_may_come_from_the_environment(clone: Path) -> None:
    assert make(clone, "translate", TEXT="a b").stdout.splitlines()[-1] == "a b"


def test_commands_say_that_the_environment_is_old_and_go_on(clone: Path) -> None:
    """By what is in the files, not by when they were written."""
    os.utime(clone / "setup.py")
    fresh = make(clone, "summary")
    assert (fresh.returncode, fresh.stderr) == (0, "")
    with (clone / "setup.py").open("a") as file:
        file.write("#\n")
    old = make(clone, "summary")
    assert (old.returncode, old.stdout) == (0, fresh.stdout)
    assert old.stderr == (
        "note: setup.py, pipelines/requirements.txt or constraints.txt changed since .venv was made; "
        "make environment makes it anew\n"
    )


def test_the_environment_keeps_its_python(clone: Path) -> None:
    """Whichever it was made with: its own makes it anew, and adds the tools."""
    python = clone / ".venv/bin/python"
    python.write_text('#!/bin/sh\n[ "$1" != -c ] || exit 0\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    assert make(clone, "environment").stdout.splitlines()[-2:] == ["-m", "recipes.environment"]
    assert "recipes.environment\n--tools\n" in make(clone, "lint").stdout


def test_a_link_to_an_environment_is_used_and_removed_as_a_link(clone: Path, tmp_path: Path) -> None:
    linked = (clone / ".venv").rename(tmp_path / "linked")
    (clone / ".venv").symlink_to(linked)
    assert make(clone, "summary").returncode == 0
    assert make(clone, "clean").returncode == 0
    assert not os.path.lexists(clone / ".venv")
    assert (linked / "complete").exists()


def test_tests_are_run_with_what_they_need(clone: Path) -> None:
    (clone / ".venv/tools").touch()
    assert make(clone, "test-fast").stdout.splitlines()[-2:] == ["pytest", "--fast"]
    tests = """tests/a.py tests/b.py::c[1] 'tests/d.py::e[it is "$5"]'"""
    said = make(clone, "test", f"TESTS={tests}").stdout.splitlines()
    assert said[-4:] == ["pytest", "tests/a.py", "tests/b.py::c[1]", 'tests/d.py::e[it is "$5"]']


@pytest.mark.parametrize("test", ["tests/a.py::b[c]", """tests/a.py::b[it's "$HOME" [c]]"""])
def test_what_a_failed_test_says_runs_it_alone(clone: Path, test: str) -> None:
    """Whatever is in its id, pasted into a shell."""
    (clone / ".venv/tools").touch()
    done = subprocess.run(
        ["sh", "-c", alone(test)], cwd=clone, env=outside_make(), capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-2:] == ["pytest", test]


@pytest.mark.skipif(sys.platform != "linux", reason="finds a process in /proc")
@pytest.mark.parametrize("target", ["serve", "train"])
def test_a_make_that_is_stopped_stops_its_command(clone: Path, target: str) -> None:
    python = clone / ".venv/bin/python"
    python.write_text('#!/bin/sh\n[ "$1" != -c ] || exit 1\necho $$\nexec sleep 60\n', encoding="utf-8")
    with subprocess.Popen(
        ["make", target], cwd=clone, env=outside_make(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        command = int(process.stdout.readline())
        process.terminate()
        process.wait(20)
        assert process.stdout.read() == ""  # nobody is left who could say more
    assert not Path(f"/proc/{command}").exists()


def test_no_supported_python_is_a_sentence(clone: Path, tmp_path: Path) -> None:
    shutil.rmtree(clone / ".venv")
    old = tmp_path / "python2"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    done = make(clone, "train", f"PYTHON={old}")
    assert done.stderr.splitlines()[0] == (
        f"error: PYTHON={old} is no Python 3.10 to 3.13; install one, or name another with PYTHON="
    )
    assert not list(clone.glob(".venv*"))


def test_the_variables_are_those_of_the_makefile(clone: Path) -> None:
    used = set(re.findall(r"\$\$?[({]?([A-Z][A-Z_0-9]+)\b", MAKEFILE)) - {
        "GIVEN",
        "TARGETS",
        "MAKECMDGOALS",
        "MAKEFILE_LIST",
    }
    assert used | BY_ENVIRONMENT == set(VARIABLES)
    said = make(clone, "help").stdout
    assert [name for name in VARIABLES if f"{name}=" not in said] == []
