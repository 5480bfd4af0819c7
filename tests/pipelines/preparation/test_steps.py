"""Steps that are done once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.preparation.steps import forget, made_once, step_directory


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


def test_what_a_late_worker_of_another_run_writes_is_not_taken_for_the_steps_own(tmp_path: Path) -> None:
    """It has the names of its files from its own run; and what that left is removed, but no other step's."""
    first, second = (Path(str(step_directory(tmp_path, "clean", {"shards": shards}))) for shards in (2, 3))
    other = Path(str(step_directory(tmp_path, "clean_up", {"shards": 2})))
    for directory in (first, other):
        made_once(directory, directory.name, (directory / "00000").touch)

    def make() -> None:
        first.mkdir(exist_ok=True)
        (first / "00001").write_bytes(b"late")
        (second / "00001").write_bytes(b"own")

    made_once(second, second.name, make)
    assert (second / "00001").read_bytes() == b"own"
    assert not (second / "00000").exists()
    assert not (first / "00000").exists()
    assert (other / "00000").exists()
    assert step_directory(tmp_path, "clean", {"shards": 2}) == first != second


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
