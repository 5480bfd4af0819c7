"""The project as others install it: bare, it is the client; on a Beam worker, there is what its DoFns need."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BARE = ("grpcio", "protobuf", "pydantic", "regex", "rich", "tqdm")
# Imports every module of the pipelines, and says which DoFns there are.
DO_FNS = """
import importlib, pkgutil
import apache_beam, pipelines
for module in pkgutil.walk_packages(pipelines.__path__, "pipelines."):
    importlib.import_module(module.name)
def below(kind):
    return [kind, *(found for each in kind.__subclasses__() for found in below(each))]
print(*(kind.__name__ for kind in below(apache_beam.DoFn) if kind.__module__.startswith("pipelines.")))
"""
# What a user writes, and what a type checker must find in it.
TYPED = """
import rnnsearch

with rnnsearch.load("work/bible", version=1) as translator:
    reveal_type(translator.translate(["one"]))
    reveal_type(translator.align(["one"])[0].links())
reveal_type(rnnsearch.train("work/bible").best_dev_score)
rnnsearch.connect("localhost:8500").translate("one", 2)
"""


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As Beam makes it for its workers (apache_beam.runners.portability.stager)."""
    source = tmp_path_factory.mktemp("source") / "project"
    ignored = shutil.ignore_patterns(".*", "work", "tests", "benchmarks", "*.egg-info", "build", "__pycache__")
    shutil.copytree(ROOT, source, ignore=ignored)
    subprocess.run([sys.executable, "setup.py", "-q", "sdist"], cwd=source, check=True, capture_output=True)
    (made,) = (source / "dist").iterdir()
    return made


def closure(names: Iterable[str]) -> Iterator[Distribution]:
    """These distributions and what they require, without extras, as they are installed here."""
    waiting, found = list(names), set()
    while waiting:
        requirement = waiting.pop()
        name = re.match(r"[\w.-]+", requirement)
        if name is None or "extra ==" in requirement or name[0].lower() in found:
            continue
        found.add(name[0].lower())
        try:
            installed = distribution(name[0])
        except ModuleNotFoundError:
            continue  # for another Python or system; what is truly missing shows when it is imported
        waiting += installed.requires or []
        yield installed


def environment(directory: Path, sdist: Path, names: Iterable[str]) -> str:
    """An environment of its own: the project from its sdist, without extras, and only these packages; its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory)], check=True)
    (packages,) = directory.glob("lib/python*/site-packages")
    # Linked from this environment: downloading and unpacking them anew would take a minute.
    for installed in closure(names):
        for file in installed.files or []:
            if ".." not in file.parts and file.suffix != ".pyc":
                link = packages / file
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(Path(str(installed.locate_file(file))))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    alone = ["--no-deps", "--no-index", "--no-build-isolation", "--target", str(packages)]
    subprocess.run([*pip, *alone, str(sdist)], check=True, capture_output=True)
    return str(directory / "bin" / "python")


@pytest.fixture(scope="module")
def bare(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return environment(tmp_path_factory.mktemp("bare"), sdist, BARE)


@pytest.fixture(scope="module")
def worker(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    requirements = (ROOT / "pipelines/requirements.txt").read_text(encoding="utf-8").split()
    return environment(tmp_path_factory.mktemp("worker"), sdist, [*BARE, "apache-beam", *requirements])


def run(python: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    # -I: neither this directory nor PYTHONPATH.
    return subprocess.run([python, "-I", *arguments], cwd=cwd, capture_output=True, text=True, check=False)


def test_bare_it_is_the_client(bare: str, tmp_path: Path) -> None:
    code = "import rnnsearch; rnnsearch.connect('localhost:1').translate(['one'])"
    said = run(bare, "-c", code, cwd=tmp_path).stderr.splitlines()[-1]
    assert said.endswith("TranslationError: no server answers at localhost:1: start one with make serve PORT=1")
    asked = run(bare, "-m", "rnnsearch", "translate", "--server=localhost:1", "one", cwd=tmp_path)
    assert asked.stderr == "error: no server answers at localhost:1: start one with make serve PORT=1\n"
    everything = "from rnnsearch import *; import rnnsearch; help(rnnsearch); assert not hasattr(rnnsearch, 'nonesuch')"
    assert run(bare, "-c", everything, cwd=tmp_path).returncode == 0
    listed = run(bare, "-m", "rnnsearch", "--help", cwd=tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "")


def test_the_page_comes_with_it(bare: str) -> None:
    (installed,) = Path(bare).parents[1].glob("lib/python*/site-packages/serving/web")
    assert {file.name for file in installed.iterdir()} == {file.name for file in (ROOT / "serving/web").iterdir()}


@pytest.mark.parametrize("command", ["train --work .", "prepare --work .", "server --model_base_path=/nowhere"])
def test_what_is_missing_is_said(command: str, bare: str, tmp_path: Path) -> None:
    said = run(bare, "-m", "rnnsearch", *command.split(), cwd=tmp_path)
    assert said.returncode == 1
    assert re.fullmatch(r"error: the package \w+ is not installed; .*'\.\[all\]'.*\n", said.stderr)


@pytest.mark.parametrize("call", ["prepare('work')", "train('work')", "load('work')"])
def test_python_is_told_too(call: str, bare: str, tmp_path: Path) -> None:
    (tmp_path / "work/export/1").mkdir(parents=True)
    said = run(bare, "-c", f"import rnnsearch; rnnsearch.{call}", cwd=tmp_path).stderr.splitlines()[-1]
    assert re.search(r"UserError: the package \w+ is not installed; .*'\.\[all\]'", said)


def test_a_worker_can_import_every_do_fn(worker: str, tmp_path: Path) -> None:
    """Beam's workers install the project without extras; what else they need is in the requirements file."""
    ran = run(worker, "-c", DO_FNS, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    in_the_source = re.findall(
        r"^class (\w+)\(beam\.DoFn\)",
        "".join(path.read_text(encoding="utf-8") for path in (ROOT / "pipelines").rglob("*.py")),
        re.MULTILINE,
    )
    assert sorted(ran.stdout.split()) == sorted(in_the_source)
    assert len(in_the_source) > 5


def test_types_come_with_it(worker: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(TYPED, encoding="utf-8")
    command = ["-m", "mypy", "--strict", "--cache-dir", str(tmp_path), "--python-executable", worker, str(script)]
    found = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
    notes = re.findall(r'Revealed type is "(.*)"', found.stdout.replace("builtins.", ""))
    assert notes == ["list[serving.client.answers.Translation]", "list[tuple[int, int]]", "float"]
    (error,) = re.findall(r"script.py:(\d+): error: ", found.stdout)
    assert error == str(TYPED.count("\n"))
