"""Preparing with a work directory in a store, and corpora there: the same bytes as on this machine."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipelines import clean_report, compare_runners
from pipelines.corpora.line_files import FilePair
from pipelines.preparation.job import prepare
from pipelines.preparation.subwords import learn_subwords
from pipelines.runners.options import pipeline_options
from recipes.stages import resolved_recipe
from tests.pipelines.support import SOURCES, TARGETS, hashes, new_work, run, write_lines, write_pair
from tests.stores.proxy import EXPIRED_TOKEN, SLOW_DOWN, Proxy
from tests.stores.servers import BUCKET, Store, s3_client
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.listing import entries, exists, files_under
from workspace.locations import RemotePath, located
from workspace.marks import SubwordModels, check_prepared, read_manifest
from workspace.storage import copy, read_bytes, read_text, remove, write_bytes

pytestmark = pytest.mark.slow


def work_in(store: Store, name: str, files: FilePair | None, **settings: Any) -> WorkDirectory[RemotePath]:
    root = located(f"{store.root}/{name}")
    assert isinstance(root, RemotePath)
    return new_work(root, files, **settings)


def again(work: WorkDirectory) -> dict[str, str]:
    """The files of ``data/`` after the same command, with what the last one left."""
    prepare(resolved_recipe(work), work, pipeline_options([]))
    return hashes(work)


def step_of(work: WorkDirectory[RemotePath], step: str) -> RemotePath:
    (found,) = (each for each in entries(work.intermediate) if each.name.startswith(f"{step}-"))
    assert isinstance(found, RemotePath)
    return found


def test_the_shards_are_the_same_bytes(
    tmp_path: Path, numbers: FilePair[Path], s3: Store, gcs: Store, hdfs: Store
) -> None:
    work = new_work(tmp_path / "work", numbers, shards=1)
    run(work)
    expected = hashes(work)
    for store in (s3, gcs, hdfs):
        there = work_in(store, "work", numbers, shards=1)
        run(there)
        assert hashes(there) == expected, store.name


def test_corpora_are_read_from_wherever_they_are(tmp_path: Path, s3: Store) -> None:
    """Plain and compressed, here and in the store; with a list of words that only this machine has."""
    write_lines(tmp_path / "here.words", ["thirteen"])
    write_pair(tmp_path / "plain", SOURCES[:100], TARGETS[:100])
    write_lines(tmp_path / "table.tsv.gz", [f"{SOURCES[n]}\t{TARGETS[n]}" for n in range(100, 200)])
    # A carriage return and an empty line, for what is copied must not be mended on the way.
    write_pair(tmp_path / "given", [*SOURCES[200:300], "one\r", ""], [*TARGETS[200:300], "un\r", ""])
    remote = located(f"{s3.root}/corpora")
    for name in ("plain", "table.tsv.gz", "given"):
        copy(tmp_path / name, remote / name)
    found = []
    for root, places in (
        (tmp_path / "work", (tmp_path, tmp_path, tmp_path)),
        (tmp_path / "other", (remote, remote, remote)),
        (located(f"{s3.root}/work"), (tmp_path, remote, tmp_path)),
    ):
        pairs = [
            {"source": f"{place}/{name}/text.en", "target": f"{place}/{name}/text.fr"}
            for place, name in ((places[0], "plain"), (places[2], "given"))
        ]
        corpora = [
            {**pairs[0], "name": "a"},
            {"file": f"{places[1]}/table.tsv.gz", "name": "b"},
            {**pairs[1], "name": "c"},
        ]
        words = {"blocked_words": str(tmp_path / "here.words"), "max_identical": None, "max_similarity": None}
        work = new_work(root, None, corpus={"train": corpora}, cleaning=words, shards=1)
        assert run(work)["pairs"]["rejected"]["blocked_words"] > 0
        found.append(hashes(work))
    assert found[1:] == found[:1] * 2


def test_a_corpus_that_is_changed_while_it_is_read_is_noticed(
    numbers: FilePair[Path], tmp_path: Path, faulty_s3: tuple[Store, Proxy]
) -> None:
    """Else its index, or what a recipe's mark says of it, would be of other lines than those that were read."""
    store, proxy = faulty_s3
    there = FilePair(*(located(f"{store.root}/{file.name}") for file in (numbers.source, numbers.target)))
    for file, copied in ((numbers.source, there.source), (numbers.target, there.target)):
        copy(file, copied)
    work = new_work(tmp_path / "work", there)
    fault, gets = proxy.fault, itertools.count(1)

    def write_meanwhile(method: str, path: str) -> tuple[int, str] | None:
        # Both files are looked at; then the first of them is read.
        if method == "GET" and next(gets) == 3:
            key = str(there.target).partition(f"{BUCKET}/")[2]
            s3_client(store).put_object(Bucket=BUCKET, Key=key, Body=numbers.target.read_bytes().upper())
        return fault(method, path)

    proxy.fault = write_meanwhile  # type: ignore[method-assign]
    with pytest.raises(UserError, match="corpus numbers changed while it was read; run the same command again"):
        run(work)


def test_killed_at_any_moment_it_gives_the_same_bytes(numbers: FilePair[Path], faulty_s3: tuple[Store, Proxy]) -> None:
    """There is the whole of the old data, or that of the new, or no mark; rejected/ of the old has more files."""
    store, proxy = faulty_s3
    old, fresh = (work_in(store, name, numbers, shards=shards) for name, shards in (("old", 4), ("fresh", 2)))
    run(old)
    before = proxy.requests.total()
    run(fresh)
    needed = proxy.requests.total() - before
    olds, news = hashes(old), hashes(fresh)
    # While it cleans, and while the old data go and the new come.
    for requests in (needed // 3, needed - 30):
        work = work_in(store, f"work{requests}", numbers, shards=2)
        copy(old.data, work.data)
        # Then nothing gets through, also not what would clear up: as if the process were killed.
        proxy.left, proxy.refusing = requests, EXPIRED_TOKEN
        with pytest.raises(UserError, match="have expired; renew them"):
            run(work)
        proxy.refusing = None
        if exists(work.manifest):
            assert hashes(work) in (olds, news)
            check_prepared(work, read_manifest(work), "train")
        assert again(work) == news


def test_an_interrupted_command_leaves_no_scratch(
    numbers: FilePair[Path], tmp_path: Path, faulty_s3: tuple[Store, Proxy]
) -> None:
    """Nor do its workers, while they try to put into the store what they have written there."""
    store, proxy = faulty_s3
    work = work_in(store, "work", numbers, shards=1)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    fault, puts = proxy.fault, itertools.count(1)
    # The corpus is copied and indexed; then the store is too busy for whatever the workers would write.
    proxy.fault = lambda method, path: (  # type: ignore[method-assign]
        SLOW_DOWN if method == "PUT" and next(puts) > 10 else fault(method, path)
    )
    command = [sys.executable, "-m", "pipelines.prepare", "--work", str(work.root)]
    command += ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    environment = {**os.environ, "SCRATCH": str(scratch)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        # os.walk takes no notice of what goes meanwhile.
        while not any(name.endswith((".rejected", ".kept")) for _, _, names in os.walk(scratch) for name in names):
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert said.endswith("error: interrupted; what was finished is kept, run the same command again to go on\n")
    assert [*scratch.iterdir()] == []


def test_what_was_replaced_is_noticed(numbers: FilePair[Path], s3: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """By another object of the same size, in the data and in what the steps left."""
    work = work_in(s3, "work", numbers, shards=2)
    run(work)
    expected = hashes(work)
    shards = [work.data / f"train-0000{number}-of-00002.tfrecord.gz" for number in range(2)]
    content = read_bytes(shards[1])
    write_bytes(shards[1], content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserError, match=f"{shards[1]} is missing or damaged; remove it if it is there, and make"):
        check_prepared(work, read_manifest(work), "train")
    kept = step_of(work, "clean") / "00000.kept"
    content = read_bytes(kept)
    write_bytes(kept, content[:-2] + b"??")
    capsys.readouterr()
    assert again(work) == expected
    assert f"warning: {kept} is missing or damaged; {kept.parent} is made anew\n" in capsys.readouterr().err


def test_what_is_taken_during_a_run_is_told_with_its_url(
    numbers: FilePair[Path], s3: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = work_in(s3, "work", numbers, shards=2)

    def learn_and_take(*arguments: Any) -> SubwordModels:
        learnt = learn_subwords(*arguments)
        remove(step_of(work, "clean") / "00001.kept")
        return learnt

    monkeypatch.setattr("pipelines.preparation.job.learn_subwords", learn_and_take)
    with pytest.raises(
        UserError, match=rf"^{work.intermediate}/clean-\w+/00001\.kept was removed or damaged meanwhile"
    ):
        run(work)
    assert not exists(work.data)


def test_the_commands_take_a_url(numbers: FilePair[Path], s3: Store, capsys: pytest.CaptureFixture[str]) -> None:
    work = work_in(s3, "work", numbers, shards=1)
    clean_report.main(["--work", str(work.root)])
    assert capsys.readouterr().out == f"what every rule would take: {work.clean_report}\n"
    assert "400" in read_text(work.clean_report)
    compare_runners.main(["--work", str(work.root), "--direct_num_workers=1"])
    assert capsys.readouterr().out.endswith("all 7 files have the same SHA-256\n")
    assert {file.name for file in files_under(work.root)} >= {"recipe.yaml", "clean-report.html"}
    assert [entry.name for entry in entries(work.root)] == ["clean-report.html", "intermediate", "recipe.yaml"]
