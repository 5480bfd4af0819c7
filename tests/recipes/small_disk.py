"""Goes the whole road on a disk that is full at every stage; run by test_full_disk.py in a mount namespace of its own.

    unshare --user --map-root-user --mount python -m tests.recipes.small_disk DIRECTORY

Prints one JSON object a stage: what is said when the disk is full, and whether a second run, with room, succeeds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from model.training import tensorboard
from pipelines import translate
from recipes import run
from recipes.loading import load_recipe, save_recipe
from tests.numbers_corpus import write_corpus
from workspace.errors import explain

SETTINGS = {"split": {"dev_pairs": 20, "test_pairs": 30}, "training": {"epochs": 1}}


def main(directory: Path) -> None:
    tensorboard.PICTURES = 0  # They take half of the time of a training, and are written as the curves are.
    disk = directory / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", disk], check=True)
    source, target = write_corpus(directory, pairs=400)
    recipe = directory / "small.yaml"
    save_recipe(load_recipe("tiny", SETTINGS), recipe)
    road = ["--work", str(disk / "run"), "--recipe", str(recipe)]
    road += ["--train-source", str(source), "--train-target", str(target)]
    for stage in ("prepare", "train", "evaluate", "export"):
        report(stage, disk, lambda until=stage: run.main([*road, "--until", until]))  # type: ignore[misc]
    files = ["--input", str(source), "--output", str(disk / "out.fr")]
    report("translate", disk, lambda: translate.main(["--work", str(disk / "run"), *files]))


def report(stage: str, disk: Path, command: Callable[[], None]) -> None:
    """Runs a stage with no room, then with room."""
    before = _files(disk)
    try:
        command()
        said = None
    except Exception as error:
        said = explain(error)
    lost = sorted(before - _files(disk))
    _resize(disk, "50m")
    command()
    _resize(disk, f"{_used_kilobytes(disk)}k")
    print(json.dumps({"stage": stage, "said": said, "lost": lost}))


def _files(disk: Path) -> set[str]:
    return {str(path.relative_to(disk)) for path in disk.rglob("*") if path.is_file()}


def _used_kilobytes(disk: Path) -> int:
    state = os.statvfs(disk)
    return (state.f_blocks - state.f_bfree) * state.f_frsize // 1024


def _resize(disk: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
