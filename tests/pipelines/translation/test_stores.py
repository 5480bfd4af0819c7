"""Batch translation from and to stores, and what becomes of it when they fail."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.runners.options import ready_runner
from pipelines.translation import chunks
from pipelines.translation.asked import Asked
from pipelines.translation.chunks import Run
from pipelines.translation.inputs import find_files
from pipelines.translation.job import translate_files
from pipelines.translation.model_engine import ModelEngine
from tests import marks
from tests.pipelines.translation.support import ASKED, BREAK, Capitals, contents
from tests.recipes.support import NAMESPACE, can_mount
from tests.stores.proxy import ACCESS_DENIED, EXPIRED_TOKEN, NO_SUCH_BUCKET, Proxy
from tests.stores.servers import Store
from workspace import leases
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.listing import entries
from workspace.locations import located
from workspace.marks import write_mark
from workspace.storage import copy, remove, write_text

pytestmark = pytest.mark.slow

TEXT = "".join(f"line {number}\n" for number in range(23))


@pytest.fixture(autouse=True)
def chunks_of_five(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_RECORDS", 5)


def translate(given: str, output: str, model: Capitals | None = None) -> dict[str, Any]:
    with ready_runner([]) as options:
        return translate_files(find_files(given, located(output), False, None), Asked(), model or Capitals(), options)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    directory = tmp_path / "in"
    for name, text in {"a.txt": TEXT, "b/c.csv": "n,text\n1,one\n", "b/d.txt": "x" * 21 + "\n"}.items():
        write_text(directory / name, text)
    return directory


@pytest.mark.parametrize("name", ["s3", "gcs"])
def test_files_in_a_store_come_out_as_on_this_machine(
    name: str, texts: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    root = request.getfixturevalue(name).root
    copy(texts, located(f"{root}/in"))
    translate(str(texts), str(tmp_path / "here"))
    translate(f"{root}/in/**/*", f"{root}/there/deep")
    copy(located(f"{root}/there"), tmp_path / "there")
    here, there = contents(tmp_path / "here"), contents(tmp_path / "there" / "deep")
    assert here.pop("manifest.json") != there.pop("manifest.json")
    assert here == there
    assert "failed/b/d.txt.jsonl" in there
    # Nothing of the run is left.
    assert [found.name for found in entries(located(f"{root}/there"))] == ["deep"]


def test_a_store_that_is_busy_or_loses_connections_changes_nothing(
    faulty_s3: tuple[Store, Proxy], texts: Path, tmp_path: Path
) -> None:
    store, proxy = faulty_s3
    proxy.every, proxy.losing = 11, 17
    manifest = translate(str(texts), f"{store.root}/out")
    proxy.every = proxy.losing = 0
    assert proxy.refused
    copy(located(f"{store.root}/out"), tmp_path / "out")
    assert contents(tmp_path / "out")["a.txt"].decode() == TEXT.upper()
    assert manifest["counts"]["records"] == 25


@pytest.mark.parametrize(("refusal", "sentence"), [(NO_SUCH_BUCKET, "bucket"), (EXPIRED_TOKEN, "expired")])
def test_a_store_that_fails_in_mid_job_ends_it_in_a_sentence(
    faulty_s3: tuple[Store, Proxy],
    tmp_path: Path,
    refusal: tuple[int, str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And when it is mended, the same command goes on."""
    store, proxy = faulty_s3
    write_text(text := located(f"{store.root}/in.txt"), TEXT)
    output = f"{store.root}/out.txt"

    def refuse() -> None:
        proxy.refusing = refusal

    ASKED.clear()
    monkeypatch.setitem(BREAK, "how", refuse)
    # The lock could not be taken away either.
    monkeypatch.setattr(leases, "SECONDS_TO_LIVE", 0.5)
    with pytest.raises(UserError, match=sentence) as caught:
        translate(str(text), output, Capitals(breaks_after=2))
    assert "\n" not in str(caught.value)
    proxy.refusing = None
    assert translate(str(text), output)["translated_by_this_command"] == 13


@pytest.mark.parametrize("side", ["in", "out"])
def test_a_store_that_fails_is_not_taken_for_texts_that_cannot_be_read(
    faulty_s3: tuple[Store, Proxy],
    texts: Path,
    tmp_path: Path,
    side: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    """It fails while the first of three files is read, or while its texts are written."""
    store, proxy = faulty_s3
    given, output = str(texts), f"{tmp_path}/out"
    if side == "in":
        copy(texts, located(given := f"{store.root}/in"))
    else:
        output = f"{store.root}/out"
    written = Run.write_texts

    def refuse(*given: Any) -> None:
        proxy.refusing = EXPIRED_TOKEN
        written(*given)

    monkeypatch.setattr(leases, "SECONDS_TO_LIVE", 0.5)
    with monkeypatch.context() as patched, pytest.raises(UserError, match="expired"):
        patched.setattr(Run, "write_texts", refuse)
        translate(given, output)
    proxy.refusing = None
    assert "left out" not in capsys.readouterr().err
    assert translate(given, output)["counts"]["records"] == 25


def test_a_single_file_without_rights_is_left_out(
    faulty_s3: tuple[Store, Proxy], texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    store, proxy = faulty_s3
    copy(texts, located(f"{store.root}/in"))
    proxy.refusing, proxy.only = ACCESS_DENIED, "c.csv"
    manifest = translate(f"{store.root}/in", f"{tmp_path}/out")
    assert manifest["counts"]["records"] == 24
    assert f"warning: no permission for {store.root}/in/b/c.csv; ask for rights there" in capsys.readouterr().err


def test_a_model_in_a_store_is_looked_at(s3: Store) -> None:
    """Whether it is whole before the job, and byte for byte when it is loaded."""
    work = WorkDirectory(located(f"{s3.root}/work"))
    engine = ModelEngine(version := work.version(1))
    write_text(model := version / "saved_model.pb", "model")
    mark = marks.provenance({"weights": "w"}).model_copy(update={"sha256": {"../saved_model.pb": "another"}})
    write_mark(work.provenance(1), mark, [model])
    assert engine.identity()["weights"] == "w"
    engine.check(Asked())
    damaged = r"saved_model\.pb is missing or damaged; remove it, and export again"
    with pytest.raises(UserError, match=damaged):
        engine.made_ready()
    with pytest.raises(UserError, match=damaged), engine.for_workers(engine.identity(), are_here=True):
        pass
    write_text(model, "mod")
    with pytest.raises(UserError, match=damaged):
        engine.check(Asked())
    remove(version)
    with pytest.raises(UserError, match=f"{version} is gone; export it again, and run the same command again"):
        engine.made_ready()


JOB = """
import sys
from pathlib import Path
from pipelines.runners.options import ready_runner
from pipelines.translation.asked import Asked
from pipelines.translation.chunks import Run
from pipelines.translation.inputs import find_files
from pipelines.translation.job import translate_files
from tests.pipelines.translation.support import Capitals
from workspace.command import run_command
from workspace.locations import located
def main(arguments):
    with ready_runner([]) as options:
        translate_files(find_files(arguments[0], located(arguments[1]), False, None), Asked(), Capitals(), options)
run_command(main)
"""
FULL: dict[str, Callable[[Path, Store], tuple[str, str]]] = {
    "disk": lambda small, _: (f"{small}/out", ""),
    "scratch": lambda small, store: (f"{store.root}/out", str(small)),
}


@pytest.mark.skipif(not can_mount(), reason="needs unshare(1) and the right to make a mount namespace")
@pytest.mark.parametrize("what", list(FULL))
def test_a_full_disk_and_a_full_scratch_are_named(what: str, tmp_path: Path, s3: Store) -> None:
    text, small = tmp_path / "in", tmp_path / "small"
    text.write_text("".join(f"line {number}\n" for number in range(50_000)))
    small.mkdir()
    output, scratch = FULL[what](small, s3)
    mounted = 'mount -t tmpfs -o size=200k tmpfs "$1" && PYTHONPATH="$2" exec "$3" -c "$4" "$5" "$6"'
    root = str(Path(__file__).parents[3])
    arguments = [str(small), root, sys.executable, JOB, str(text), output]
    environment = {**os.environ, "CI": "true", **({"SCRATCH": scratch} if scratch else {})}
    done = subprocess.run(
        [*NAMESPACE, "sh", "-c", mounted, "sh", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    full = "the disk is full while writing " if what == "disk" else "the disk of "
    assert last.startswith(f"error: {full}{small}")
    assert "make room" in last
