"""Several models and versions, their labels, and a configuration that changes under way."""

from __future__ import annotations

import concurrent.futures
import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import text_format
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest, ReloadConfigResponse
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.api.stand_in import Server
from serving.protocol.flags import Flags
from tests.serving.support import (
    DEADLINE,
    Running,
    config_of,
    eventually,
    labels,
    model,
    request,
    running,
    save_text_model,
)
from workspace.errors import UserError

pytestmark = pytest.mark.slow

State = ModelVersionStatus.State


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Base paths a and b: versions 1 to 3 of a, which say a1: to a3:, and version 5 of b, which says b5:."""
    directory = tmp_path_factory.mktemp("versions")
    for name, number in (("a", 1), ("a", 2), ("a", 3), ("b", 5)):
        (directory / name).mkdir(exist_ok=True)
        save_text_model(directory / name / str(number), f"{name}{number}:")
    return directory


def reload(server: Running, config: str) -> ReloadConfigResponse:
    parsed = text_format.Parse(config, ModelServerConfig())
    return server.model.HandleReloadConfigRequest(ReloadConfigRequest(config=parsed), timeout=DEADLINE)


def said(server: Running, name: str, version: int | None = None, label: str = "") -> str:
    """What the model puts before a text."""
    asked = request(name, text=[""])
    asked.model_spec.CopyFrom(ModelSpec(name=name, version_label=label) if label else ModelSpec(name=name))
    if version is not None:
        asked.model_spec.version.value = version
    return bytes(server.prediction.Predict(asked, timeout=DEADLINE).outputs["translation"].string_val[0]).decode()


def refusal(server: Running, name: str, version: int | None = None, label: str = "") -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        said(server, name, version, label)
    return caught.value.code().name, caught.value.details()


def states(server: Running, name: str) -> dict[int, str]:
    asked = GetModelStatusRequest()
    asked.model_spec.name = name
    answer = server.model.GetModelStatus(asked, timeout=DEADLINE)
    return {status.version: State.Name(status.state) for status in answer.model_version_status}


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    return tmp_path / "models.config"


@pytest.fixture
def server(versions: Path, config_file: Path) -> Iterator[Running]:
    """Both models, the newest two versions of a."""
    config_file.write_text(
        config_of(
            model("a", versions / "a", "model_version_policy { latest { num_versions: 2 } }"),
            model("b", versions / "b"),
        )
    )
    with running(versions, "unused", model_config_file=config_file) as server:
        yield server


@pytest.mark.parametrize(
    ("policy", "loaded"),
    [
        ("", {3}),
        ("model_version_policy { latest { num_versions: 2 } }", {2, 3}),
        ("model_version_policy { all {} }", {1, 2, 3}),
        ("model_version_policy { specific { versions: 1 versions: 3 versions: 9 } }", {1, 3}),
    ],
)
def test_policies(
    versions: Path, config_file: Path, policy: str, loaded: set[int], capsys: pytest.CaptureFixture
) -> None:
    config_file.write_text(config_of(model("a", versions / "a", policy)))
    with running(versions, "unused", model_config_file=config_file) as server:
        eventually(lambda: states(server, "a") == dict.fromkeys(loaded, "AVAILABLE"))
        assert said(server, "a") == "a3:"
        assert said(server, "a", version=min(loaded)) == f"a{min(loaded)}:"
        missing = "version 9 of model a, which is to be served, is not in" in capsys.readouterr().err
        assert missing == ("9" in policy)


def test_several_models(server: Running) -> None:
    assert (said(server, "a"), said(server, "b")) == ("a3:", "b5:")
    eventually(lambda: states(server, "a") == {2: "AVAILABLE", 3: "AVAILABLE"})
    assert server.server.describe().startswith("serving a version 3, a version 2, b version 5: gRPC at")
    assert refusal(server, "unused") == ("NOT_FOUND", "Servable not found for request: Latest(unused)")


def test_labels(server: Running, versions: Path) -> None:
    """A canary: two versions, each under a name, then the names change places."""
    policy = "model_version_policy { latest { num_versions: 2 } }"
    assert refusal(server, "a", label="stable") == ("INVALID_ARGUMENT", "Unrecognized servable version label: stable")
    eventually(lambda: len(states(server, "a")) == 2)
    for stable, canary in ((2, 3), (3, 2)):
        reload(server, config_of(model("a", versions / "a", policy + labels(stable=stable, canary=canary))))
        assert said(server, "a", label="stable") == f"a{stable}:"
        assert said(server, "a", label="canary") == f"a{canary}:"
        status, body = server.rest("POST", "/v1/models/a/labels/stable:predict", {"instances": [""]})
        assert (status, json.loads(body)["predictions"][0]["translation"]) == (200, f"a{stable}:")
    status, body = server.rest("POST", "/v1/models/a/labels/none:predict", {"instances": [""]})
    assert (status, json.loads(body)) == (400, {"error": "Unrecognized servable version label: none"})
    reload(server, config_of(model("a", versions / "a", policy)))
    assert refusal(server, "a", label="stable")[0] == "INVALID_ARGUMENT"


def test_a_label_is_only_for_a_version_that_is_available(server: Running, versions: Path) -> None:
    """A configuration that is refused has changed nothing, of other models neither."""
    with pytest.raises(grpc.RpcError) as caught:
        reload(server, config_of(model("a", versions / "a", labels(stable=1))))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert caught.value.details() == (
        "Request to assign label to version 1 of model a, which is not currently available for inference"
    )
    assert (said(server, "a"), said(server, "b")) == ("a3:", "b5:")


def test_a_new_label_for_a_version_to_come_where_the_flag_allows_it(versions: Path, config_file: Path) -> None:
    config_file.write_text(config_of(model("a", versions / "a", labels(stable=3))))
    with (
        pytest.raises(UserError, match=r"cannot be served: Request to assign label to version 3"),
        running(versions, "unused", model_config_file=config_file),
    ):
        pass
    allowed = {"model_config_file": config_file, "allow_version_labels_for_unavailable_models": True}
    with running(versions, "unused", **allowed) as server:
        assert said(server, "a", label="stable") == "a3:"
        reload(server, config_of(model("a", versions / "a", labels(next=4))))
        assert refusal(server, "a", label="next") == ("NOT_FOUND", "Servable not found for request: Specific(a, 4)")
        with pytest.raises(grpc.RpcError, match="Request to assign label to version 5"):
            reload(server, config_of(model("a", versions / "a", labels(next=5))))


def test_models_come_and_go(server: Running, versions: Path) -> None:
    response = reload(server, config_of(model("b", versions / "b"), model("c", versions / "a")))
    assert response.status.error_code == 0
    assert (said(server, "b"), said(server, "c")) == ("b5:", "a3:")
    eventually(lambda: set(states(server, "a").values()) == {"END"})
    assert refusal(server, "a") == ("NOT_FOUND", "Servable not found for request: Latest(a)")
    reload(server, config_of(model("a", versions / "a")))
    assert said(server, "a") == "a3:"
    eventually(lambda: states(server, "b") == {5: "END"})


def test_an_empty_list_serves_nothing(server: Running, versions: Path) -> None:
    reload(server, "model_config_list {}")
    eventually(lambda: states(server, "a") == {2: "END", 3: "END"} and states(server, "b") == {5: "END"})
    reload(server, config_of(model("b", versions / "b")))
    assert said(server, "b") == "b5:"


def test_another_base_path_for_a_model_that_is_served(server: Running, versions: Path) -> None:
    reload(server, config_of(model("a", versions / "b"), model("b", versions / "b")))
    eventually(lambda: said(server, "a") == "b5:")
    eventually(lambda: states(server, "a") == {2: "END", 3: "END", 5: "AVAILABLE"})


def test_a_model_that_does_not_load(server: Running, versions: Path, tmp_path: Path) -> None:
    (tmp_path / "broken" / "1").mkdir(parents=True)
    others = (model("a", versions / "a"), model("b", versions / "b"))
    with pytest.raises(grpc.RpcError) as caught:
        reload(server, config_of(*others, model("broken", tmp_path / "broken")))
    assert caught.value.code() is grpc.StatusCode.UNKNOWN
    assert caught.value.details().startswith(
        "1 model(s) did not become available: {{{name: broken version: 1} due to error: UNKNOWN: SavedModel file"
    )
    assert (said(server, "a"), said(server, "b")) == ("a3:", "b5:")
    assert states(server, "broken") == {1: "END"}


def test_a_reload_ends_when_a_later_one_leaves_its_model_out(server: Running, versions: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    others = (model("a", versions / "a"), model("b", versions / "b"))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(reload, server, config_of(*others, model("c", tmp_path / "empty")))
        eventually(lambda: "c" in server.server._models._models)
        time.sleep(0.3)
        assert not waiting.done()
        reload(server, config_of(*others))
        with pytest.raises(
            grpc.RpcError, match=r"1 model\(s\) did not become available: .*name: c.* left out"
        ) as caught:
            waiting.result(timeout=DEADLINE / 2)
    assert caught.value.code() is grpc.StatusCode.UNKNOWN


@pytest.mark.parametrize(
    ("config", "code", "message"),
    [
        ("", "INVALID_ARGUMENT", "ServerModelConfig type not supported by HandleReloadConfigRequest. Only Model"),
        ("custom_model_config {}", "INVALID_ARGUMENT", "ServerModelConfig type not supported"),
        (config_of(model("x", Path("/x")), model("x", Path("/y"))), "INVALID_ARGUMENT", "Illegal to list model x mul"),
        (config_of(model("x", Path("x"))), "INVALID_ARGUMENT", "Expected model x to have an absolute path or URI; got"),
        (config_of(model("x", Path("/x"), platform="")), "INVALID_ARGUMENT", "Illegal setting neither ModelServerConf"),
        (config_of(model("x", Path("/x"), "model_type: TENSORFLOW")), "INVALID_ARGUMENT", "Illegal setting both Model"),
        (
            config_of(model("x", Path("/x"), "model_type: OTHER", "")),
            "INVALID_ARGUMENT",
            "ModelServerConfig::model_type choice 2",
        ),
        (
            config_of(model("x", Path("/x"), platform="o")),
            "INVALID_ARGUMENT",
            "Model x requests unsupported platform o",
        ),
        (
            config_of(model("a", Path("/a"), platform="o")),
            "INVALID_ARGUMENT",
            "Illegal to change a model's platform. F",
        ),
    ],
)
def test_configurations_that_are_refused(server: Running, config: str, code: str, message: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        reload(server, config)
    assert caught.value.code().name == code
    assert caught.value.details().startswith(message)
    assert (said(server, "a"), said(server, "b")) == ("a3:", "b5:")


def test_a_configuration_file_that_is_polled(versions: Path, config_file: Path, capsys: pytest.CaptureFixture) -> None:
    config_file.write_text(config_of(model("a", versions / "a")))
    with running(versions, "unused", model_config_file=config_file, model_config_file_poll_wait_seconds=1) as server:
        config_file.write_text("no configuration")
        eventually(lambda: f"{config_file} is refused, the models stay as they are: " in capsys.readouterr().err)
        assert said(server, "a") == "a3:"
        config_file.write_text(config_of(model("b", versions / "b")))
        eventually(lambda: states(server, "a") == {3: "END"})
        eventually(lambda: states(server, "b") == {5: "AVAILABLE"})
        assert "is refused" not in capsys.readouterr().err  # said once


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"models.config cannot be read: No such file or directory; give the file of a ModelServerConfig"),
        (
            "nonsense",
            r"Error parsing text-format tensorflow.serving.ModelServerConfig: 1:1 : .*; correct .*config$",
        ),
        (config_of(model("x", Path("/not/there"))), r"model base path /not/there does not exist; give"),
        (config_of(model("x", Path("/"), platform="o")), r"models.config cannot be served: Model x requests unsuppor"),
        ("custom_model_config {}", r"models.config cannot be served: Cannot transition to requested config"),
    ],
)
def test_a_configuration_file_that_will_not_do(
    versions: Path, config_file: Path, text: str | None, message: str
) -> None:
    if text is not None:
        config_file.write_text(text)
    with pytest.raises(UserError, match=message), running(versions, "unused", model_config_file=config_file):
        pass


def test_a_base_path_that_is_away_unloads_nothing_and_an_empty_one_does(
    versions: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    base = tmp_path / "base"
    shutil.copytree(versions / "b", base)
    with running(base, "m") as server:
        base.rename(tmp_path / "away")
        eventually(lambda: f"cannot read base path {base} of model m: No such file" in capsys.readouterr().err)
        base.write_text("a file where the directory was")
        eventually(lambda: "Not a directory" in capsys.readouterr().err)
        assert said(server, "m") == "b5:"
        base.unlink()
        base.mkdir()
        eventually(lambda: states(server, "m") == {5: "END"})
        assert refusal(server, "m") == ("NOT_FOUND", "Servable not found for request: Latest(m)")
        (tmp_path / "away" / "5").rename(base / "5")
        eventually(lambda: states(server, "m") == {5: "AVAILABLE"})
        assert said(server, "m") == "b5:"


def test_a_base_path_that_is_never_looked_at(versions: Path) -> None:
    """As a negative --file_system_poll_wait_seconds has it; the start waits for a version that does not come."""
    server = Server(Flags(versions / "b", model_name="b", host="127.0.0.1", port=0, file_system_poll_wait_seconds=-1))
    stopped = threading.Event()
    timer = threading.Timer(1.0, stopped.set)
    timer.start()
    try:
        assert not server.start(stopped)
    finally:
        timer.cancel()
        server.stop(grace_seconds=5)
