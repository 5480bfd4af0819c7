"""The whole preparation: what comes out, that it always comes out the same, and what is said when it cannot."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines import encoding, prepare
from pipelines.running import pipeline_options
from pipelines.subwords import load_subwords
from recipes.errors import UserError
from recipes.files import read_json, sha256_of
from recipes.layout import FILE, LINE, SOURCE, SOURCE_TEXT, SPLITS, TARGET, TARGET_TEXT, WorkDirectory
from recipes.schema import FilePair
from recipes.stages import PREPARE, resolved_recipe
from tests.numbers_corpus import english, french
from tests.pipelines.conftest import hashes, new_work, rejected_pairs, write_pair

FEATURES = {
    SOURCE: tf.io.RaggedFeature(tf.int64),
    TARGET: tf.io.RaggedFeature(tf.int64),
    SOURCE_TEXT: tf.io.FixedLenFeature([], tf.string),
    TARGET_TEXT: tf.io.FixedLenFeature([], tf.string),
    FILE: tf.io.FixedLenFeature([], tf.string),
    LINE: tf.io.FixedLenFeature([], tf.int64),
}
SOURCES = [english(number) for number in range(300)]
TARGETS = [french(number) for number in range(300)]


def run(work: WorkDirectory, *flags: str, chunk_pairs: int = 10_000) -> dict[str, Any]:
    return prepare.prepare(resolved_recipe(work), work, pipeline_options(flags), chunk_pairs)


def records(work: WorkDirectory, split: str) -> list[dict[str, Any]]:
    """The records of a split as TensorFlow reads them, shard by shard: ids as lists, text as bytes."""
    found: list[dict[str, Any]] = []
    for path in sorted(work.data.glob(f"{split}-*.tfrecord.gz")):
        shard = list(tf.data.TFRecordDataset(str(path), compression_type="GZIP", buffer_size=1 << 18))
        if shard:
            parsed = tf.io.parse_example(tf.stack(shard), FEATURES)
            columns = {
                name: values.to_list() if isinstance(values, tf.RaggedTensor) else values.numpy().tolist()
                for name, values in parsed.items()
            }
            found += [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return found


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> WorkDirectory:
    """A corpus with one pair for every reason to reject, prepared once."""
    directory = tmp_path_factory.mktemp("prepared")
    source: list[str | bytes] = [
        *SOURCES,
        " seven ",
        "",
        "word " * 101,
        "x",
        "caf\u00e9",
        "bad \xe9".encode("latin-1"),
        "five\u2028 \x0bfive",
        " ".join(SOURCES[200:212]),
    ]
    target: list[str | bytes] = [
        *TARGETS,
        "sept\r",
        "rien",
        "mot " * 101,
        "y" * 10,
        b"\xff\xfe",
        "mal",
        "cinq cinq",
        " ".join(TARGETS[200:212]),
    ]
    work = new_work(
        directory / "work", write_pair(directory, source, target), subwords={"vocabulary": 60, "max_length": 50}
    )
    run(work)
    return work


def test_tensorflow_reads_the_records(prepared: WorkDirectory) -> None:
    """Each record is a pair of the corpus, its ids say its text, and its file and line say where it was."""
    subwords = load_subwords(prepared.subword_model("source", joint=True))
    sources, targets = [*SOURCES, *[""] * 6, "five five"], [*TARGETS, *[""] * 6, "cinq cinq"]
    every = [record for split in SPLITS for record in records(prepared, split)]
    for record in every:
        line = record[LINE]
        assert record[SOURCE_TEXT].decode() == sources[line - 1]
        assert record[TARGET_TEXT].decode() == targets[line - 1]
        assert record[FILE] == b"text.en"
        assert record[SOURCE] == subwords.encode(record[SOURCE_TEXT].decode())
        assert subwords.decode(record[TARGET]) == record[TARGET_TEXT].decode()
    assert sorted(record[LINE] for record in every) == [*range(1, 301), 307]


def test_every_rejected_pair_has_its_reason_and_place(prepared: WorkDirectory) -> None:
    pairs = rejected_pairs(prepared)
    assert [(pair["line"], pair["reason"], pair["file"]) for pair in pairs if pair["reason"] != "not_utf8"] == [
        (301, "duplicate", "text.en"),
        (302, "empty", "text.en"),
        (303, "too_long", "text.en"),
        (304, "length_ratio", "text.en"),
        (308, "too_many_subwords", "text.en"),
    ]
    # Of a pair that is not UTF-8, the file is the one that is wrong.
    undecodable = [pair for pair in pairs if pair["reason"] == "not_utf8"]
    assert [(pair["line"], pair["file"], pair["source"], pair["target"]) for pair in undecodable] == [
        (306, "text.en", "bad \\xe9", "mal"),
        (305, "text.fr", "café", "\\xff\\xfe"),
    ]


def test_the_manifest_agrees_with_the_files(prepared: WorkDirectory) -> None:
    manifest = read_json(prepared.manifest)
    kept = {split: records(prepared, split) for split in SPLITS}
    assert manifest["pairs"]["read"] == 308
    assert manifest["pairs"]["kept"] == {split: len(pairs) for split, pairs in kept.items()}
    assert manifest["pairs"]["rejected"] == Counter(pair["reason"] for pair in rejected_pairs(prepared))
    assert manifest["tokens"] == {
        split: {side: sum(len(pair[side]) for pair in pairs) for side in (SOURCE, TARGET)}
        for split, pairs in kept.items()
    }
    lengths = Counter(str(max(len(pair[SOURCE]), len(pair[TARGET]))) for pair in kept["train"])
    assert manifest["lengths"] == {"train": lengths}
    assert manifest["shards"] == {path.name: sha256_of(path) for path in prepared.data.glob("*.tfrecord.gz")}
    assert len(manifest["shards"]) == 3 + 1 + 1
    assert manifest["subwords"]["vocabulary"] == {"source": 60, "target": 60}
    assert manifest["subwords"]["files"] == {"subwords.model": sha256_of(prepared.data / "subwords.model")}
    assert [(entry["split"], entry["side"], entry["lines"]) for entry in manifest["inputs"]] == [
        ("train", "source", 308),
        ("train", "target", 308),
    ]
    for entry in manifest["inputs"]:
        assert entry["sha256"] == sha256_of(Path(entry["path"]))
    assert PREPARE.stale_because(resolved_recipe(prepared), prepared) is None


def test_nothing_else_is_left_behind(prepared: WorkDirectory) -> None:
    assert sorted(path.name for path in prepared.root.iterdir()) == ["data", "recipe.yaml"]
    assert {path.name for path in prepared.data.iterdir()} == {
        *read_json(prepared.manifest)["shards"],
        "subwords.model",
        "manifest.json",
        "rejected",
    }
    assert sorted(path.name for path in prepared.rejected.iterdir()) == [f"{n:05d}-of-00005.jsonl.gz" for n in range(5)]


ROWS = st.lists(
    st.tuples(
        st.integers(0, 99),
        st.sampled_from(["zéro", "un mot", " ", "\u2028", "x" * 70, "mot " * 120, b"\xff", "cinq"]),
        st.integers(0, 300),
    ),
    max_size=30,
)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS, seed=st.integers(0, 5), deduplicate=st.booleans(), chunk_pairs=st.sampled_from([7, 64, 1000]))
def test_every_pair_read_is_kept_or_rejected_once(
    rows: list[tuple[int, Any, int]], seed: int, deduplicate: bool, chunk_pairs: int
) -> None:
    """And no source sentence is in two splits, and duplicates are gone, whatever the corpus."""
    source: list[Any] = list(SOURCES)
    target: list[Any] = list(TARGETS)
    for number, translation, place in rows:
        source.insert(place, english(number))
        target.insert(place, translation)
    with tempfile.TemporaryDirectory() as directory:
        files = write_pair(Path(directory), source, target)
        work = new_work(
            Path(directory) / "work",
            files,
            cleaning={"deduplicate": deduplicate},
            split={"dev_pairs": 40, "seed": seed},
        )
        pairs = run(work, chunk_pairs=chunk_pairs)["pairs"]
        kept = {split: records(work, split) for split in SPLITS}
        rejected = rejected_pairs(work)
    assert pairs["read"] == len(source) == sum(pairs["kept"].values()) + sum(pairs["rejected"].values())
    assert {split: len(found) for split, found in kept.items()} == pairs["kept"]
    lines = [record[LINE] for found in kept.values() for record in found] + [pair["line"] for pair in rejected]
    assert sorted(lines) == list(range(1, len(source) + 1))
    texts = {split: [(record[SOURCE_TEXT], record[TARGET_TEXT]) for record in found] for split, found in kept.items()}
    sources = [{text for text, _ in found} for found in texts.values()]
    assert len(set.union(*sources)) == sum(map(len, sources))
    if deduplicate:
        assert all(count == 1 for found in texts.values() for count in Counter(found).values())
    else:
        assert "duplicate" not in pairs["rejected"]


def test_of_equal_pairs_the_first_line_is_kept(tmp_path: Path) -> None:
    source, target = [*SOURCES, *SOURCES, *SOURCES], [*TARGETS, *TARGETS, *TARGETS]
    work = new_work(tmp_path / "work", write_pair(tmp_path, source, target))
    assert run(work, chunk_pairs=50)["pairs"]["rejected"] == {"duplicate": 600}
    lines = [record[LINE] for split in SPLITS for record in records(work, split)]
    assert sorted(lines) == list(range(1, 301))


def test_shards_are_the_same_bytes_however_they_are_made(tmp_path: Path, numbers: FilePair) -> None:
    """Chunk sizes, runs, compressed input and worker processes: none of them shows."""
    work = new_work(tmp_path / "work", numbers)
    run(work)
    expected = hashes(work)
    for chunk_pairs in (10_000, 77):
        run(work, chunk_pairs=chunk_pairs)
        assert hashes(work) == expected
    run(
        work,
        "--runner=DirectRunner",
        "--direct_running_mode=multi_processing",
        "--direct_num_workers=2",
        chunk_pairs=50,
    )
    assert hashes(work) == expected
    # The name of the file is in every record, so that these are the same but for that.
    compressed = [tmp_path / f"{path.name}.gz" for path in (numbers.source, numbers.target)]
    for path, packed in zip((numbers.source, numbers.target), compressed, strict=True):
        packed.write_bytes(gzip.compress(path.read_bytes()))
    from_gz = new_work(tmp_path / "gz", FilePair(source=compressed[0], target=compressed[1]))
    run(from_gz, chunk_pairs=70)
    for split in SPLITS:
        plain = [{**record, FILE: b"numbers.en.gz"} for record in records(work, split)]
        assert records(from_gz, split) == plain


def test_the_seed_decides_what_is_split_off(tmp_path: Path, numbers: FilePair) -> None:
    found = []
    for seed in (1, 2):
        work = new_work(tmp_path / str(seed), numbers, split={"seed": seed})
        run(work)
        found.append({record[SOURCE_TEXT] for record in records(work, "test")})
    assert found[0] != found[1]


def test_dev_and_test_files_are_kept_whole_and_in_order(tmp_path: Path, numbers: FilePair) -> None:
    source = ["two", "one", "two", "word " * 300, "x" * 90, "", "three"]
    target = ["deux", "un", "deux", "mot", "y", "vide", "trois"]
    dev, test = write_pair(tmp_path / "dev", source, target), write_pair(tmp_path / "test", source[:3], target[:3])
    corpus = {"dev": dev.model_dump(), "test": test.model_dump()}
    work = new_work(tmp_path / "work", numbers, corpus=corpus, subwords={"vocabulary": 60, "max_length": 100})
    manifest = run(work, chunk_pairs=2)
    assert [record[LINE] for record in records(work, "dev")] == [1, 2, 3, 4, 5, 7]
    assert [record[SOURCE_TEXT] for record in records(work, "test")] == [b"two", b"one", b"two"]
    assert manifest["pairs"] == {"read": 410, "kept": {"train": 400, "dev": 6, "test": 3}, "rejected": {"empty": 1}}


@pytest.mark.parametrize("kind", ["bpe", "word"])
def test_a_model_for_each_side(tmp_path: Path, numbers: FilePair, kind: str) -> None:
    work = new_work(tmp_path / "work", numbers, subwords={"type": kind, "joint": False, "vocabulary": 30})
    manifest = run(work)
    assert manifest["subwords"]["joint"] is False
    assert manifest["subwords"]["vocabulary"] == {"source": 30, "target": 30}
    assert list(manifest["subwords"]["files"]) == ["subwords.source.model", "subwords.target.model"]
    models = {side: load_subwords(work.subword_model(side, joint=False)) for side in (SOURCE, TARGET)}
    for record in records(work, "test"):
        for side, text in ((SOURCE, SOURCE_TEXT), (TARGET, TARGET_TEXT)):
            assert record[side] == models[side].encode(record[text].decode())


def test_subwords_are_learnt_from_the_sample_only(tmp_path: Path, numbers: FilePair) -> None:
    """The sample is chosen by hash, so that it does not depend on the number of shards."""
    models = []
    for shards in (1, 4):
        work = new_work(tmp_path / str(shards), numbers, subwords={"vocabulary": 50, "sample_pairs": 60}, shards=shards)
        models.append(run(work)["subwords"]["files"])
    assert models[0] == models[1]
    whole = new_work(tmp_path / "whole", numbers, subwords={"vocabulary": 50})
    assert run(whole)["subwords"]["files"] != models[0]


def test_more_shards_than_pairs_are_all_there(tmp_path: Path) -> None:
    files = write_pair(tmp_path, SOURCES[:60], TARGETS[:60])
    work = new_work(
        tmp_path / "work", files, split={"dev_pairs": 10, "test_pairs": 10}, subwords={"vocabulary": 40}, shards=50
    )
    manifest = run(work)
    assert len(manifest["shards"]) == 52
    assert sum(manifest["pairs"]["kept"].values()) == 60


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
        {"split": {"dev_pairs": 1, "seed": 3}},
        r"split\.dev_pairs=1 gave no dev pairs; raise it",
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
    assert sorted(path.name for path in work.root.iterdir()) == ["data", "recipe.yaml"]
    assert [path.name for path in work.data.iterdir()] == ["manifest.json"]


def test_empty_dev_files_are_named(tmp_path: Path, numbers: FilePair) -> None:
    dev = write_pair(tmp_path / "dev", ["", "one"], ["un", ""])
    work = new_work(tmp_path / "work", numbers, corpus={"dev": dev.model_dump()})
    with pytest.raises(UserError, match=r"no pair of the dev corpus .*text\.en can be used: 2 of 2 .* empty"):
        run(work)


def test_a_work_directory_that_cannot_be_written(tmp_path: Path, numbers: FilePair) -> None:
    work = new_work(tmp_path / "work", numbers)
    work.root.chmod(0o500)
    try:
        if os.access(work.root, os.W_OK):
            pytest.skip("needs a user who is not root, to whom every directory can be written")
        with pytest.raises(PermissionError, match=str(work.root)):
            run(work)
    finally:
        work.root.chmod(0o700)


@pytest.mark.parametrize("mode", ["in_memory", "multi_processing"])
def test_an_error_in_a_worker_comes_out_as_its_sentence(
    tmp_path: Path, numbers: FilePair, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """The file is cut short after it was indexed, which only a worker can notice."""
    work = new_work(tmp_path / "work", numbers)
    check = prepare._check_size

    def cut(*arguments: Any) -> None:
        check(*arguments)
        numbers.target.write_bytes(b"un\n")

    monkeypatch.setattr(prepare, "_check_size", cut)
    with pytest.raises(UserError) as error:
        run(work, f"--direct_running_mode={mode}")
    assert str(error.value) == "a corpus file changed while it was read; run the same command again"
    assert not work.data.exists()


def test_a_full_disk_in_a_worker_is_said_in_a_sentence(
    tmp_path: Path, numbers: FilePair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "train-00000-of-00003.tfrecord.gz")

    monkeypatch.setattr(encoding, "write_shard", full)
    work = new_work(tmp_path / "work", numbers)
    with pytest.raises(
        UserError, match=r"^the disk is full while writing train-00000-of-00003\.tfrecord\.gz; make room"
    ):
        run(work)
    assert sorted(path.name for path in work.root.iterdir()) == ["recipe.yaml"]


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


def test_what_is_not_utf8_is_warned_of(tmp_path: Path, numbers: FilePair, capsys: pytest.CaptureFixture[str]) -> None:
    with numbers.source.open("ab") as file:
        file.write(b"\xff one\n\xff two\n")
    with numbers.target.open("ab") as file:
        file.write(b"un\ndeux\n")
    run(new_work(tmp_path / "work", numbers))
    warning = capsys.readouterr().err.strip().splitlines()[-1]
    assert warning.startswith("warning: numbers.en line 401 is not UTF-8, as the first of 2 such pairs")


def command(work: WorkDirectory, *flags: str) -> list[str]:
    return [sys.executable, "-m", "pipelines.prepare", "--work", str(work.root), *flags]


def test_the_command_ends_in_a_sentence_and_an_exit_code(tmp_path: Path) -> None:
    work = new_work(tmp_path / "work", FilePair(source=tmp_path / "none.en", target=tmp_path / "none.fr"))
    result = subprocess.run(command(work), capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.strip() == f"error: train corpus {tmp_path / 'none.en'}: no such file"
    assert result.stdout == ""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_leaves_nothing_that_looks_complete(
    tmp_path: Path, numbers: FilePair, sent: signal.Signals
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
    assert sorted(path.name for path in work.root.iterdir()) == ["recipe.yaml"]


def test_the_command_says_what_it_did(tmp_path: Path, numbers: FilePair, capsys: pytest.CaptureFixture[str]) -> None:
    work = new_work(tmp_path / "work", numbers)
    # What an earlier run that was killed left is cleared away.
    shutil.copytree(numbers.source.parent, work.root / ".preparing")
    prepare.main(["--work", str(work.root), "--direct_num_workers=1"])
    out = capsys.readouterr().out
    kept = json.loads(work.manifest.read_text())["pairs"]["kept"]
    assert out.startswith("read 400 pairs in ")
    assert f"kept {kept['train']} train, {kept['dev']} dev, {kept['test']} test; rejected none" in out
    assert sorted(path.name for path in work.root.iterdir()) == ["data", "recipe.yaml"]
