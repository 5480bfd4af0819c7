"""Where gRPC listens, to whom, and what it answers besides translations."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from serving.api.grpc_api import MOST_WAITING
from serving.client.channel import Tls
from serving.protocol.config_files import server_credentials
from serving.protocol.flags import parse_flags
from tests.requirements import EXHAUSTIVE
from tests.serving.support import (
    DEADLINE,
    TEXT,
    Certificates,
    Running,
    eventually,
    refused,
    request,
    running,
    translated,
)
from workspace.errors import UserError

pytestmark = pytest.mark.slow


def test_unix_socket(text_model: Path, tmp_path: Path) -> None:
    socket = tmp_path / "socket"
    with running(text_model, "rnnsearch", grpc_socket_path=str(socket)) as server:
        assert server.server.port == 0
        assert translated(grpc.insecure_channel(f"unix:{socket}")) == b"one:a"


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


def test_tls(text_model: Path, tmp_path: Path, certificates: Certificates) -> None:
    config = certificates.config(tmp_path / "ssl.config")
    with running(text_model, "rnnsearch", ssl_config_file=config) as server:
        assert translated(certificates.channel(server.server.port)) == b"one:a"
        assert refused(grpc.insecure_channel(server.address))


def test_clients_have_to_show_a_certificate(text_model: Path, tmp_path: Path, certificates: Certificates) -> None:
    config = certificates.config(tmp_path / "ssl.config", client_verify=True)
    with running(text_model, "rnnsearch", ssl_config_file=config) as server:
        port = server.server.port
        assert translated(certificates.channel(port, certificates.client)) == b"one:a"
        assert refused(certificates.channel(port))
        assert refused(certificates.channel(port, certificates.stranger))
        assert refused(certificates.channel(port, certificates.expired))


def test_a_server_whose_certificate_has_expired(text_model: Path, tmp_path: Path, certificates: Certificates) -> None:
    config = certificates.config(tmp_path / "ssl.config", certificates.expired)
    with running(text_model, "rnnsearch", ssl_config_file=config) as server:
        assert refused(certificates.channel(server.server.port))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), "cannot be read: No such file or directory; give the file of a SSLConfig"),
        (lambda path: path.write_text("nonsense"), "is no SSLConfig in text form"),
        (lambda path: path.write_text('server_key: "key"'), "has no server_cert; give it in PEM form"),
        (
            lambda path: path.write_text('server_key: "key" server_cert: "certificate" client_verify: true'),
            "has no custom_ca; give it in PEM form",
        ),
    ],
)
def test_wrong_configuration(
    change: Callable[[Path], None], message: str, tmp_path: Path, certificates: Certificates
) -> None:
    config = certificates.config(tmp_path / "ssl.config")
    change(config)
    with pytest.raises(UserError, match=message):
        server_credentials(config)


def test_keys_and_certificates_that_do_not_belong_together_are_named(
    tmp_path: Path, certificates: Certificates
) -> None:
    """On either side: gRPC would say that the port cannot be opened, or that nobody answers."""
    key, certificate, other = tmp_path / "my.key", tmp_path / "my.pem", tmp_path / "other.key"
    certificates.client.private_key_pem.write_to_path(key)
    certificates.client.cert_chain_pems[0].write_to_path(certificate)
    certificates.server.private_key_pem.write_to_path(other)
    config = certificates.config(tmp_path / "ssl.config")
    mixed = {
        "server_key": other.read_bytes(),
        "server_cert": certificate.read_bytes(),
        "custom_ca": certificate.read_bytes(),
    }
    for changed, message in (
        ({}, "server_key of .* is not the key of server_cert of .*ssl.config"),
        ({"server_key": b"no key"}, "server_cert of .* or server_key of .* is not in PEM form"),
        (
            {"server_cert": certificates.server.cert_chain_pems[0].bytes(), "custom_ca": b"none"},
            "custom_ca of .* holds no",
        ),
    ):
        fields = {**mixed, **changed}
        config.write_text("\n".join(f"{name}: {json.dumps(value.decode())}" for name, value in fields.items()))
        with pytest.raises(UserError, match=message):
            server_credentials(config)
    for tls, message in (
        (Tls(None, certificate, other), f"{other} is not the key of {certificate}"),
        (Tls(key), f"{key} holds no certificate in PEM form"),
    ):
        with pytest.raises(UserError, match=message):
            tls.credentials()
    assert Tls(certificate, certificate, key).credentials()


def test_health(text_model: Path) -> None:
    with (
        running(text_model, "rnnsearch", enable_grpc_healthcheck_service=True) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        for service in ("", "PredictionService", "ModelService"):
            answer = HealthStub(channel).Check(HealthCheckRequest(service=service), timeout=DEADLINE)
            assert answer.status == HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as raised:
            HealthStub(channel).Check(HealthCheckRequest(service="another"), timeout=DEADLINE)
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND


def test_without_the_flag_there_is_no_health(text_server: Running) -> None:
    with grpc.insecure_channel(text_server.address) as channel, pytest.raises(grpc.RpcError) as raised:
        HealthStub(channel).Check(HealthCheckRequest(), timeout=DEADLINE)
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_reflection(text_server: Running) -> None:
    with grpc.insecure_channel(text_server.address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert set(database.get_services()) == {
            "grpc.reflection.v1alpha.ServerReflection",
            "tensorflow.serving.ModelService",
            "tensorflow.serving.PredictionService",
        }
        # As grpcurl's describe and ghz ask: for the file of a method.
        for symbol in ("tensorflow.serving.PredictionService.Predict", "tensorflow.serving.PredictRequest.inputs"):
            assert database.FindFileContainingSymbol(symbol).package == "tensorflow.serving"
        for unknown in ("tensorflow.serving.Guesses.Guess", "Guess"):
            with pytest.raises(KeyError):
                database.FindFileContainingSymbol(unknown)
        service = DescriptorPool(database).FindServiceByName("tensorflow.serving.PredictionService")
        assert service.methods_by_name["Predict"].input_type.fields_by_name["inputs"].number == 2


def test_channel_arguments(text_model: Path) -> None:
    """One that shows: a server that reads no more than so many bytes of a request."""
    flags = parse_flags(["--model_base_path", "x", "--grpc_channel_arguments=grpc.max_receive_message_length=1000"])
    arguments = flags.grpc_channel_arguments
    assert arguments == (("grpc.max_receive_message_length", 1000),)
    with running(text_model, "rnnsearch", grpc_channel_arguments=arguments) as server:
        server.prediction.Predict(TEXT, timeout=DEADLINE)
        with pytest.raises(grpc.RpcError) as raised:
            server.prediction.Predict(request("rnnsearch", text=["a" * 1000]), timeout=DEADLINE)
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_more_calls_than_may_wait_are_refused_at_once_and_the_others_answered(
    numbers_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one call has the only thread, until its deadline: all the others must have come by then."""
    waiting, seconds = (MOST_WAITING, 15) if EXHAUSTIVE else (100, 5)
    monkeypatch.setattr("serving.api.grpc_api.MOST_WAITING", waiting)
    with running(numbers_model, "numbers", grpc_max_threads=1) as server:
        one = request(signature="endless", x=np.array([4], np.float32))
        endless = server.prediction.Predict.future(one, timeout=seconds)
        eventually(lambda: server.server._models._models["numbers"]._loaded[7].leases == 1)
        quick = request(signature="reciprocal", x=np.array([4], np.float32))
        asked = [server.prediction.Predict.future(quick, timeout=2 * DEADLINE) for _ in range(waiting + 100)]
        eventually(lambda: sum(call.done() for call in asked) == 100)
        assert not endless.done()
        refused = [call for call in asked if call.done()]
        assert {call.code() for call in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        answers = [call.result() for call in asked if call not in refused]
        assert [list(answer.outputs["y"].float_val) for answer in answers] == [[0.25]] * waiting
        assert endless.code() is grpc.StatusCode.DEADLINE_EXCEEDED
