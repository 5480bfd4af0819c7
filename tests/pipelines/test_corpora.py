"""Several corpora in one recipe, and the rules between their pairs, through the whole preparation."""

from __future__ import annotations

import html
import json
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipelines.preparation.job import encode_partitions, prepare
from pipelines.preparation.subwords import learn_subwords, load_subwords
from pipelines.runners.options import pipeline_options
from recipes.stages import resolved_recipe
from tests.pipelines.corpora.support import write_tmx
from tests.pipelines.shard_records import records
from tests.pipelines.support import (
    SOURCES,
    TARGETS,
    as_settings,
    directory_of,
    hashes,
    new_work,
    rejected_pairs,
    run,
    write_lines,
    write_pair,
)
from workspace.errors import UserError
from workspace.layout import FILE, LINE, SOURCE, SOURCE_TEXT, SPLITS, TARGET_TEXT, WorkDirectory
from workspace.marks import SubwordModels, read_manifest
from workspace.storage import remove


def texts(work: WorkDirectory[Path], split: str) -> list[tuple[str, str]]:
    return [(record[SOURCE_TEXT].decode(), record[TARGET_TEXT].decode()) for record in records(work, split)]


def rejected(work: WorkDirectory[Path]) -> Counter[tuple[str, str]]:
    return Counter((pair["corpus"], pair["reason"]) for pair in rejected_pairs(work))


@pytest.fixture
def three(tmp_path: Path) -> list[dict[str, Any]]:
    """Numbers below 100, from 100 and from 200, each a corpus; the second also has the first ten of the first."""
    parts = [range(100), [*range(100, 200), *range(10)], range(200, 300)]
    return [
        {
            **as_settings(write_pair(tmp_path / name, [SOURCES[n] for n in part], [TARGETS[n] for n in part])),
            "name": name,
        }
        for name, part in zip(("small", "middle", "large"), parts, strict=True)
    ]


def test_each_corpus_has_its_name_weight_tag_and_rules(tmp_path: Path, three: list[dict[str, Any]]) -> None:
    small, middle, large = three
    small |= {"weight": 2.5}
    middle |= {"tag": "<mid>", "cleaning": {"max_words": 3}}
    large |= {"weight": 0.25}
    work = new_work(tmp_path / "work", None, corpus={"train": three}, subwords={"vocabulary": 80})
    manifest = run(work)
    assert {name: corpus["read"] for name, corpus in manifest["corpora"].items()} == {
        "small": 100,
        "middle": 110,
        "large": 100,
    }
    by_reason = rejected(work)
    assert by_reason["middle", "too_long"] == sum(max(len(s.split()), len(t.split())) > 3 for s, t in pairs(100, 200))
    assert by_reason["small", "too_long"] == by_reason["large", "too_long"] == 0
    # The copy in the later corpus goes, unless its own rules took it before.
    assert by_reason["middle", "duplicate"] == 10
    found = records(work, "train")
    kept = manifest["corpora"]
    times = Counter(record[SOURCE_TEXT] for record in found)
    assert {times[SOURCES[n].encode()] for n in range(100)} <= {0, 2, 3}
    written = sum(times[SOURCES[n].encode()] for n in range(100))
    assert written == pytest.approx(2.5 * kept["small"]["kept"]["train"], rel=0.1)
    for counts in kept.values():
        assert counts["read"] == sum(counts["kept"].values()) + sum(counts["rejected"].values())
    assert 10 <= kept["large"]["kept"]["train"] <= 40
    assert manifest["records"]["train"] == len(found) == sum(manifest["lengths"]["train"].values())
    subwords = load_subwords(work.subword_model("source", joint=True))
    for record in found:
        is_tagged = record[SOURCE_TEXT].startswith(b"<mid> ")
        assert is_tagged == (record[SOURCE_TEXT].removeprefix(b"<mid> ").decode() in SOURCES[100:200])
        if is_tagged:
            assert subwords.piece_to_id("<mid>") in record[SOURCE]


def pairs(begin: int, end: int) -> list[tuple[str, str]]:
    return list(zip(SOURCES[begin:end], TARGETS[begin:end], strict=True))


def test_every_pair_of_every_corpus_is_in_one_place(tmp_path: Path, three: list[dict[str, Any]]) -> None:
    work = new_work(tmp_path / "work", None, corpus={"train": three})
    manifest = run(work, chunk_pairs=33)
    for name, counts in manifest["corpora"].items():
        assert counts["read"] == sum(counts["kept"].values()) + sum(counts["rejected"].values()), name
    found = [pair for split in SPLITS for pair in texts(work, split)]
    assert sorted(found) == sorted(pairs(0, 300))


def test_pairs_come_from_the_lines_of_their_file(tmp_path: Path) -> None:
    """Behind blank lines and a header; and units of TMX in one line stay two pairs, of which only the copy goes."""
    lines = [json.dumps({"source": source, "target": target}) for source, target in pairs(0, 300)]
    lines[7] = json.dumps({"source": SOURCES[7]})
    (tmp_path / "a.jsonl").write_text("".join(f"\n\n{line}\n" for line in lines))
    rows = [*pairs(300, 300), ("a thing", "une chose"), ("", "rien")]
    (tmp_path / "b.csv").write_text("source,target\n" + "".join(f'"{s}\n",{t}\n' for s, t in rows))
    units = [("a stone", "une pierre"), ("a stone", "une pierre"), ("a tree", "un arbre")]
    write_tmx(tmp_path / "c.tmx", units)
    train = [{"file": str(tmp_path / name)} for name in ("a.jsonl", "b.csv", "c.tmx")]
    work = new_work(
        tmp_path / "work",
        None,
        corpus={"source_language": "en", "target_language": "fr", "train": train},
        cleaning={"min_language": None},
        subwords={"vocabulary": 70},
    )
    run(work)
    assert [(pair["file"], pair["line"], pair["reason"]) for pair in rejected_pairs(work)] == [
        ("a.jsonl", 24, "empty"),
        ("b.csv", 4, "empty"),
        ("c.tmx", 3, "duplicate"),
    ]
    found = {record[SOURCE_TEXT].decode(): record for split in SPLITS for record in records(work, split)}
    assert found["a thing"][LINE] == 2
    assert found["a tree"][LINE] == found["a stone"][LINE] == 3
    assert {found[SOURCES[number]][LINE] for number in range(5)} == {3, 6, 9, 12, 15}


@pytest.mark.slow
def test_sentences_of_given_sets_are_not_trained_on(tmp_path: Path) -> None:
    """On either side, whatever their case and punctuation."""
    source, target = [*SOURCES, "Seven!", "a heptad", "eight"], [*TARGETS, "autre", "Sept.", "huit"]
    test = write_pair(tmp_path / "test", ["seven", "something else"], ["sept", "Huit"])
    files = write_pair(tmp_path / "train", source, target)
    work = new_work(tmp_path / "work", files, corpus={"test": as_settings(test)}, split={"dev_pairs": 20})
    run(work)
    overlapping = {(pair["source"], pair["target"]) for pair in rejected_pairs(work) if pair["reason"] == "overlap"}
    expected = {("seven", "sept"), ("Seven!", "autre"), ("a heptad", "Sept."), ("eight", "huit")}
    assert overlapping == expected - set(texts(work, "dev"))
    assert texts(work, "test") == [("seven", "sept"), ("something else", "Huit")]
    kept = new_work(
        tmp_path / "kept",
        files,
        corpus={"test": as_settings(test)},
        split={"dev_pairs": 20},
        cleaning={"remove_overlap": False},
    )
    assert "overlap" not in run(kept)["pairs"]["rejected"]


def test_no_sentence_is_in_two_splits_on_either_side(tmp_path: Path) -> None:
    """Also where the splits are made here, and sentences come with several translations on both sides."""
    source = [*SOURCES, *(f"the {text}" for text in SOURCES), *(text.upper() for text in SOURCES)]
    target = [*TARGETS, *TARGETS, *(f"le {text}" for text in TARGETS)]
    work = new_work(tmp_path / "work", write_pair(tmp_path, source, target))
    manifest = run(work)
    assert manifest["pairs"]["rejected"]["overlap"] > 0
    train = texts(work, "train")
    for split in ("dev", "test"):
        held_out = texts(work, split)
        for side in (0, 1):
            assert {pair[side].lower() for pair in train}.isdisjoint({pair[side].lower() for pair in held_out})


def test_pairs_equal_but_for_case_and_punctuation(tmp_path: Path) -> None:
    source = [*SOURCES, *(f"{text.title()}." for text in SOURCES)]
    target = [*TARGETS, *(f"{text.upper()} !" for text in TARGETS)]
    files = write_pair(tmp_path, source, target)
    exact = new_work(tmp_path / "exact", files, cleaning={"duplicates": "exact"}, subwords={"vocabulary": 90})
    assert "duplicate" not in run(exact)["pairs"]["rejected"]
    letters = new_work(tmp_path / "letters", files, cleaning={"duplicates": "letters"})
    assert run(letters)["pairs"]["rejected"] == {"duplicate": 300}
    assert sorted(pair for split in SPLITS for pair in texts(letters, split)) == sorted(pairs(0, 300))


def test_limits_on_translations_of_a_sentence(tmp_path: Path) -> None:
    source = [*SOURCES, *["twelve"] * 3, "a dozen", "twelve items", "one dozen"]
    target = [*TARGETS, "une douzaine", "douze", "XII", *["douze"] * 3]
    limits = {"max_translations": 2, "max_sources": 3, "duplicates": "exact"}
    work = new_work(
        tmp_path / "work",
        write_pair(tmp_path, source, target),
        cleaning=limits,
        split={"dev_pairs": 1, "test_pairs": 1, "seed": 5},
        corpus={"dev": as_settings(write_pair(tmp_path / "dev", ["x y"], ["z"]))},
    )
    run(work)
    found = {(pair["line"], pair["reason"], pair["value"], pair["limit"]) for pair in rejected_pairs(work)}
    assert {each for each in found if each[0] > 300} == {
        (302, "duplicate", None, None),
        (303, "many_translations", 3, 2),
        (306, "many_sources", 4, 3),
    }


def test_nearly_the_same_pairs(tmp_path: Path) -> None:
    source = [*SOURCES, *(" and ".join(SOURCES[place : place + 9]) for place in (50, 100, 150))]
    target = [*TARGETS, *(" et ".join(TARGETS[place : place + 9]) for place in (50, 100, 150))]
    # One word more in a sentence of thirty, and another sentence that shares words only.
    source += [f"{source[300]} more", f"{source[301]} so"]
    target += [f"{target[300]} encore", f"{target[301]} alors"]
    files = write_pair(tmp_path, source, target)
    work = new_work(tmp_path / "work", files, cleaning={"max_near_duplicates": 0.8}, subwords={"max_length": 999})
    run(work, chunk_pairs=60)
    near = [(pair["line"], pair["value"], pair["limit"]) for pair in rejected_pairs(work) if pair["line"] > 300]
    held_out = {record[SOURCE_TEXT].decode() for split in ("dev", "test") for record in records(work, split)}
    expected = [(line, None, 0.8) for line in (304, 305) if {source[line - 4], source[line - 1]}.isdisjoint(held_out)]
    assert expected
    assert near == expected


@pytest.mark.slow
def test_only_the_later_steps_are_done_again(tmp_path: Path, three: list[dict[str, Any]]) -> None:
    """After a change of what only they read; the result is that of doing everything again."""
    work = new_work(tmp_path / "work", None, corpus={"train": three})
    run(work)
    cleaned = {path: path.stat().st_mtime_ns for path in directory_of("clean", work).iterdir()}
    work = new_work(tmp_path / "work", None, corpus={"train": three}, subwords={"vocabulary": 70})
    prepare(resolved_recipe(work), work, pipeline_options([]))
    assert {path: path.stat().st_mtime_ns for path in directory_of("clean", work).iterdir()} == cleaned
    again = hashes(work)
    run(work)
    assert hashes(work) == again
    assert {record[FILE] for record in records(work, "train")} == {b"text.en"}


@pytest.mark.slow
def test_corpora_in_another_order_are_another_run(tmp_path: Path, three: list[dict[str, Any]]) -> None:
    """With what an earlier run left of them as if there were nothing."""
    three[0]["tag"], three[1]["weight"] = "<first>", 2.0
    work = new_work(tmp_path / "work", None, corpus={"train": three}, subwords={"vocabulary": 80})
    run(work)
    for changes in ({}, {"subwords": {"vocabulary": 81}}):
        settings = {"corpus": {"train": three[::-1]}, "subwords": {"vocabulary": 80}, **changes}
        again, fresh = (new_work(tmp_path / name, None, **settings) for name in ("work", f"fresh{len(changes)}"))
        for each in (again, fresh):
            prepare(resolved_recipe(each), each, pipeline_options([]))
        assert hashes(again) == hashes(fresh)
        assert read_manifest(again).corpora == read_manifest(fresh).corpora


@pytest.mark.slow
def test_whatever_is_missing_or_damaged_of_intermediate_is_made_again(
    tmp_path: Path, three: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """File by file, and the result is the same."""
    three[2]["file"] = str(
        write_lines(tmp_path / "large.tsv", [f"{SOURCES[n]}\t{TARGETS[n]}" for n in range(200, 300)])
    )
    del three[2]["source"], three[2]["target"]
    work = new_work(tmp_path / "work", None, corpus={"train": three})
    run(work)
    expected = hashes(work)
    files = [path for path in work.intermediate.rglob("*") if path.is_file()]
    kinds = {path.suffix: path for path in sorted(files)}
    assert kinds.keys() >= {".kept", ".rejected", ".json", ".index", ".source", ".statistics", ".model"}
    for number, path in enumerate(kinds.values()):
        if number % 2:
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-1] + b"?")
        remove(work.data)
        capsys.readouterr()
        prepare(resolved_recipe(work), work, pipeline_options([]))
        assert hashes(work) == expected, path
        assert path.name == "step.json" or f"{path} is missing or damaged" in capsys.readouterr().err


@pytest.mark.slow
def test_what_is_taken_from_intermediate_during_a_run_is_told_and_made_again(
    tmp_path: Path, three: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not read as no pairs, by this run or the next."""
    work = new_work(tmp_path / "work", None, corpus={"train": three[:1]}, shards=2)
    run(work)
    expected = hashes(work)
    clean = directory_of("clean", work)
    for taken in ("00001.rejected", "emptied", "all"):

        def learn_and_take(*arguments: Any, taken: str = taken) -> SubwordModels:
            learnt = learn_subwords(*arguments)
            if taken == "all":
                remove(clean)
            elif taken == "emptied":
                (clean / "00000.kept").write_bytes(b"")
            else:
                (clean / taken).unlink()
            return learnt

        remove(work.data)
        remove(directory_of("subwords", work))
        with (
            monkeypatch.context() as patch,
            pytest.raises(UserError, match=r"clean-.* was removed or damaged meanwhile"),
        ):
            patch.setattr("pipelines.preparation.job.learn_subwords", learn_and_take)
            prepare(resolved_recipe(work), work, pipeline_options([]))
        assert not work.data.exists()
        prepare(resolved_recipe(work), work, pipeline_options([]))
        assert hashes(work) == expected


@pytest.mark.slow
def test_an_interrupted_encoding_goes_on_from_whole_shards_only(
    tmp_path: Path, three: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = new_work(tmp_path / "work", None, corpus={"train": three})
    run(work)
    expected = hashes(work)
    remove(work.data)

    def encode_and_interrupt(*arguments: Any) -> None:
        encode_partitions(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("pipelines.preparation.job.encode_partitions", encode_and_interrupt)
        prepare(resolved_recipe(work), work, pipeline_options([]))
    encode = directory_of("encode", work)
    shards = sorted((encode / "data").glob("train-*"))
    rejected = sorted((encode / "data" / "rejected").iterdir())
    counts = sorted((encode / "counts").iterdir())
    shards[0].write_bytes(shards[0].read_bytes()[:-1])
    rejected[1].unlink()
    counts[2].write_bytes(b"no pickle")
    untouched = {path: path.stat().st_mtime_ns for path in (encode / "data").glob("dev-*")}
    assert untouched
    prepare(resolved_recipe(work), work, pipeline_options([]))
    assert hashes(work) == expected
    assert [(work.data / path.name).stat().st_mtime_ns for path in untouched] == [*untouched.values()]


@pytest.mark.slow
def test_a_light_corpus_takes_nothing_from_a_heavy_one(tmp_path: Path) -> None:
    """Of the copies that both have, those of the heavier stay, whichever comes first."""
    files = write_pair(tmp_path, SOURCES[:200], TARGETS[:200])
    light, heavy = ({**as_settings(files), "name": name, "weight": weight} for name, weight in (("a", 0.1), ("b", 1)))
    for corpora in ([light, heavy], [heavy, light]):
        work = new_work(tmp_path / "work", None, corpus={"train": corpora}, split={"dev_pairs": 5, "test_pairs": 5})
        manifest = run(work)
        assert manifest["corpora"]["b"]["kept"]["train"] == manifest["records"]["train"] > 180
        assert manifest["corpora"]["a"]["rejected"] == {"duplicate": 200}


def test_dev_sentences_in_another_form_are_taken_out_of_the_training_pairs(tmp_path: Path) -> None:
    """The training corpus is repaired before, given files are not."""
    sources = [f"{text} — déjà vu à l'été" for text in SOURCES]
    files = write_pair(tmp_path / "train", sources, TARGETS)
    forms = [
        unicodedata.normalize("NFD", sources[120]),
        sources[121].upper(),
        html.escape(sources[122]).replace("é", "&eacute;"),
        sources[123].replace("'", "\u2019").replace(" — ", " ... "),
    ]
    dev = write_pair(tmp_path / "dev", forms, ["quelque chose"] * 4)
    work = new_work(tmp_path / "work", files, corpus={"dev": as_settings(dev)})
    run(work)
    overlapping = [pair["source"] for pair in rejected_pairs(work) if pair["reason"] == "overlap"]
    assert sorted(overlapping) == sorted(sources[120:124])
    assert not set(overlapping) & {source for split in ("train", "test") for source, _ in texts(work, split)}
