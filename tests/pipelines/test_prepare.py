"""The whole preparation: what comes out, and that it always comes out the same."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines import prepare
from pipelines.corpora.line_files import FilePair
from pipelines.preparation.manifest import summary
from pipelines.preparation.subwords import load_subwords
from recipes.loading import load_recipe, save_recipe
from recipes.stages import PREPARE, resolved_recipe
from tests.numbers_corpus import english
from tests.pipelines.shard_records import records
from tests.pipelines.support import SOURCES, TARGETS, as_settings, hashes, new_work, rejected_pairs, run, write_pair
from workspace.errors import UserError
from workspace.layout import FILE, LINE, SOURCE, SOURCE_TEXT, SPLITS, TARGET, TARGET_TEXT, WorkDirectory
from workspace.marks import read_manifest
from workspace.storage import read_json, sha256_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> WorkDirectory[Path]:
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


def test_tensorflow_reads_the_records(prepared: WorkDirectory[Path]) -> None:
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
        assert record[TARGET] == subwords.encode(record[TARGET_TEXT].decode())
    assert sorted(record[LINE] for record in every) == [*range(1, 301), 307]


def test_every_rejected_pair_has_its_reason_and_place(prepared: WorkDirectory[Path]) -> None:
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


def test_the_manifest_agrees_with_the_files(prepared: WorkDirectory[Path]) -> None:
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
    assert [(entry["corpus"], entry["split"], entry["name"], entry["pairs"]) for entry in manifest["inputs"]] == [
        ("text", "train", "text.en", 308),
        ("text", "train", "text.fr", 308),
    ]
    assert manifest["records"] == manifest["pairs"]["kept"]
    assert manifest["corpora"] == {"text": manifest["pairs"]}
    for entry in manifest["inputs"]:
        assert entry["sha256"] == sha256_of(Path(entry["path"]))
    assert PREPARE.stale_because(resolved_recipe(prepared), prepared) is None


def test_nothing_else_is_left_behind(prepared: WorkDirectory[Path]) -> None:
    assert sorted(path.name for path in prepared.root.iterdir()) == ["data", "intermediate", "recipe.yaml"]
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


@pytest.mark.slow
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=ROWS,
    seed=st.integers(0, 5),
    duplicates=st.sampled_from([None, "exact", "letters"]),
    chunk_pairs=st.sampled_from([7, 64, 1000]),
)
def test_every_pair_read_is_kept_or_rejected_once(
    rows: list[tuple[int, Any, int]], seed: int, duplicates: str | None, chunk_pairs: int
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
            cleaning={"duplicates": duplicates},
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
    if duplicates:
        assert all(count == 1 for found in texts.values() for count in Counter(found).values())
    else:
        assert "duplicate" not in pairs["rejected"]


def test_of_equal_pairs_the_first_line_is_kept(tmp_path: Path) -> None:
    source, target = [*SOURCES, *SOURCES, *SOURCES], [*TARGETS, *TARGETS, *TARGETS]
    work = new_work(tmp_path / "work", write_pair(tmp_path, source, target))
    assert run(work, chunk_pairs=50)["pairs"]["rejected"] == {"duplicate": 600}
    lines = [record[LINE] for split in SPLITS for record in records(work, split)]
    assert sorted(lines) == list(range(1, 301))


@pytest.mark.slow
def test_shards_are_the_same_bytes_however_they_are_made(tmp_path: Path, numbers: FilePair[Path]) -> None:
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


def test_the_seed_decides_what_is_split_off(tmp_path: Path, numbers: FilePair[Path]) -> None:
    found = []
    for seed in (1, 2):
        work = new_work(tmp_path / str(seed), numbers, split={"seed": seed})
        run(work)
        found.append({record[SOURCE_TEXT] for record in records(work, "test")})
    assert found[0] != found[1]


def test_dev_and_test_files_are_kept_whole_and_in_order(tmp_path: Path, numbers: FilePair[Path]) -> None:
    source = ["two", "one", "two", "word " * 300, "x" * 90, "", "three"]
    target = ["deux", "un", "deux", "mot", "y", "vide", "trois"]
    dev, test = write_pair(tmp_path / "dev", source, target), write_pair(tmp_path / "test", source[:3], target[:3])
    corpus = {"dev": as_settings(dev), "test": as_settings(test)}
    work = new_work(tmp_path / "work", numbers, corpus=corpus, subwords={"vocabulary": 60, "max_length": 100})
    manifest = run(work, chunk_pairs=2)
    assert [record[LINE] for record in records(work, "dev")] == [1, 2, 3, 4, 5, 7]
    assert [record[SOURCE_TEXT] for record in records(work, "test")] == [b"two", b"one", b"two"]
    assert manifest["pairs"] == {"read": 410, "kept": {"train": 400, "dev": 6, "test": 3}, "rejected": {"empty": 1}}


@pytest.mark.parametrize("kind", ["bpe", "word"])
def test_a_model_for_each_side(tmp_path: Path, numbers: FilePair[Path], kind: str) -> None:
    work = new_work(tmp_path / "work", numbers, subwords={"type": kind, "joint": False, "vocabulary": 30})
    manifest = run(work)
    assert manifest["subwords"]["joint"] is False
    assert manifest["subwords"]["vocabulary"] == {"source": 30, "target": 30}
    assert list(manifest["subwords"]["files"]) == ["subwords.source.model", "subwords.target.model"]
    models = {side: load_subwords(work.subword_model(side, joint=False)) for side in (SOURCE, TARGET)}
    for record in records(work, "test"):
        for side, text in ((SOURCE, SOURCE_TEXT), (TARGET, TARGET_TEXT)):
            assert record[side] == models[side].encode(record[text].decode())


def test_subwords_are_learnt_from_the_sample_only(tmp_path: Path, numbers: FilePair[Path]) -> None:
    """The sample is chosen by hash, so that it does not depend on the number of shards."""
    models = []
    for shards in (1, 4):
        work = new_work(tmp_path / str(shards), numbers, subwords={"vocabulary": 50, "sample_pairs": 60}, shards=shards)
        models.append(run(work)["subwords"]["files"])
    assert models[0] == models[1]
    whole = new_work(tmp_path / "whole", numbers, subwords={"vocabulary": 50})
    assert run(whole)["subwords"]["files"] != models[0]


@pytest.mark.parametrize("joint", [True, False])
def test_subwords_of_another_run(tmp_path: Path, numbers: FilePair[Path], joint: bool) -> None:
    """The very same files, whatever else the recipe says of them; and stale when they are others."""
    other = new_work(tmp_path / "other", numbers, subwords={"vocabulary": 55 if joint else 40, "joint": joint})
    theirs = run(other)["subwords"]
    taken = {"from_work": str(other.root), "joint": joint, "vocabulary": 1000}
    work = new_work(tmp_path / "work", write_pair(tmp_path, SOURCES[:200], TARGETS[:200]), subwords=taken)
    assert run(work)["subwords"] == theirs
    models = {side: load_subwords(other.subword_model(side, joint)) for side in (SOURCE, TARGET)}
    for record in records(work, "dev"):
        for side, text in ((SOURCE, SOURCE_TEXT), (TARGET, TARGET_TEXT)):
            assert record[side] == models[side].encode(record[text].decode())
    assert PREPARE.stale_because(resolved_recipe(work), work) is None
    other.subword_model("source", joint).write_bytes(b"others")
    assert PREPARE.stale_because(resolved_recipe(work), work) == "subwords.from_work changed"


def test_subwords_that_cannot_be_taken(tmp_path: Path, numbers: FilePair[Path]) -> None:
    other = new_work(tmp_path / "other", numbers)
    taken = {"from_work": str(other.root)}
    message = f"subwords.from_work: {other.data}/subwords.model: no such file; make it with make prepare WORK="
    with pytest.raises(UserError, match=message):
        run(new_work(tmp_path / "before", numbers, subwords=taken))
    run(other)
    with pytest.raises(UserError, match=f"the subwords taken from {other.root} have no symbol <date>; learn them with"):
        run(new_work(tmp_path / "work", numbers, subwords={**taken, "symbols": ["<date>"]}))


def test_tiny_takes_real_text(tmp_path: Path) -> None:
    """Which has more characters than numbers have, and more words: here the project's own pages, backwards."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    lines = [line for page in pages for line in page.read_text(encoding="utf-8").splitlines() if line.count(" ") > 3]
    files = write_pair(tmp_path, lines, [" ".join(reversed(line.split())) for line in lines])
    cleaning = {"max_similarity": None, "min_terminal_punctuation": None}
    work = WorkDirectory(tmp_path / "work")
    save_recipe(load_recipe("tiny", {"corpus": {"train": as_settings(files)}, "cleaning": cleaning}), work.recipe)
    manifest = run(work)
    assert manifest["subwords"]["vocabulary"] == {"source": 1000, "target": 1000}
    assert manifest["pairs"]["kept"]["train"] > 0.6 * len(lines)


def test_tiny_takes_a_script_of_more_characters_than_it_has_subwords(tmp_path: Path) -> None:
    drawn = random.Random(5)
    characters = [chr(0x4E00 + number) for number in range(2500)]
    lines = ["".join(drawn.choices(characters, k=12)) + "。" for _ in range(600)]
    files = write_pair(tmp_path, [english(number) for number in range(600)], lines)
    work = WorkDirectory(tmp_path / "work")
    cleaning = {"min_terminal_punctuation": None}
    save_recipe(load_recipe("tiny", {"corpus": {"train": as_settings(files)}, "cleaning": cleaning}), work.recipe)
    manifest = run(work)
    assert manifest["subwords"]["vocabulary"]["target"] == load_recipe("tiny").subwords.vocabulary
    subwords = load_subwords(work.subword_model("target", joint=True))
    assert [subwords.decode(subwords.encode(line)) for line in lines] == lines


def test_more_shards_than_pairs_are_all_there(tmp_path: Path) -> None:
    files = write_pair(tmp_path, SOURCES[:60], TARGETS[:60])
    work = new_work(
        tmp_path / "work", files, split={"dev_pairs": 10, "test_pairs": 10}, subwords={"vocabulary": 40}, shards=50
    )
    manifest = run(work)
    assert len(manifest["shards"]) == 52
    assert sum(manifest["pairs"]["kept"].values()) == 60


def test_the_command_says_what_it_did(
    tmp_path: Path, numbers: FilePair[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    work = new_work(tmp_path / "work", numbers)
    # What an earlier run of other settings left half done is cleared away.
    shutil.copytree(numbers.source.parent, work.intermediate / "clean-0123456789ab")
    prepare.main(["--work", str(work.root), "--direct_num_workers=1"])
    out = capsys.readouterr().out
    kept = json.loads(work.manifest.read_text())["pairs"]["kept"]
    assert out.startswith("read 400 pairs in ")
    assert f"kept {kept['train']} train, {kept['dev']} dev, {kept['test']} test; rejected none" in out
    assert sorted(path.name for path in work.root.iterdir()) == [".lock", "data", "intermediate", "recipe.yaml"]
    assert work.report.stat().st_size > 10_000  # with its pictures


def test_killed_when_all_is_done_it_takes_no_time_and_says_so(prepared: WorkDirectory[Path], tmp_path: Path) -> None:
    """The steps of a run that was interrupted before its mark was written, done by no clock that shows it."""
    manifest = read_manifest(prepared)
    manifest = manifest.model_copy(update={"seconds": dict.fromkeys(manifest.seconds, 0.0)})
    said = summary(manifest, WorkDirectory(tmp_path))
    assert said.startswith(f"read {manifest.pairs.read} pairs in 0 s: kept ")
