"""Files are opened by ``workspace.storage`` and nowhere else, so that they may be anywhere."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("rnnsearch", "workspace", "recipes", "pipelines", "model", "serving")

# What opens, writes or removes files, by the name it is called by.
OPENS = {
    *("open", "read_text", "write_text", "read_bytes", "write_bytes", "touch", "mkdir", "unlink", "rename", "rmdir"),
    *("copyfile", "copytree", "rmtree", "copy2", "memmap", "GFile"),
    *("TemporaryDirectory", "NamedTemporaryFile", "mkdtemp", "mkstemp", "TemporaryFile"),
}
# The functions of the seam, which may be called by their names alone.
OF_THE_SEAM = {"read_text", "write_text", "read_bytes", "write_bytes"}

# What is of this machine by its nature, and never in a work directory, a corpus, an input or an output.
OF_THIS_MACHINE = {
    "workspace/storage.py": "the seam",
    "workspace/scratch.py": "scratch",
    "workspace/web_hdfs.py": "what the seam uploads to Hadoop's file system",
    "workspace/lock.py": "locks of this machine's file systems",
    "workspace/certificates.py": "OpenSSL takes files only",
    "workspace/command.py": "standard streams",
    "recipes/environment.py": "makes .venv, by the system's Python",
    "recipes/corpora.py": "asks the system for the state of an opened file",
    "pipelines/corpora/downloads.py": "goes on in a file of scratch with what was downloaded before",
    "model/devices/workers.py": "what its processes say",
    "serving/api/memory.py": "/proc",
}
ROOMS_OF_THIS_MACHINE = ("pipelines/runners/",)  # processes of Beam and Flink, their logs and jars


def opened_in(code: str) -> list[str]:
    """The calls that open files by themselves, as ``name, line``."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call):
            by_name = isinstance(node.func, ast.Name)
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in OPENS and not (by_name and name in OF_THE_SEAM):
                found.append(f"{ast.unparse(node.func)}, line {node.lineno}")
    return found


def modules() -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("module", modules())
def test_only_the_seam_opens_files(module: str) -> None:
    if module not in OF_THIS_MACHINE and not module.startswith(ROOMS_OF_THIS_MACHINE):
        assert opened_in((ROOT / module).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("module", OF_THIS_MACHINE)
def test_no_exception_is_left_over(module: str) -> None:
    assert opened_in((ROOT / module).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "code", ["open('x')", "path.open()", "Path('x').read_text()", "io.open('x')", "gzip.open('x')", "shutil.rmtree(x)"]
)
def test_what_opens_is_seen(code: str) -> None:
    assert opened_in(code)
    assert opened_in("read_text(location)") == []
