"""The run that all tests of the road share, and the server that serves it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.client.translator import Translator
from tests.end_to_end.support import ENVIRONMENT, run_road
from tests.numbers_corpus import write_corpus
from tests.own_lines import foreign_lines
from workspace.layout import WorkDirectory
from workspace.machine import free_port


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("road")
    write_corpus(root, pairs=3000)
    return root


@pytest.fixture(scope="session")
def first_run(root: Path) -> str:
    return run_road(root)


@pytest.fixture(scope="session")
def work(root: Path, first_run: str) -> WorkDirectory[Path]:
    assert "test BLEU" in first_run
    return WorkDirectory(root / "run")


@pytest.fixture(scope="session")
def server(work: WorkDirectory[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The stand-in as ``make serve`` starts it; gives its gRPC address."""
    port, rest_port = free_port(), free_port()
    command = [sys.executable, "-m", "serving.serve", "--work", str(work.root)]
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--rest_api_port", str(rest_port)],
            env=ENVIRONMENT,
            stdout=output,
            stderr=output,
        )
        try:
            with Translator(f"localhost:{port}") as translator:
                translator.wait_until_ready(60)
            yield f"localhost:{port}"
        finally:
            process.terminate()
            assert process.wait(40) == 0, log.read_text()
        assert foreign_lines(log.read_text()) == []
