"""Whole jobs, by a model that is worked by hand, or killed half-way."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from backports import zstd

from pipelines.runners.options import ready_runner
from pipelines.translation import chunks
from pipelines.translation.asked import Asked
from pipelines.translation.chunks import Run, Text, chunked
from pipelines.translation.inputs import find_files
from pipelines.translation.job import translate_files
from pipelines.translation.outputs import check_all_translated
from pipelines.translation.workers import TranslateChunk
from tests.pipelines.translation.support import ASKED, BREAK, LONGEST, REFUSED, BrokenOffError, Capitals, contents
from workspace.errors import UserError
from workspace.storage import read_json

pytestmark = pytest.mark.slow


def translate(given: Path, output: Path, model: Capitals | None = None, **more: Any) -> dict[str, Any]:
    """The manifest."""
    asked = more.pop("asked", Asked())
    files = find_files(str(given), output, False, None)
    with ready_runner(more.pop("flags", [])) as options:
        return translate_files(files, asked, model or Capitals(), options, **more)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    directory = tmp_path / "in"
    (directory / "deep").mkdir(parents=True)
    (directory / "a.txt").write_bytes(b"one\n\nb\xffd\n" + b"x" * (LONGEST + 1) + b"\nOne two. Three four. Five\ntwo")
    (directory / "deep" / "b.jsonl.gz").write_bytes(gzip.compress(b'{"id": 1, "text": "three"}\n{"text": ""}\n'))
    (directory / "c.csv.zst").write_bytes(zstd.compress(b'text,n\n"four, five",4\n'))
    pyarrow.parquet.write_table(pyarrow.table({"text": ["six", None]}), directory / "d.parquet")
    (directory / "empty.txt").touch()
    (directory / "unread.csv").write_bytes(b"other\n1\n")
    (directory / os.fsdecode(b"\xff.txt")).touch()
    return directory


def test_files_of_all_formats_come_out_as_they_went_in(
    texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    output, asked = tmp_path / "out", Asked()
    manifest = translate(texts, output)
    found = contents(output)
    assert found["a.txt"] == b"ONE\n\n\n\nONE TWO. THREE FOUR. FIVE\nTWO"
    assert gzip.decompress(found["deep/b.jsonl.gz"]) == (
        b'{"id": 1, "text": "three", "translation": "THREE"}\n{"text": "", "translation": ""}\n'
    )
    assert list(csv.DictReader(zstd.decompress(found["c.csv.zst"]).decode().splitlines())) == [
        {"text": "four, five", "n": "4", "translation": "FOUR, FIVE"}
    ]
    assert pyarrow.parquet.read_table(output / "d.parquet")["translation"].to_pylist() == ["SIX", ""]
    assert found["empty.txt"] == b""
    failed = [json.loads(line) for line in found["failed/a.txt.jsonl"].splitlines()]
    assert [(each["file"], each["line"]) for each in failed] == [("a.txt", 3), ("a.txt", 4)]
    assert [each["reason"][:11] for each in failed] == ["it is not U", "it is longe"]
    assert set(found) == {
        *("a.txt", "deep/b.jsonl.gz", "c.csv.zst", "d.parquet", "empty.txt"),
        *("failed/a.txt.jsonl", "manifest.json"),
    }
    assert manifest == read_json(output / "manifest.json")
    counts = {"records": 11, "translated": 6, "blank": 3, "failed": 2, "split": 1, "repeated": 0}
    assert manifest["counts"] == counts
    assert manifest["options"] == {**vars(asked), "terms": None}
    of_files = {each["input"]: each for each in manifest["files"]}
    assert len(of_files) == 7
    assert of_files[rf"{texts}/\udcff.txt"]["why"] == rf"{texts}/\udcff.txt: the name is not UTF-8; rename it"
    unread = of_files[str(texts / "unread.csv")]
    assert (unread["output"], unread["counts"]["records"]) == (None, 0)
    assert "has no column text" in unread["why"]
    said = capsys.readouterr().err
    assert f"warning: {unread['why']}; it is left out\n" in said
    assert f"warning: {texts}/empty.txt is empty, and so is its translation\n" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


@pytest.mark.parametrize("given", ["in", "in/unread.csv"])
def test_nothing_is_left_where_no_file_can_be_read(given: str, tmp_path: Path) -> None:
    unread = tmp_path / "in" / "unread.csv"
    unread.parent.mkdir()
    for file in (unread, unread.with_name("b.csv")):
        file.write_bytes(b"other\n1\n")
    with pytest.raises(UserError, match=r"\.csv has no column text"):
        translate(tmp_path / given, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_text_has_no_room_for_more_than_a_translation(texts: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^a\.txt is a text: .* and no room for score and alignment; give JSON Lines"):
        translate(texts, tmp_path / "out", asked=Asked(score=True, alignment=True))


def test_one_line_and_several_without_a_translation_are_counted(tmp_path: Path) -> None:
    text = tmp_path / "in"
    for count, sentence in ((1, "1 line has no translation: "), (2, "2 lines have no translation: ")):
        text.write_text(f"{REFUSED}\n" * count)
        files = find_files(str(text), tmp_path / "out", False, None)
        manifest = translate(text, tmp_path / "out", overwrite=True)
        with pytest.raises(UserError, match=f"^{sentence}{tmp_path}/out.failed.jsonl says why$"):
            check_all_translated(manifest, files)


def test_nothing_is_left_where_the_model_fails_at_once(texts: Path, tmp_path: Path) -> None:
    ASKED.clear()
    with pytest.raises(Exception, match="BrokenOffError"):
        translate(texts, tmp_path / "out", Capitals(breaks_after=0))
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_what_is_there_is_replaced_only_if_that_is_asked_for(
    texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """A file that only the earlier job has made stays, and a list of what has no translation goes with its cause."""
    output = tmp_path / "out"
    translate(texts, output)
    before = contents(output)
    made = (output / "deep" / "b.jsonl.gz").read_bytes()
    (texts / "deep" / "b.jsonl.gz").unlink()
    (output / "ours").touch()
    with pytest.raises(UserError, match=f"^{output}/a.txt exists; .* --overwrite"):
        translate(texts, output, Capitals("others"))
    del before["manifest.json"]
    assert contents(output).items() >= before.items()
    (texts / "a.txt").write_text("one\n")
    capsys.readouterr()
    translate(texts, output, Capitals("others"), overwrite=True)
    said = f"note: 1 of the translations in {output}, such as deep/b.jsonl.gz, are of an earlier job, and stay; "
    assert said in capsys.readouterr().err
    assert set(contents(output)) == {*before, "ours", "manifest.json"} - {"failed/a.txt.jsonl"}
    assert (output / "deep" / "b.jsonl.gz").read_bytes() == made


@pytest.mark.parametrize(
    "theirs",
    [
        '{"files": {"main.css": "/x"}}',
        "[1, 2]",
        "no JSON",
        *(
            f'{{"files": [{{"output": "{name}", "failed": null}}], "options": {{}}, "model": {{}}, "counts": {{}}}}'
            for name in ("../precious", "/precious", "", ".", "a\\u0000b")
        ),
    ],
)
def test_a_manifest_of_something_else_and_what_it_names_are_left_alone(
    texts: Path, tmp_path: Path, theirs: str
) -> None:
    (tmp_path / "precious").touch()
    manifest = tmp_path / "out" / "manifest.json"
    manifest.parent.mkdir()
    manifest.write_text(theirs)
    with pytest.raises(UserError, match=f"^{manifest} is not of a translation, and would be written over; move it"):
        translate(texts, tmp_path / "out", overwrite=True)
    assert contents(tmp_path / "out") == {"manifest.json": theirs.encode()}
    assert (tmp_path / "precious").exists()


AS_RECORD: dict[str, Callable[[str], str]] = {"a.txt": str, "a.jsonl": lambda word: json.dumps({"text": word})}


@pytest.mark.parametrize("name", list(AS_RECORD))
def test_translations_of_what_an_input_was_are_not_put_beside_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It has as many records as before."""
    before, after = ("\n".join(map(AS_RECORD[name], words)) + "\n" for words in (["one", "two"], ["six", "ten"]))
    given, output = tmp_path / name, tmp_path / "out"
    given.write_text(before)
    monkeypatch.setitem(BREAK, "how", lambda: given.write_text(after))
    ASKED.clear()
    with pytest.raises(UserError, match=f"^{given} changed while it was translated; run the same command again$"):
        translate(given, output, Capitals(breaks_after=0))
    assert not output.exists()
    translate(given, output)
    assert "TEN" in output.read_text()


def test_of_several_files_none_is_written_where_one_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the same command begins anew."""
    given, output = tmp_path / "in", tmp_path / "out"
    given.mkdir()
    for name in ("a.txt", "b.txt"):
        (given / name).write_text("one\n")
    monkeypatch.setitem(BREAK, "how", lambda: (given / "b.txt").write_text("two\n"))
    ASKED.clear()
    with pytest.raises(UserError, match=r"b\.txt changed while it was translated; run the same command again$"):
        translate(given, output, Capitals(breaks_after=0))
    translate(given, output)
    assert [(output / name).read_text() for name in ("a.txt", "b.txt")] == ["ONE\n", "TWO\n"]


def test_translations_are_translated_on(texts: Path, tmp_path: Path) -> None:
    """Without what is beside them, in whatever way they are named."""
    translate(texts, tmp_path / "out")
    translate(texts / "a.txt", tmp_path / "out" / "alone")
    made = contents(tmp_path / "out").keys()
    beside = {"failed/a.txt.jsonl", "manifest.json", "alone.failed.jsonl", "alone.manifest.json"}
    assert beside < made
    for given in (tmp_path / "out", f"{tmp_path}/out/**"):
        files = find_files(str(given), tmp_path / "third", False, None)
        assert {each.name for each in files.inputs} == made - beside


def test_a_link_stays_one_when_what_it_names_is_translated_anew(tmp_path: Path) -> None:
    text, before, link = (tmp_path / name for name in ("text", "before", "link"))
    text.write_text("one\n")
    before.write_text("before\n")
    link.symlink_to(before)
    translate(text, link, overwrite=True)
    assert link.is_symlink()
    assert before.read_text() == "ONE\n"


def broken_off(given: Path, output: Path, **more: Any) -> None:
    ASKED.clear()
    with pytest.raises(Exception, match="BrokenOffError"):
        translate(given, output, Capitals(breaks_after=2), **more)


def chunks_of_five(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_RECORDS", 5)


def test_what_is_done_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Broken off while the third of five chunks is translated, one of the two that are done only half written."""
    chunks_of_five(monkeypatch)
    text, output = tmp_path / "in", tmp_path / "out"
    text.write_text("".join(f"line {number}\n" for number in range(23)))
    broken_off(text, output)
    assert not output.exists()
    (run,) = (tmp_path / ".out.run").glob("[!.]*")
    first, second = sorted((run / "done").iterdir())
    second.rename(second.with_name(f".{second.name}.123.partial"))
    capsys.readouterr()
    ASKED.clear()
    manifest = translate(text, output)
    assert "note: 5 of 23 lines are translated already\n" in capsys.readouterr().err
    _, begin, end = map(int, first.stem.split("-"))
    left = {f"line {number}" for number in range(23) if not begin <= number + 1 <= end}
    assert {text for texts in ASKED for text in texts} == left
    assert output.read_text() == text.read_text().upper()
    assert (manifest["counts"]["translated"], manifest["translated_by_this_command"]) == (23, 18)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out", "out.manifest.json"]


@pytest.mark.parametrize("what", ["done", "texts"])
@pytest.mark.parametrize("left", [b"", b"[[]"])
def test_files_of_a_run_that_a_power_cut_has_damaged_are_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, left: bytes
) -> None:
    """Of the texts, when the same command is run once more."""
    chunks_of_five(monkeypatch)
    text, output = tmp_path / "in", tmp_path / "out"
    text.write_text("".join(f"line {number}\n" for number in range(23)))
    broken_off(text, output)
    (run,) = (tmp_path / ".out.run").glob("[!.]*")
    last = max((run / what).iterdir())
    last.write_bytes(left)
    if what == "texts":
        with pytest.raises(UserError, match=f"^{last} is damaged; run the same command again, and it is made anew$"):
            translate(text, output)
    assert translate(text, output)["counts"]["translated"] == 23
    assert output.read_text() == text.read_text().upper()


def test_what_a_lost_worker_has_done_is_not_done_again(tmp_path: Path) -> None:
    """A runner gives all chunks of such a worker to another one."""
    run, asked = Run(tmp_path), Asked()
    texts = [Text(line, f"line {line}") for line in (1, 2)]
    ((chunk, of_chunk),) = chunked(texts, 0, "a.txt")
    run.write_texts(chunk, of_chunk)
    translate = TranslateChunk(run, asked, Capitals())
    translate.setup()
    ASKED.clear()
    for _ in range(2):
        translate.process(chunk)
    assert ASKED == [["line 1", "line 2"]]


CHANGES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "inputs": lambda text: {"flags": [] if text.write_text(text.read_text() + "more\n") else None},
    "options": lambda _: {"asked": Asked(field="body")},
    "model": lambda _: {"model": Capitals("another")},
}


@pytest.mark.parametrize("changed", list(CHANGES))
def test_a_change_begins_a_new_run_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, changed: str
) -> None:
    chunks_of_five(monkeypatch)
    text, output = tmp_path / "in", tmp_path / "out"
    text.write_text("".join(f"line {number}\n" for number in range(23)))
    broken_off(text, output)
    manifest = translate(text, output, **CHANGES[changed](text))
    said = f"note: {changed} changed since a run of which 2 chunks were done; a new one begins\n"
    assert said in capsys.readouterr().err
    assert manifest["translated_by_this_command"] == manifest["counts"]["records"]
    assert output.read_text() == text.read_text().upper()


def test_joining_goes_on_where_it_was_killed(texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "out"
    with monkeypatch.context() as patched:

        def killed(*_: Any) -> None:
            raise BrokenOffError

        patched.setattr("pipelines.translation.job.write_json", killed)
        with pytest.raises(BrokenOffError):
            translate(texts, output)
    assert (output / "a.txt").exists()
    assert not (output / "manifest.json").exists()
    with pytest.raises(UserError, match="exists"):
        translate(texts, output, Capitals("another"))
    ASKED.clear()
    translate(texts, output)
    assert ASKED == []
    assert "manifest.json" in contents(output)
