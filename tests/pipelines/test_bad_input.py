"""What is said when a corpus cannot be prepared, and that nothing already made is lost by it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines import translate
from pipelines.corpora.line_files import FilePair
from pipelines.preparation import encode, job
from pipelines.runners.options import pipeline_options
from tests.pipelines.support import SOURCES, TARGETS, as_settings, new_work, run, write_pair
from tests.requirements import without_privileges
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.machine import free_port

CASES = {
    "empty corpus": ([], [], {}, r"train corpus .*text\.en has no lines"),
    "unequal sides": (["a", "b"], ["a"], {}, r"text\.en has 2 lines but .*text\.fr has 1;"),
    "all rejected": (
        ["a"] * 100,
        ["b c " * 9] * 99 + [""],
        {},
        r"nothing is left of .*text\.en after cleaning: 99 of 100 pairs are rejected as length_ratio; "
        r"see cleaning\.max_length_ratio in the recipe",
    ),
    "smaller than the split": (
        SOURCES[:70],
        TARGETS[:70],
        {},
        r"text\.en has 70 lines, and split\.dev_pairs=30 and split\.test_pairs=40 would leave none to train on",
    ),
    "no dev pairs": (
        SOURCES,
        TARGETS,
        {"split": {"dev_pairs": 1, "seed": 4}},
        r"split\.dev_pairs=1 gave no dev pairs; raise it",
    ),
    "copies leave no dev pairs": (
        ["The same sentence again."] * 200,
        ["Encore la même phrase."] * 200,
        {"split": {"dev_pairs": 10, "test_pairs": 10}},
        r"no (dev|training) pairs are left of .*: 199 of 199 pairs are rejected as duplicate; see cleaning\.duplicates",
    ),
    "no training pairs": (
        ["one"] * 100,
        ["un"] * 100,
        {"split": {"dev_pairs": 98, "test_pairs": 1}},
        r"no training pairs are left of .*: the split left none; lower split\.dev_pairs",
    ),
    "all too many subwords": (
        SOURCES[110:],
        TARGETS[110:],
        {"subwords": {"max_length": 1}},
        r"no training pairs are left: all are longer than subwords\.max_length=1 allows",
    ),
    "vocabulary too large": (
        SOURCES,
        TARGETS,
        {"subwords": {"vocabulary": 99_999}},
        r"subwords\.vocabulary is 99999, but the corpus allows \d+ at most",
    ),
}


@pytest.mark.parametrize(("source", "target", "changes", "sentence"), CASES.values(), ids=CASES)
def test_what_cannot_be_prepared_is_said_in_a_sentence(
    tmp_path: Path, source: list[str], target: list[str], changes: dict[str, Any], sentence: str
) -> None:
    """And the data of the run before stays as it was."""
    work = new_work(tmp_path / "work", write_pair(tmp_path, source, target), **changes)
    work.data.mkdir()
    work.manifest.write_text("{}")
    with pytest.raises(UserError, match=sentence) as error:
        run(work)
    assert "\n" not in str(error.value)
    assert [path.name for path in work.data.iterdir()] == ["manifest.json"]


def test_empty_dev_files_are_named(tmp_path: Path, numbers: FilePair[Path]) -> None:
    dev = write_pair(tmp_path / "dev", ["", "one"], ["un", ""])
    work = new_work(tmp_path / "work", numbers, corpus={"dev": as_settings(dev)})
    with pytest.raises(UserError, match=r"no pair of the dev corpus .*text\.en can be used: 2 of 2 .* empty"):
        run(work)


def test_a_list_of_blocked_words_must_be_utf8(tmp_path: Path, numbers: FilePair[Path]) -> None:
    words = tmp_path / "words.txt"
    words.write_bytes("garçon".encode("cp1252"))
    work = new_work(tmp_path / "work", numbers, cleaning={"blocked_words": str(words)})
    with pytest.raises(UserError, match=r"cleaning\.blocked_words .*words\.txt is not UTF-8 \(byte 4\); convert it"):
        run(work)
    words.unlink()
    with pytest.raises(UserError, match=r"cleaning\.blocked_words .*words\.txt cannot be read: No such file"):
        run(work)


def command(work: WorkDirectory[Path], *flags: str) -> list[str]:
    return [sys.executable, "-m", "pipelines.prepare", "--work", str(work.root), *flags]


@pytest.mark.slow
def test_a_work_directory_that_cannot_be_written(tmp_path: Path, numbers: FilePair[Path]) -> None:
    before, work = without_privileges(), new_work(tmp_path / "work", numbers)
    work.root.chmod(0o500)
    result = subprocess.run([*before, *command(work)], capture_output=True, text=True, check=False)
    work.root.chmod(0o700)
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith(f"error: no permission for {work.root}")
    assert last.endswith("; change its mode or choose another WORK directory")


@pytest.mark.parametrize("mode", ["in_memory", "multi_processing"])
@pytest.mark.slow
def test_an_error_in_a_worker_comes_out_as_its_sentence(
    tmp_path: Path, numbers: FilePair[Path], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """The file is cut short after it was indexed, which only a worker can notice."""
    work = new_work(tmp_path / "work", numbers)
    check = job.check_size

    def cut(*arguments: Any) -> None:
        check(*arguments)
        numbers.target.write_bytes(b"un\n")

    monkeypatch.setattr(job, "check_size", cut)
    with pytest.raises(UserError) as error:
        run(work, f"--direct_running_mode={mode}")
    assert str(error.value) == "a corpus file changed while it was read; run the same command again"
    assert not work.data.exists()


def test_a_full_disk_in_a_worker_is_said_in_a_sentence(
    tmp_path: Path, numbers: FilePair[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "train-00000-of-00003.tfrecord.gz")

    monkeypatch.setattr(encode, "write_shard", full)
    work = new_work(tmp_path / "work", numbers)
    with pytest.raises(
        UserError, match=r"^the disk is full while writing train-00000-of-00003\.tfrecord\.gz; make room"
    ):
        run(work)
    assert not work.data.exists()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--runner=NoSuchRunner"], "--runner=NoSuchRunner: "),
        (["--direct_num_wrokers=2"], "a flag --direct_num_wrokers"),
        (["--direct_running_mode=psychic"], "argument --direct_running_mode: invalid choice"),
    ],
)
def test_wrong_flags_for_beam(flags: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        pipeline_options(flags)


def test_what_is_not_utf8_is_warned_of(
    tmp_path: Path, numbers: FilePair[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with numbers.source.open("ab") as file:
        file.write(b"\xff one\n\xff two\n")
    with numbers.target.open("ab") as file:
        file.write(b"un\ndeux\n")
    run(new_work(tmp_path / "work", numbers))
    warning = capsys.readouterr().err.strip().splitlines()[-1]
    assert warning.startswith("warning: numbers.en line 401 is not UTF-8, as the first of 2 such pairs")


@pytest.mark.slow
def test_the_command_ends_in_a_sentence_and_an_exit_code(tmp_path: Path) -> None:
    work = new_work(tmp_path / "work", FilePair(source=tmp_path / "none.en", target=tmp_path / "none.fr"))
    result = subprocess.run(command(work), capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.strip() == f"error: train corpus {tmp_path / 'none.en'}: no such file"
    assert result.stdout == ""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.slow
def test_an_interrupted_command_leaves_nothing_that_looks_complete(
    tmp_path: Path, numbers: FilePair[Path], sent: signal.Signals
) -> None:
    """SIGINT goes to one process, SIGTERM to one with workers that are just starting."""
    flags = [] if sent == signal.SIGINT else ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    work = new_work(tmp_path / "work", numbers)
    with subprocess.Popen(command(work, *flags), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said: list[str] = []
        for line in process.stderr:
            if line.startswith("cleaning: 0/") and not said[-1].startswith("cleaning"):
                process.send_signal(sent)
            said.append(line)
        assert process.wait() == 130
    assert said[-1].startswith("error: interrupted")
    assert "Traceback" not in "".join(said)
    assert not work.data.exists()


@pytest.mark.slow
def test_a_batch_translation_without_a_server_says_what_a_single_one_says(tmp_path: Path) -> None:
    text, port = tmp_path / "text", free_port()
    text.write_text("one\n", encoding="utf-8")
    command = ["--input", str(text), "--output", str(tmp_path / "out")]
    sentence = rf"^no server answers at localhost:{port}: start one with make serve PORT={port}$"
    with pytest.raises(UserError, match=sentence):
        translate.main([*command, "--server", f"localhost:{port}"])
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


def test_a_text_is_not_overwritten_by_its_translation(tmp_path: Path) -> None:
    text, name = tmp_path / "text", tmp_path / "another name"
    text.write_text("one\n", encoding="utf-8")
    name.symlink_to(text)
    with pytest.raises(
        UserError, match=rf"{text} is a text that is to be translated; give another --output \(OUT= of make\)$"
    ):
        translate.main(["--work", str(tmp_path), "--input", str(text), "--output", str(name), "--server", "x:1"])
    assert text.read_text(encoding="utf-8") == "one\n"


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("directory", "directory/text is no file; give another --output (OUT= of make)"),
        ("/dev/null", "/dev/null is no file; give another --output (OUT= of make)"),
        ("text/translation", "text is no directory; give another --output (OUT= of make)"),
        ("text/new/translation", "text is no directory; give another --output (OUT= of make)"),
    ],
)
def test_where_no_translation_can_be_is_known_at_once(tmp_path: Path, output: str, sentence: str) -> None:
    (tmp_path / "directory" / "text").mkdir(parents=True)
    (tmp_path / "text").write_text("one\n", encoding="utf-8")
    command = ["--work", str(tmp_path), "--input", str(tmp_path / "text"), "--output", str(tmp_path / output)]
    with pytest.raises(UserError, match=f"{re.escape(sentence)}$"):
        translate.main([*command, "--server", "x:1"])
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["directory", "text", "text"]
