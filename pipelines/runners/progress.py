"""The progress of a Beam job: a counter of the job's own, that workers add to and that is looked at while it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

from apache_beam.metrics import Metrics, monitoring_infos
from apache_beam.metrics.metric import MetricsFilter
from apache_beam.portability.api import metrics_pb2
from apache_beam.runners.runner import PipelineResult

from workspace.periodically import periodically
from workspace.progress import Bar

_NAMESPACE, _NAME = "rnnsearch", "done"
_DONE = Metrics.counter(_NAMESPACE, _NAME)
_SECONDS_BETWEEN_LOOKS = 0.5


def add(units: int) -> None:
    """Called in a DoFn that has finished ``units`` more of the job's work; elsewhere it does nothing."""
    _DONE.inc(units)


def units_in(metrics: Iterable[metrics_pb2.MonitoringInfo]) -> int:
    """The units that were added, by Beam's metrics of any part of the job."""
    return sum(
        monitoring_infos.extract_counter_value(metric)
        for metric in metrics
        if monitoring_infos.is_user_monitoring_info(metric)
        and monitoring_infos.is_counter(metric)
        and monitoring_infos.parse_namespace_and_name(metric) == (_NAMESPACE, _NAME)
    )


def units_of(result: PipelineResult) -> int:
    """The units that were added, by the metrics that a runner gives of a job; 0 where it gives none yet."""
    counters = result.metrics().query(MetricsFilter().with_namespace(_NAMESPACE).with_name(_NAME))["counters"]
    return sum(counter.attempted or 0 for counter in counters)


@contextlib.contextmanager
def followed(bar: Bar, count: Callable[[], int]) -> Iterator[None]:
    """While the body runs, the bar shows the units that ``count`` finds are done by then; when it ends well, all."""
    total = bar.total or 0

    def look() -> None:
        done = 0
        # A worker that is gone, or a cluster that does not answer just now: the job says so where it matters.
        with contextlib.suppress(Exception):
            done = count()
        # What Beam tried twice counts twice; what is tried again is not counted until it is done.
        bar.update(max(0, min(total, done) - bar.n))

    with periodically(_SECONDS_BETWEEN_LOOKS, look):
        yield
    bar.update(total - bar.n)
