"""The whole road on ``tiny`` in S3: another machine goes on where one was lost, and all is as on a disk."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import rnnsearch
from serving.client.translator import Translator
from tests.end_to_end.support import environment_of
from tests.numbers_corpus import english
from tests.stores.servers import Store
from workspace.layout import WorkDirectory
from workspace.listing import entries, is_file
from workspace.locations import Location, located
from workspace.machine import free_port
from workspace.marks import read_manifest, read_training_mark
from workspace.storage import copy, read_bytes, read_json, sha256_of

pytestmark = pytest.mark.slow

TEXTS = [english(number) for number in range(7, 9999, 487)]


@pytest.fixture
def in_store(s3: Store, root: Path) -> WorkDirectory:
    """Where the corpus is beside."""
    for side in ("en", "fr"):
        copy(root / f"numbers.{side}", located(f"{s3.root}/numbers.{side}"))
    return WorkDirectory(located(s3.root) / "work" / "run")


def test_the_road_in_a_store_ends_as_on_a_disk(
    s3: Store, in_store: WorkDirectory, work: WorkDirectory[Path], tmp_path: Path
) -> None:
    lost, other = (tmp_path / name for name in ("lost", "other"))
    command = [sys.executable, "-m", "recipes.run", "--work", str(in_store.root), "--recipe", "tiny"]
    command += ["--train-source", f"{s3.root}/numbers.en", "--train-target", f"{s3.root}/numbers.fr"]
    # A machine that is lost during the training ...
    with subprocess.Popen([*command], env=environment_of(lost, s3), stdout=subprocess.DEVNULL) as first:
        while not has_checkpoint(in_store):
            assert first.poll() is None
            time.sleep(0.1)
        first.kill()
    # ... and another, which has nothing of it.
    done = subprocess.run(command, env=environment_of(other, s3), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "training goes on at step" in done.stdout
    assert not any(
        secret in done.stdout + done.stderr
        for secret in (s3.environment["AWS_ACCESS_KEY_ID"], s3.environment["AWS_SECRET_ACCESS_KEY"])
    )
    assert list(other.iterdir()) == []

    ours, theirs = read_manifest(work), read_manifest(in_store)
    assert (theirs.shards, theirs.subwords) == (ours.shards, ours.subwords)
    for name, digest in theirs.shards.items():
        assert sha256_of(in_store.data / name) == digest
    assert read_training_mark(in_store).weights == read_training_mark(work).weights
    assert read_bytes(in_store.hypotheses) == read_bytes(work.hypotheses)
    assert read_json(in_store.scores)["bleu"] == read_json(work.scores)["bleu"]

    again = subprocess.run(command, env=environment_of(other, s3), capture_output=True, text=True, check=True)
    assert again.stdout.startswith(f"{in_store.root} is up to date")
    expected = rnnsearch.load(work.root, precision="float32").translate(TEXTS)
    # The engine for CPUs, which every thread has for itself.
    in_int8, copied = rnnsearch.load(work.root), rnnsearch.load(str(in_store.root))
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(copied.translate, [TEXTS, TEXTS])) == [in_int8.translate(TEXTS)] * 2
    check_served(in_store, [translation.text for translation in expected], environment_of(other, s3))


def has_checkpoint(work: WorkDirectory) -> bool:
    found: list[Location] = entries(work.checkpoints)
    return any(is_file(checkpoint / "checkpoint.json") for checkpoint in found)


def check_served(work: WorkDirectory, expected: list[str], environment: dict[str, str]) -> None:
    port = free_port()
    command = [sys.executable, "-m", "serving.serve", "--work", str(work.root), "--rest_api_port", "0"]
    with subprocess.Popen([*command, "--port", str(port)], env=environment, stderr=subprocess.PIPE) as server:
        try:
            with Translator(f"localhost:{port}") as translator:
                translator.wait_until_ready(300)
                assert [answer.text for answer in translator.translate_many(TEXTS)] == expected
        finally:
            server.terminate()
        assert server.wait(120) == 0
