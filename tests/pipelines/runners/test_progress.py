"""What the workers of a job have done is seen while they work, and never more than all of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.runners import progress
from pipelines.runners.options import pipeline_options, ready_runner
from pipelines.runners.progress import units_of
from pipelines.runners.run import beam_pipeline
from workspace.errors import UserError
from workspace.progress import progress_bar

SECONDS = 60.0
PARTS = 6
RUNNERS = [
    pytest.param([], id="this process"),
    pytest.param(["--direct_running_mode=multi_threading", "--direct_num_workers=2"], id="threads"),
    pytest.param(
        ["--direct_running_mode=multi_processing", "--direct_num_workers=2"], id="processes", marks=pytest.mark.slow
    ),
]


class AddAndWait(beam.DoFn):
    """Has done a part, and waits until a file says that this was seen."""

    def __init__(self, seen: Path):
        self._seen = seen

    def process(self, part: int) -> Iterator[int]:
        progress.add(10)
        give_up = time.monotonic() + SECONDS
        while not self._seen.exists():
            if time.monotonic() > give_up:
                raise UserError("nobody saw what was done")
            time.sleep(0.02)
        yield part


class Break(beam.DoFn):
    def process(self, part: int) -> None:
        raise UserError(f"part {part} is broken")


def run_seen(options: PipelineOptions, directory: Path, *, total: int, then: beam.DoFn | None = None) -> list[float]:
    """Runs a job of parts of 10 units on a bar; gives what the bar showed, one after the other."""
    seen = directory / "seen"
    shown = [0.0]
    ended = threading.Event()
    with progress_bar(total, "trying", "unit") as bar:

        def look() -> None:
            while not ended.wait(0.01):
                if bar.n != shown[-1]:
                    shown.append(bar.n)
                    seen.touch()

        looking = threading.Thread(target=look)
        looking.start()
        try:
            with beam_pipeline(options, bar) as pipeline:
                done = pipeline | beam.Create(range(PARTS)) | beam.ParDo(AddAndWait(seen))
                if then:
                    done | beam.Reshuffle() | beam.ParDo(then)
        finally:
            ended.set()
            looking.join()
        return [*shown, bar.n]


@pytest.mark.parametrize("flags", RUNNERS)
def test_what_is_done_is_seen_before_the_job_ends(flags: list[str], tmp_path: Path) -> None:
    with ready_runner(flags) as options:
        shown = run_seen(options, tmp_path, total=10 * PARTS)
    assert shown[1] in (10, 20)
    assert shown[-1] == 10 * PARTS
    assert shown == sorted(shown)


def test_a_bar_shows_no_more_than_its_total(tmp_path: Path) -> None:
    """As where a part is done twice."""
    assert max(run_seen(pipeline_options([]), tmp_path, total=15)) == 15


def test_the_bar_of_a_job_that_fails_stays_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=r"^part \d is broken$"):
        run_seen(pipeline_options([]), tmp_path, total=10 * PARTS + 1, then=Break())
    assert "61/61" not in capsys.readouterr().err


def test_the_metrics_of_a_job_tell_what_is_done(tmp_path: Path) -> None:
    """As the runners of clusters give them."""
    (tmp_path / "seen").touch()
    pipeline = beam.Pipeline(FnApiRunner())
    done = pipeline | beam.Create(range(PARTS)) | beam.ParDo(AddAndWait(tmp_path / "seen"))
    done | "again" >> beam.ParDo(AddAndWait(tmp_path / "seen"))
    assert units_of(pipeline.run()) == 2 * 10 * PARTS
