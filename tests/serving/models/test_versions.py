"""Versions come and go under a running server, and a bad one does no harm."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import pytest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub

from serving.api.stand_in import Server
from serving.client.translator import Translator
from serving.protocol.flags import Flags
from tests import marks
from tests.requirements import without_privileges
from tests.serving.support import Running, eventually, running, save_text_model, states, translation
from tests.stores.servers import Store
from workspace.errors import UserError
from workspace.locations import located
from workspace.machine import free_port
from workspace.marks import write_version_mark
from workspace.storage import copy, read_bytes, write_bytes

pytestmark = pytest.mark.slow

AVAILABLE, END = ModelVersionStatus.AVAILABLE, ModelVersionStatus.END


def test_a_new_version_takes_over_without_a_gap_and_a_corrupt_one_does_not(tmp_path: Path, text_model: Path) -> None:
    shutil.copytree(text_model / "1", tmp_path / "1")
    (tmp_path / ".3.partial").mkdir()
    (tmp_path / "notes").mkdir()
    with running(tmp_path, "m") as server:
        assert translation(server) == b"one:t"

        save_text_model(tmp_path / "2", "two:")
        # Every single answer until the switch, and after it, comes from a version that serves.
        answers = []

        def has_switched() -> bool:
            answers.append(translation(server))
            return states(server.model)[1].state == END

        eventually(has_switched)
        assert set(answers) <= {b"one:t", b"two:t"}
        assert translation(server) == b"two:t"
        assert states(server.model)[2].state == AVAILABLE
        with pytest.raises(grpc.RpcError) as caught:
            translation(server, version=1)
        assert caught.value.details() == "Servable not found for request: Specific(m, 1)"

        (tmp_path / "3").mkdir()
        (tmp_path / "3" / "saved_model.pb").write_bytes(b"no model")
        eventually(lambda: 3 in states(server.model) and states(server.model)[3].state == END)
        assert states(server.model)[3].status.error_code != 0
        assert "saved_model.pb" in states(server.model)[3].status.error_message
        assert states(server.model)[2].state == AVAILABLE
        assert translation(server) == b"two:t"

        shutil.rmtree(tmp_path / "3")
        save_text_model(tmp_path / "4", "four:")
        eventually(lambda: 4 in states(server.model) and states(server.model)[4].state == AVAILABLE)
        assert translation(server) == b"four:t"


def test_what_may_not_be_read_leaves_what_serves(tmp_path: Path, text_model: Path) -> None:
    """Neither a version nor, after it, the base path; a server of its own, as this process may read everything."""
    before, base, port = without_privileges(), tmp_path / "base", free_port()
    shutil.copytree(text_model / "1", base / "1")
    command = [*before, sys.executable, "-m", "serving.server", f"--port={port}", f"--model_base_path={base}"]
    command += ["--model_name=m", "--max_num_load_retries=0"]
    said = tmp_path / "said"
    with (
        said.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors) as process,
        Translator(f"localhost:{port}", "m") as translator,
        grpc.insecure_channel(f"localhost:{port}") as channel,
    ):
        service = ModelServiceStub(channel)
        try:
            translator.wait_until_ready(60)
            # A directory that may not be written can only be renamed where it is.
            save_text_model(base / ".2", "two:")
            (base / ".2").chmod(0)
            (base / ".2").rename(base / "2")
            eventually(lambda: 2 in states(service) and states(service)[2].state == END)
            assert states(service)[2].status.error_code != 0
            assert str(base / "2") in states(service)[2].status.error_message
            assert translator.translate("t").text == "one:t"
            base.chmod(0)
            eventually(lambda: f"cannot read base path {base} of model m: Permission denied" in said.read_text())
            assert translator.translate("t").text == "one:t"
            base.chmod(0o700)
            save_text_model(base / "3", "three:")
            eventually(lambda: 3 in states(service) and states(service)[3].state == AVAILABLE)
            assert translator.translate("t").text == "three:t"
        finally:
            process.kill()
            base.chmod(0o700)
            for unreadable in base.glob("2"):
                unreadable.chmod(0o700)


def test_a_failing_version_is_tried_again(tmp_path: Path, text_model: Path, capsys: pytest.CaptureFixture) -> None:
    broken = tmp_path / "1"
    broken.mkdir()
    flags = Flags(
        model_base_path=tmp_path,
        model_name="m",
        host="127.0.0.1",
        port=0,
        max_num_load_retries=1_000_000,
        load_retry_interval_micros=10_000,
    )
    server = Server(flags)
    started = threading.Thread(target=server.start, args=[threading.Event()])
    try:
        started.start()
        eventually(lambda: "(attempt 2 of 1000001, trying again in 0.01 s)" in capsys.readouterr().err)
        shutil.copytree(text_model / "1", broken, dirs_exist_ok=True)
        started.join(timeout=20)
        assert "serving m version 1: gRPC at 127.0.0.1:" in server.describe()
    finally:
        server.stop(grace_seconds=5)


def test_a_failing_version_that_is_taken_away_ends_and_is_forgotten(tmp_path: Path, text_model: Path) -> None:
    """What comes in its place, by the same number too, begins anew."""
    shutil.copytree(text_model / "1", tmp_path / "1")
    with running(tmp_path, "m", max_num_load_retries=5, load_retry_interval_micros=3_600_000_000) as server:
        (tmp_path / "2").mkdir()
        eventually(lambda: 2 in states(server.model) and states(server.model)[2].status.error_code != 0)
        assert states(server.model)[2].state == ModelVersionStatus.LOADING
        (tmp_path / "2").rmdir()
        eventually(lambda: states(server.model)[2].state == ModelVersionStatus.END)
        assert translation(server) == b"one:t"
        save_text_model(tmp_path / "2", "two:")
        eventually(lambda: translation(server) == b"two:t")
        assert states(server.model)[2].status.error_code == 0


def test_a_first_version_that_does_not_load_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    with pytest.raises(UserError, match=r"version 1 of model m in .* does not load"), running(tmp_path, "m"):
        pass


def test_a_damaged_version_of_a_store_is_not_served(s3: Store, tmp_path: Path, text_model: Path) -> None:
    """TensorFlow would not see it."""
    shutil.copytree(text_model / "1", tmp_path / "1")
    write_version_mark(tmp_path / "1", marks.provenance({}))
    base = located(f"{s3.root}/export")
    copy(tmp_path, base)
    with running(base, "m") as server:
        assert translation(server) == b"one:t"
    write_bytes(base / "1" / "fingerprint.pb", read_bytes(base / "1" / "fingerprint.pb")[::-1])
    with (
        pytest.raises(UserError, match=r"does not load: .*1: fingerprint\.pb is missing or damaged; remove it, and"),
        running(base, "m"),
    ):
        pass


def test_an_empty_base_path_is_named_and_waited_on(
    tmp_path: Path, text_model: Path, capsys: pytest.CaptureFixture
) -> None:
    server = Server(Flags(model_base_path=tmp_path, model_name="m", host="127.0.0.1", port=0))
    started = threading.Thread(target=server.start, args=[threading.Event()])
    try:
        started.start()
        eventually(lambda: f"no version of model m in {tmp_path} yet" in capsys.readouterr().err)
        shutil.copytree(text_model / "1", tmp_path / ".1.partial")
        (tmp_path / ".1.partial").rename(tmp_path / "1")
        started.join(timeout=20)
        assert "version 1" in server.describe()
    finally:
        server.stop(grace_seconds=5)


def test_a_start_can_be_stopped(tmp_path: Path) -> None:
    server = Server(Flags(model_base_path=tmp_path, host="127.0.0.1", port=0))
    stopped = threading.Event()
    stopped.set()
    assert not server.start(stopped)
    server.stop(grace_seconds=5)


def metadata_request(name: str, *fields: str) -> GetModelMetadataRequest:
    asked = GetModelMetadataRequest(metadata_field=fields)
    asked.model_spec.name = name
    return asked


def test_metadata_gives_the_signatures(numbers_server: Running) -> None:
    answer = numbers_server.prediction.GetModelMetadata(metadata_request("numbers", "signature_def"), timeout=20)
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("numbers", 7)
    signatures = SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def["serving_default"].inputs) == {"a", "b"}


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        (GetModelMetadataRequest(), grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec"),
        (
            metadata_request("numbers"),
            grpc.StatusCode.INVALID_ARGUMENT,
            "GetModelMetadataRequest must specify at least one metadata_field",
        ),
        (
            metadata_request("numbers", "colour"),
            grpc.StatusCode.INVALID_ARGUMENT,
            "Metadata field colour is not supported",
        ),
        (
            metadata_request("x", "signature_def"),
            grpc.StatusCode.NOT_FOUND,
            "Servable not found for request: Latest(x)",
        ),
    ],
)
def test_wrong_metadata_request(
    numbers_server: Running, asked: GetModelMetadataRequest, code: grpc.StatusCode, message: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        numbers_server.prediction.GetModelMetadata(asked, timeout=20)
    assert (caught.value.code(), caught.value.details()) == (code, message)


@pytest.mark.parametrize(
    ("version", "message"),
    [(None, "Could not find any versions of model x"), (3, "Could not find version 3 of model x")],
)
def test_status_of_what_is_not_there(numbers_server: Running, version: int | None, message: str) -> None:
    asked = GetModelStatusRequest()
    asked.model_spec.name = "x"
    if version is not None:
        asked.model_spec.version.value = version
    with pytest.raises(grpc.RpcError) as caught:
        numbers_server.model.GetModelStatus(asked, timeout=20)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.NOT_FOUND, message)
