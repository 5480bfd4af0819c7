"""What is counted, read with Prometheus's own parser of its text format."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from serving.api.metrics import LATENCY_BOUNDS, Metrics
from serving.protocol.config_files import metrics_path
from tests.serving.support import DEADLINE, Running, request, running
from workspace.errors import UserError

pytestmark = pytest.mark.slow

PATH = "/monitoring/prometheus/metrics"
# The parser appends the "_total" that a counter should have; Prometheus itself takes names as they are.
REQUESTS, LATENCY, RUNTIME = (
    f":tensorflow:serving:{name}" for name in ("request_count_total", "request_latency", "runtime_latency")
)


def samples(page: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Values by name and labels."""
    families = text_string_to_metric_families(page)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


@pytest.fixture(scope="module")
def server(numbers_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    config = tmp_path_factory.mktemp("monitoring") / "monitoring.config"
    config.write_text("prometheus_config { enable: true }")
    with running(numbers_model, "numbers", monitoring_config_file=config, rest_api_enable_cors_support=True) as server:
        yield server


def test_requests_are_counted_by_model_status_and_entrance(server: Running) -> None:
    before = samples(server.rest("GET", PATH)[1])
    pair = np.array([[1, 2]], np.float32)
    for _ in range(3):
        server.prediction.Predict(request(a=pair, b=pair))
    with pytest.raises(grpc.RpcError):
        server.prediction.Predict(request(a=pair))
    with pytest.raises(grpc.RpcError):
        server.prediction.Predict(request("none", a=pair, b=pair))
    instance = {"a": [1, 2], "b": [3, 4]}
    assert server.rest("POST", "/v1/models/numbers:predict", {"instances": [instance]})[0] == 200
    assert server.rest("POST", "/v1/models/numbers:predict", "{")[0] == 400
    assert server.rest("GET", "/v1/models/numbers")[0] == 200
    assert server.rest("GET", "/v1/nothing")[0] == 400

    status, page = server.rest("GET", PATH)
    found = {name: value - before.get(name, 0) for name, value in samples(page).items()}
    assert status == 200
    counts = {labels: value for (name, labels), value in found.items() if name == REQUESTS and value}
    assert counts == {
        key("", model_name="numbers", status="OK")[1]: 5,
        key("", model_name="numbers", status="INVALID_ARGUMENT")[1]: 2,
        key("", model_name="none", status="NOT_FOUND")[1]: 1,
        key("", model_name="", status="INVALID_ARGUMENT")[1]: 1,
    }
    for entrypoint, api, answered in (("GRPC", "Predict", 3), ("REST", "predict", 1), ("REST", "", 1)):
        labels = {"model_name": "numbers", "API": api, "entrypoint": entrypoint}
        assert found[key(f"{LATENCY}_count", **labels)] == answered
        assert found[key(f"{LATENCY}_sum", **labels)] > 0
    run = {"model_name": "numbers", "API": "Predict", "runtime": "TF1"}
    assert found[key(f"{RUNTIME}_count", **run)] == 4
    in_all = sum(value for (name, _), value in found.items() if name == f"{LATENCY}_sum")
    assert found[key(f"{RUNTIME}_sum", **run)] < in_all


def test_only_the_path_of_the_configuration_has_metrics(numbers_server: Running, tmp_path: Path) -> None:
    assert numbers_server.rest("GET", PATH)[0] == 404
    config = tmp_path / "monitoring.config"
    config.write_text('prometheus_config { enable: true path: "/other" }')
    assert metrics_path(config) == "/other"
    config.write_text("prometheus_config { enable: false }")
    assert metrics_path(config) is None
    config.write_text("prometheus { }")
    with pytest.raises(UserError, match="no MonitoringConfig in text form"):
        metrics_path(config)


def test_other_origins_may_ask(server: Running, numbers_server: Running) -> None:
    """http_server.cc: what a browser asks before it lets a page of another origin ask."""

    def preflight(running: Running, headers: dict[str, str]) -> tuple[int, str | None]:
        url = f"http://127.0.0.1:{running.rest_port}/v1/models/numbers:predict"
        asked = urllib.request.Request(url, headers=headers, method="OPTIONS")
        try:
            with urllib.request.urlopen(asked, timeout=DEADLINE) as answer:
                return answer.status, answer.headers["Access-Control-Allow-Origin"]
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Access-Control-Allow-Origin"]

    assert preflight(server, {"Origin": "https://example.org"}) == (200, "*")
    assert preflight(server, {}) == (400, "*")
    assert preflight(numbers_server, {"Origin": "https://example.org"}) == (200, None)


@given(st.lists(st.floats(0, 2000), max_size=20), st.text(max_size=5))
def test_a_bucket_has_what_is_below_its_bound(seconds: list[float], model: str) -> None:
    metrics = Metrics()
    for value in seconds:
        metrics.add_runtime_latency(model, "Predict", value)
    buckets = {
        float(dict(labels)["le"]): value
        for (name, labels), value in samples(metrics.page()).items()
        if name == f"{RUNTIME}_bucket" and dict(labels)["model_name"] == model
    }
    assert len(buckets) == (len(LATENCY_BOUNDS) + 1 if seconds else 0)
    for bound, (printed, count) in zip([*LATENCY_BOUNDS, float("inf")], sorted(buckets.items()), strict=bool(seconds)):
        assert printed == pytest.approx(bound, rel=1e-5)
        assert count == sum(value * 1e6 < bound for value in seconds)
