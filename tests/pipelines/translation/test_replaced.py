"""No job mixes two models, whatever becomes of the version that it translates with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from model.exported.loading import load_signatures
from pipelines.runners.options import ready_runner
from pipelines.translation import model_engine
from pipelines.translation.asked import Asked
from pipelines.translation.inputs import find_files
from pipelines.translation.job import translate_files
from pipelines.translation.model_engine import ModelEngine
from pipelines.translation.server_engine import ServerEngine
from tests import marks
from tests.serving.support import running, save_text_model
from tests.stores.servers import Store
from workspace.errors import UserError
from workspace.locations import Location, located
from workspace.marks import write_version_mark
from workspace.storage import copy, remove

pytestmark = pytest.mark.slow

ENDED = "^{} was replaced or removed while the job ran; run the same command again, and it begins anew$"


@dataclass(frozen=True)
class Hindered(ModelEngine):
    """Something happens when the job has planned, and no worker has loaded the model yet."""

    happens: Callable[[], object] = bool

    @contextlib.contextmanager
    def watched(self, say: Callable[[str], object]) -> Iterator[None]:
        self.happens()
        yield


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Versions of the same number, which put their names before texts."""
    root = tmp_path_factory.mktemp("models")
    for name in ("one", "two"):
        (root / name).mkdir()
        save_text_model(root / name / "1", f"{name}:")
        write_version_mark(root / name / "1", marks.provenance({"weights": name}))
    return {name: root / name / "1" for name in ("one", "two")}


@pytest.fixture(params=["disk", "store"])
def version(request: pytest.FixtureRequest, tmp_path: Path, models: dict[str, Path]) -> Location:
    root = tmp_path if request.param == "disk" else located(request.getfixturevalue("s3").root)
    copy(models["one"], root / "export" / "1")
    return root / "export" / "1"


def translated(tmp_path: Path, engine: Any) -> str:
    (tmp_path / "in").write_text("text\n")
    with ready_runner([]) as options:
        files = find_files(str(tmp_path / "in"), tmp_path / "out", False, None)
        translate_files(files, Asked(), engine, options)
    return (tmp_path / "out").read_text()


def test_a_version_that_is_replaced_before_workers_load_it(
    version: Location, models: dict[str, Path], tmp_path: Path
) -> None:
    for happens in (lambda: copy(models["two"], version), lambda: remove(version)):
        with pytest.raises(UserError, match=ENDED.format(version)):
            translated(tmp_path, Hindered(version, happens=happens))
        assert not (tmp_path / "out").exists()
    copy(models["two"], version)
    assert translated(tmp_path, ModelEngine(version)) == "two:text\n"


def test_a_version_that_is_replaced_while_a_worker_elsewhere_loads_it(
    version: Location, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have read some of the files before."""

    def load(*given: Any) -> Any:
        loaded = load_signatures(*given)
        copy(models["two"], version)
        return loaded

    engine = ModelEngine(version)
    with engine.for_workers(engine.identity(), are_here=False) as of_workers:
        assert of_workers.made_ready()
        with monkeypatch.context() as patched, pytest.raises(UserError, match=ENDED.format(version)):
            patched.setattr(model_engine, "load_signatures", load)
            of_workers.made_ready()
        with pytest.raises(UserError, match=ENDED.format(version)):
            of_workers.made_ready()


def test_workers_on_this_machine_have_a_copy_of_what_is_in_a_store(s3: Store, models: dict[str, Path]) -> None:
    """Which stays as it is."""
    copy(models["one"], version := located(f"{s3.root}/1"))
    engine = ModelEngine(version)
    with engine.for_workers(engine.identity(), are_here=True) as of_workers:
        copy(models["two"], version)
        ready = of_workers.made_ready()
    assert [found.translation.text for found in ready.translate(["text"], Asked())] == ["one:text"]


def test_a_server_that_has_another_model_than_when_the_job_began(models: dict[str, Path], tmp_path: Path) -> None:
    """Before any worker has asked it."""
    with running(models["one"].parent, "rnnsearch") as server:
        engine = ServerEngine(server.address)
        another = f"^the server at {server.address} has another model than when the job began; run the same command"
        with (
            engine.for_workers({"weights": "another"}, are_here=False) as of_workers,
            pytest.raises(UserError, match=another),
        ):
            list(of_workers.made_ready().translate(["text"], Asked()))
        with engine.for_workers(engine.identity(), are_here=False) as of_workers:
            assert len(list(of_workers.made_ready().translate(["text"], Asked()))) == 1
