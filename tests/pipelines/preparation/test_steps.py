"""Steps that are done once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.preparation.steps import forget, made_once


def test_a_step_is_done_once_and_again_only_when_it_is_made_from_something_else(tmp_path: Path) -> None:
    directory = tmp_path / "step"
    calls: list[int] = []

    def make() -> list[int]:
        calls.append(len(list(directory.glob("made-*"))))
        (directory / f"made-{len(calls)}").touch()
        return [len(calls)]

    assert made_once(directory, {"a": (1, 2)}, make) == [1]
    assert made_once(directory, {"a": [1, 2]}, make) == [1]
    assert made_once(directory, {"a": [1, 3]}, make) == [2]
    # What was made before from something else is gone, and was not there while the step was done.
    assert calls == [0, 0]
    assert [path.name for path in directory.glob("made-*")] == ["made-2"]


def test_a_step_that_was_not_finished_goes_on_with_what_is_there(tmp_path: Path) -> None:
    directory = tmp_path / "step"

    def broken() -> int:
        (directory / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made_once(directory, 1, broken)
    assert made_once(directory, 1, (directory / "half").exists) is True


def test_a_step_that_is_forgotten_is_done_again(tmp_path: Path) -> None:
    assert made_once(tmp_path / "step", 1, lambda: "first") == "first"
    forget(tmp_path / "step")
    assert made_once(tmp_path / "step", 1, lambda: "second") == "second"


@pytest.mark.parametrize("damage", ["removed", "cut off", "changed"])
@pytest.mark.parametrize("name", ["a", "below/b"])
def test_a_step_whose_files_are_not_as_it_left_them_is_done_again(
    name: str, damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "step"
    calls: list[list[str]] = []

    def make() -> int:
        calls.append([path.name for path in directory.rglob("*")])
        (directory / "below").mkdir()
        for file in ("a", "below/b"):
            (directory / file).write_bytes(b"left")
        return len(calls)

    assert made_once(directory, 1, make) == 1
    path = directory / name
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(b"lef" if damage == "cut off" else b"lift")
    assert made_once(directory, 1, make) == 2
    assert path.read_bytes() == b"left"
    assert calls[1] == ["step.json"]
    assert capsys.readouterr().err == f"warning: {path} is missing or damaged; {directory} is made anew\n"
