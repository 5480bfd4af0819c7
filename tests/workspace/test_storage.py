"""Results appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workspace.scratch import scratch_directory
from workspace.storage import read_json, replacing, write_text


def test_what_a_killed_process_of_the_same_id_left_is_not_in_the_result(tmp_path: Path) -> None:
    path = tmp_path / "result"
    for name in (f".result.{os.getpid()}.partial", f".result.{os.getpid()}.before", "result"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "old").touch()
    with replacing(path) as temporary:
        temporary.mkdir()
        (temporary / "new").touch()
    assert [entry.name for entry in path.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b""])
def test_what_is_no_json_is_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "mark.json").write_bytes(content)
    assert read_json(tmp_path / "mark.json") is None


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_a_result_appears_whole_or_not_at_all(kind: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "deep" / "result"
    with replacing(path) as temporary:
        temporary.write_text("first", encoding="utf-8")
    with pytest.raises(kind), replacing(path) as temporary:
        temporary.write_text("hal", encoding="utf-8")
        raise kind
    assert path.read_text(encoding="utf-8") == "first"
    assert list(path.parent.iterdir()) == [path]


def test_a_directory_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "result"
    for names in (("a", "b"), ("c",)):
        with replacing(path) as temporary:
            temporary.mkdir()
            for name in names:
                (temporary / name).touch()
    assert [entry.name for entry in path.iterdir()] == ["c"]


def test_what_is_renamed_has_reached_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the power fails, it would else be there, and empty."""
    real, settled = os.fsync, []

    def fsync(number: int) -> None:
        settled.append((os.fstat(number).st_size, sorted(path.name for path in tmp_path.glob("[!.]*"))))
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(tmp_path / "file", "four")
    with replacing(tmp_path / "result") as temporary:
        (temporary / "deep").mkdir(parents=True)
        (temporary / "one").write_text("1")
        (temporary / "deep" / "two").write_text("22")
    assert sorted(settled) == [(1, ["file"]), (2, ["file"]), (4, [])]


def test_what_is_in_scratch_need_not_reach_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of gigabytes would take the time of it."""
    settled: list[int] = []
    monkeypatch.setattr(os, "fsync", settled.append)
    with scratch_directory() as directory:
        write_text(directory / "deep" / "file", "four")
    assert not settled
