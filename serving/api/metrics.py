"""The counts and latencies of requests that TensorFlow Serving keeps, and the page where Prometheus reads them.

    :tensorflow:serving:request_count     {model_name, status}               requests
    :tensorflow:serving:request_latency   {model_name, API, entrypoint}      microseconds, of answered requests
    :tensorflow:serving:runtime_latency   {model_name, API, runtime}         microseconds, of runs of the session

Names, labels and buckets are those of servables/tensorflow/util.cc, the page's layout that of
util/prometheus_exporter.cc. (The real page also has metrics of TensorFlow itself.)
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from serving.protocol.status import StatusError

PREFIX = ":tensorflow:serving:"

# Upper bounds, from 10 microseconds to 25 minutes; longer ones have a bucket of their own.
LATENCY_BOUNDS = [10 * 1.8**power for power in range(33)]


@dataclass
class Latencies:
    """How many values are below each of LATENCY_BOUNDS and not below the one before, and the sum of all values."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS) + 1))
    total: float = 0.0

    def add(self, microseconds: float) -> None:
        self.counts[bisect.bisect_right(LATENCY_BOUNDS, microseconds)] += 1
        self.total += microseconds


class Metrics:
    """Counts and times requests. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str]] = Counter()
        self._request_latencies: defaultdict[tuple[str, str, str], Latencies] = defaultdict(Latencies)
        self._runtime_latencies: defaultdict[tuple[str, str, str], Latencies] = defaultdict(Latencies)

    @contextlib.contextmanager
    def request(self, model: str, api: str, entrypoint: str) -> Iterator[None]:
        """Counts the block as a request to ``model``, failed where it raises StatusError, else answered.

        api: Predict, or over REST the method as the path has it, if any; entrypoint: GRPC or REST.
        """
        began = time.monotonic()
        status = "UNKNOWN"
        try:
            yield
            status = "OK"
        except StatusError as error:
            status = error.code.name
            raise
        finally:
            microseconds = (time.monotonic() - began) * 1e6
            with self._lock:
                self._requests[model, status] += 1
                if status == "OK":
                    self._request_latencies[model, api, entrypoint].add(microseconds)

    def add_runtime_latency(self, model: str, api: str, seconds: float) -> None:
        """Counts a run of the model's graph in a session, a runtime that the real server calls TF1."""
        with self._lock:
            self._runtime_latencies[model, api, "TF1"].add(seconds * 1e6)

    def page(self) -> str:
        """All metrics, in Prometheus's text format."""
        with self._lock:
            lines = [f"# TYPE {PREFIX}request_count counter"]
            for request, count in sorted(self._requests.items()):
                lines.append(f"{PREFIX}request_count{{{_labels(('model_name', 'status'), request)}}} {count}")
            for name, last, latencies in (
                ("request_latency", "entrypoint", self._request_latencies),
                ("runtime_latency", "runtime", self._runtime_latencies),
            ):
                lines.append(f"# TYPE {PREFIX}{name} histogram")
                for labels, of_labels in sorted(latencies.items()):
                    lines += _histogram(f"{PREFIX}{name}", _labels(("model_name", "API", last), labels), of_labels)
        return "\n".join(lines) + "\n"


def _histogram(name: str, labels: str, latencies: Latencies) -> list[str]:
    bounds = [*(f"{bound:.6g}" for bound in LATENCY_BOUNDS), "+Inf"]
    below = list(itertools.accumulate(latencies.counts))
    return [
        *(f'{name}_bucket{{{labels},le="{bound}"}} {count}' for bound, count in zip(bounds, below, strict=True)),
        f"{name}_sum{{{labels}}} {latencies.total:.6g}",
        f"{name}_count{{{labels}}} {below[-1]}",
    ]


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))


def _escaped(value: str) -> str:
    # A line break in a name must not end the line; in the real server's page it does.
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
