"""What is ready for production is what it is meant for: every file by a parser that is not ours."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import promql_parser
import pytest
import yaml
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from benchmarks import serving as benchmark
from recipes import schema
from serving import translate
from serving.api.stand_in import Server
from serving.batching.parameters import queue_options, read_parameters
from serving.protocol.flags import parse_flags
from tests.requirements import missing
from tests.serving.support import DEADLINE, Certificates, Running, refused, running, translated
from workspace.layout import MODEL_NAME
from workspace.machine import free_port

PRODUCTION = Path(__file__).parents[2] / "serving" / "production"
MANIFESTS = sorted((PRODUCTION / "kubernetes").glob("*.yaml"))
DASHBOARD = PRODUCTION / "grafana" / "dashboard.json"


@pytest.mark.slow
def test_dockerfile() -> None:
    """By hadolint, and of the version that models are exported with."""
    dockerfile = PRODUCTION / "Dockerfile"
    linted = subprocess.run(
        [shutil.which("hadolint", path=str(Path(sys.executable).parent)) or "hadolint", str(dockerfile)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (linted.returncode, linted.stdout) == (0, "")
    constraints = (PRODUCTION.parents[1] / "constraints.txt").read_text()
    assert f"\ntensorflow=={version_of_the_image()}\n" in constraints
    assert f"\ntensorflow-serving-api=={version_of_the_image()}\n" in constraints


def test_batching() -> None:
    """By the server's own reader; a batch that it makes is no larger than the exported model takes."""
    options = queue_options(read_parameters(PRODUCTION / "batching.config"))
    assert options.max_batch_size <= schema.Search().max_request_texts


@pytest.mark.slow
def test_compose() -> None:
    """By the schema of the Compose specification; what it mounts is there."""
    path = PRODUCTION / "compose.yaml"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    for service in yaml.safe_load(path.read_text())["services"].values():
        mounted = [volume.split(":")[0] for volume in service.get("volumes", ()) if volume.startswith("./")]
        assert [name for name in mounted if not (PRODUCTION / name).is_file()] == []


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_kubernetes(path: Path) -> None:
    """By Kubernetes's own schema, strictly."""
    kubernetes_validate.validate(yaml.safe_load(path.read_text()), "1.37", strict=True)


def test_kubernetes_manifests_mean_the_same_pods() -> None:
    found = {document["kind"]: document for document in (yaml.safe_load(path.read_text()) for path in MANIFESTS)}
    deployment = found["Deployment"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        found["Service"]["spec"]["selector"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector == labels
    target = found["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"].removeprefix("rnnsearch-serving:") == version_of_the_image()


@pytest.mark.slow
def test_prometheus() -> None:
    """By Prometheus's own promtool; it asks where the server's metrics are."""
    path = PRODUCTION / "prometheus.yml"
    promtool = shutil.which("promtool")
    if promtool is None:
        missing("promtool", "there is no promtool")
    checked = subprocess.run([promtool, "check", "config", path], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    (job,) = yaml.safe_load(path.read_text())["scrape_configs"]
    assert f'path: "{job["metrics_path"]}"' in (PRODUCTION / "monitoring.config").read_text()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="grafana-foundation-sdk needs Python 3.11")
def test_dashboard() -> None:
    """By Grafana's own classes; they find in it all that is there."""
    from grafana_foundation_sdk.cog.encoder import JSONEncoder  # noqa: PLC0415
    from grafana_foundation_sdk.models.dashboard import Dashboard  # noqa: PLC0415

    document = json.loads(DASHBOARD.read_text())
    parsed = json.loads(JSONEncoder().encode(Dashboard.from_json(document)))
    assert within(document, parsed)


def test_queries_of_the_dashboard() -> None:
    for query in queries(json.loads(DASHBOARD.read_text())):
        promql_parser.parse(query)


def test_models() -> None:
    config = text_format.Parse((PRODUCTION / "models.config").read_text(), ModelServerConfig())
    (model,) = config.model_config_list.config
    assert model.name == MODEL_NAME


@pytest.mark.slow
def test_the_stand_in_serves_as_the_image_does(text_model: Path, tmp_path: Path) -> None:
    """Under the command line of the Dockerfile, with its files; other ports, and the model where it is here."""
    command = re.search(r"^CMD (\[.*?\])$", (PRODUCTION / "Dockerfile").read_text(), re.MULTILINE | re.DOTALL)
    assert command is not None
    for path in PRODUCTION.glob("*.config"):
        text = path.read_text().replace("/models/rnnsearch", str(text_model))
        (tmp_path / path.name).write_text(text)
    here = command[1].replace("\\\n", "").replace("/etc/serving", str(tmp_path))
    flags = parse_flags([*json.loads(here), f"--rest_api_port={free_port()}", "--port=0"])
    server = Server(flags)
    try:
        assert server.start(threading.Event())
        assert server.describe().startswith("serving rnnsearch version 1: gRPC at localhost:")
        with urllib.request.urlopen(
            f"http://localhost:{flags.rest_api_port}/monitoring/prometheus/metrics", timeout=DEADLINE
        ) as page:
            assert b"tensorflow" in page.read()
    finally:
        server.stop(grace_seconds=5)


@pytest.mark.slow
def test_ready(text_server: Running) -> None:
    """The probe, against a server: one that has the model, one that has not, and none."""

    def ready(model: str, port: int) -> bool:
        command = [str(PRODUCTION / "ready"), model, str(port)]
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0

    assert ready("rnnsearch", text_server.rest_port)
    assert not ready("another", text_server.rest_port)
    assert not ready("rnnsearch", free_port())


@pytest.mark.slow
def test_ssl_config(text_model: Path, tmp_path: Path) -> None:
    """What it writes makes a server that speaks TLS, with clients of its authority only where it is given one."""
    certificates = Certificates()
    certificates.ca.cert_pem.write_to_path(tmp_path / "ca.crt")
    certificates.server.private_key_pem.write_to_path(tmp_path / "server.key")
    certificates.server.cert_chain_pems[0].write_to_path(tmp_path / "server.crt")

    config = tmp_path / "ssl.config"
    for files in (["server.key", "server.crt"], ["server.key", "server.crt", "ca.crt"]):
        command = [str(PRODUCTION / "ssl-config"), *(str(tmp_path / name) for name in files)]
        config.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
        with running(text_model, MODEL_NAME, ssl_config_file=config) as server:
            port = server.server.port
            assert translated(certificates.channel(port, certificates.client)) == b"one:a"
            if len(files) == 2:
                assert translated(certificates.channel(port)) == b"one:a"
            else:
                assert refused(certificates.channel(port))
    command = [str(PRODUCTION / "ssl-config"), str(tmp_path / "none.key"), str(tmp_path / "server.crt")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == f"{tmp_path}/none.key cannot be read; give the server_key in PEM form\n"


def test_commands_of_the_page() -> None:
    """What docs/serving.md says is a flag is one, of the server or of the client; its labels are labels."""
    page = (PRODUCTION.parents[1] / "docs" / "serving.md").read_text()
    for flag in set(re.findall(r"`(--[a-z_]+)", page)):
        known = {"--host": "::1", "--model_config_file_poll_wait_seconds": "1"}.get(flag, "a=1")
        value = "1" if flag == "--grpc_max_threads" else known
        arguments = [flag] if flag.startswith("--allow") else [flag, value]
        assert parse_flags(["--model_base_path=m", *arguments]) != parse_flags(["--model_base_path=m"]), flag
    for module in (translate, benchmark):
        commands = re.findall(rf"^    \S.* -m {re.escape(module.__name__)} ((?:.*\\\n)*.*)", page, re.M)
        assert commands
        for command in commands:
            module._parse(shlex.split(command.replace("\\\n", " ")))
    config = "model_config_list { config { " + " ".join(re.findall(r"^    (version_labels .*)$", page, re.M)) + " } }"
    (model,) = text_format.Parse(config, ModelServerConfig()).model_config_list.config
    assert dict(model.version_labels) == {"stable": 7, "canary": 8}


def version_of_the_image() -> str:
    """Of TensorFlow Serving in the Dockerfile."""
    found = re.search(r"^FROM tensorflow/serving:(\S+)$", (PRODUCTION / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def queries(document: Any) -> Iterator[str]:
    """The PromQL of every panel, Grafana's variables filled in."""
    for panel in document["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "1m").replace("$model", MODEL_NAME)


def within(ours: Any, theirs: Any) -> bool:
    """Whether all of ``ours`` is in ``theirs``, which may say more."""
    if isinstance(ours, dict):
        return all(key in theirs and within(value, theirs[key]) for key, value in ours.items())
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(within, ours, theirs))
    return bool(ours == theirs)
