"""Batch translation by a running server: of that model, and of as many texts at a time as it takes."""

from __future__ import annotations

from tests import silent_tensorflow  # noqa: F401

# isort: split

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from pipelines import translate
from serving.client.answers import TranslationError
from tests import marks
from tests.serving.support import Running, TextModel, running
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.machine import free_port
from workspace.marks import write_mark

pytestmark = pytest.mark.slow

LINES = [f"line {number}" if number % 5 else "" for number in range(45)]


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base path with a model of four texts at a time, which says that its weights are "one:"."""
    base = tmp_path_factory.mktemp("small")
    model = TextModel("one:")
    signatures = {"serving_default": model.at_most_four, "identity": model.identity}
    tf.saved_model.save(model, str(base / "1"), signatures=signatures)
    return base


@pytest.fixture(scope="module")
def server(small_model: Path) -> Iterator[Running]:
    with running(small_model, "rnnsearch") as server:
        yield server


def arguments(tmp_path: Path, server: str, work: Path | None = None) -> list[str]:
    (tmp_path / "in").write_text("\n".join(LINES) + "\n")
    files = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    return [*files, "--server", server, *(["--work", str(work)] if work else [])]


def exported(path: Path, *weights: str) -> Path:
    """A work directory with exported models of these weights."""
    work = WorkDirectory(path)
    for number, digest in enumerate(weights, start=1):
        write_mark(work.provenance(number), marks.provenance({"weights": digest}))
    return path


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [([], "{work}/export holds no exported model; make one with"), (["two:"], "another model than {work};")],
)
def test_a_server_of_another_model_is_not_asked(
    server: Running, tmp_path: Path, weights: list[str], sentence: str
) -> None:
    work = exported(tmp_path / "w", *weights)
    with pytest.raises(UserError, match=re.escape(sentence.format(work=work))):
        translate.main(arguments(tmp_path, server.address, work))
    assert not (tmp_path / "out").exists()


def test_a_server_of_this_model_translates_in_batches_that_it_takes(server: Running, tmp_path: Path) -> None:
    work = exported(tmp_path / "w", "two:", "one:")
    translate.main(arguments(tmp_path, server.address, work))
    assert (tmp_path / "out").read_text().split("\n") == [*(f"one:{line}" if line else "" for line in LINES), ""]


def test_no_server_of_a_work_directory_is_a_sentence_that_says_how_to_start_it(tmp_path: Path) -> None:
    work, port = exported(tmp_path / "my work", "one:"), free_port()
    with pytest.raises(TranslationError, match=re.escape(f"start one with make serve WORK='{work}' PORT={port}")):
        translate.main(arguments(tmp_path, f"127.0.0.1:{port}", work))
