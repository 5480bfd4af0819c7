"""Batch translation: files in, files out, record for record, by a Beam job that goes on where it was broken off.

    files ──► plan: the texts in chunks ──► translate: one file a chunk, by any worker ──► joined, file by file

The plan and the joining are this process's. Workers need the storage that the output is on, and the model or the
server; nothing else of this machine, and not the inputs. A record in is a record out, blank ones included; one that
cannot be translated comes out empty, and is listed with its reason.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from pipelines.corpora.raw_pairs import Warn
from pipelines.runners.options import LOCAL_RUNNER
from pipelines.runners.run import beam_pipeline
from pipelines.translation.asked import Asked
from pipelines.translation.chunks import Counts, PlannedFile, Run, Text, begin, chunked, records_of, remove_run, run_in
from pipelines.translation.engines import Engine
from pipelines.translation.inputs import Files, Input
from pipelines.translation.manifest import Manifest, read_manifest
from pipelines.translation.outputs import check_unchanged, described, remove_manifest, write_output
from pipelines.translation.records import read_texts
from pipelines.translation.workers import TranslateChunks
from workspace.errors import UserError, as_given
from workspace.listing import entries, exists, files_under
from workspace.locations import Location, is_remote
from workspace.lock import locked
from workspace.progress import progress_bar
from workspace.storage import make_directory, remove, write_json
from workspace.stores import StoreError


def translate_files(
    files: Files, asked: Asked, engine: Engine, options: PipelineOptions, overwrite: bool = False
) -> Manifest:
    """Translates files, and leaves what ``pipelines.translation.outputs`` says; what an earlier run of the same has
    done is not done again.

    Raises UserError where there are translations already that are not to be overwritten, or another command is at it,
    or none of the files can be read.
    """
    for each in files.inputs:
        asked.check(each.name, each.format)
    states = {each.name: each.state() for each in files.inputs}
    made_from = {
        "inputs": {each.name: {"format": each.format, **states[each.name]} for each in files.inputs},
        "options": asked.options(),
        "model": engine.identity(),
    }
    if not overwrite and not run_in(files.run, made_from).is_joining:
        _check_nothing_is_there(files)
    # Which is replaced at the end, and says what goes with it.
    read_manifest(files.manifest)
    with _sole_use(files.run):
        times = [time.monotonic()]
        run = begin(files.run, made_from)
        with _kept_if_anything_is_done(run, files):
            plan = run.read_plan() or _plan(run, files.inputs, asked)
            times.append(time.monotonic())
            translated = _translate(run, plan, asked, engine, made_from["model"], options)
            times.append(time.monotonic())
        # Before the first of several is there.
        for each, planned in zip(files.inputs, plan, strict=True):
            if not planned.why:
                check_unchanged(each, states[each.name])
        run.begin_joining()
        remove_manifest(files)
        counts = _join(run, plan, files.inputs, states, asked)
        times.append(time.monotonic())
        seconds = (round(after - before, 3) for before, after in itertools.pairwise(times))
        manifest: Manifest = {
            "files": [
                described(each, planned, counted, made_from["inputs"][each.name], files)
                for each, planned, counted in zip(files.inputs, plan, counts, strict=True)
            ],
            "options": made_from["options"],
            "model": made_from["model"],
            "counts": functools.reduce(Counts.plus, counts, Counts())._asdict(),
            "translated_by_this_command": translated,
            "seconds": dict(zip(("planning", "translating", "joining"), seconds, strict=True)),
        }
        write_json(files.manifest, manifest)
        remove_run(files.run, run)
    return manifest


@contextlib.contextmanager
def _sole_use(root: Location) -> Iterator[None]:
    """While the body runs, nobody else is at the runs there. Raises UserError where another command is."""
    make_directory(root)
    try:
        with locked(root, "translate"):
            yield
    finally:
        # Hadoop's file system has directories that are empty; on this machine it went with what was in it.
        with contextlib.suppress(UserError, OSError):
            if is_remote(root) and not entries(root):
                remove(root)


@contextlib.contextmanager
def _kept_if_anything_is_done(run: Run, files: Files) -> Iterator[None]:
    """When the body fails before a chunk is done, nothing is left of the run."""
    try:
        yield
    except BaseException:
        # What has failed may be the storage.
        with contextlib.suppress(UserError, OSError):
            if not run.done():
                remove_run(files.run, run)
        raise


def _check_nothing_is_there(files: Files) -> None:
    made = files.made()
    # In a store, one request for all of a directory.
    there = set(files_under(files.manifest.parent)) if len(files.inputs) > 1 else set(filter(exists, made))
    if first := next((place for place in made if place in there), None):
        raise UserError(
            f"{first} exists; give another {as_given('--output')}, or put the new translation in its place with "
            f"{as_given('--overwrite')}"
        )


class _UnreadableError(UserError):
    """A file cannot be read, which is not to be taken for one that cannot be written."""


def _texts(source: Input, asked: Asked, warn: Warn) -> Iterator[Text]:
    """As ``read_texts`` has it. Raises _UnreadableError, and StoreError where no other file could be read either."""
    try:
        source.check_name()
        yield from read_texts(source.source, source.format, asked, warn)
    except StoreError:
        raise
    except UserError as error:
        raise _UnreadableError(str(error)) from error


def _plan(run: Run, inputs: Sequence[Input], asked: Asked) -> list[PlannedFile]:
    """Reads all files, and writes the texts of all chunks. Raises UserError where no file can be read."""
    plan: list[PlannedFile] = []
    with progress_bar(None, "reading", "line") as bar:
        for number, each in enumerate(inputs):
            warnings: list[str] = []
            records, chunks = 0, []
            try:
                for chunk, of_chunk in chunked(_texts(each, asked, warnings.append), number, each.name):
                    run.write_texts(chunk, of_chunk)
                    chunks.append(chunk)
                    records += len(of_chunk.texts)
                    bar.update(len(of_chunk.texts))
                plan.append(PlannedFile(records, chunks))
            except _UnreadableError as error:
                if len(inputs) == 1:
                    raise
                plan.append(PlannedFile(0, [], str(error)))
                warnings.append(f"{error}; it is left out")
            if not records and not plan[-1].why:
                warnings.append(f"{each.source} is empty, and so is its translation")
            for warning in warnings:
                print(f"warning: {warning}", file=sys.stderr)
    if all(planned.why for planned in plan):
        raise UserError(f"none of the {len(plan)} files can be read; the first: {plan[0].why}")
    run.write_plan(plan)
    return plan


def _translate(
    run: Run,
    plan: Sequence[PlannedFile],
    asked: Asked,
    engine: Engine,
    identity: dict[str, Any],
    options: PipelineOptions,
) -> int:
    """Has those chunks translated that are not done, by the engine of this identity; returns the number of their
    records."""
    records = {chunk: records_of(chunk) for planned in plan for chunk in planned.chunks}
    done = set(filter(run.is_done, run.done()))
    left = [chunk for chunk in records if chunk not in done]
    if not left:
        return 0
    total, to_do = sum(records.values()), sum(records[chunk] for chunk in left)
    if to_do < total:
        print(f"note: {total - to_do:,} of {total:,} lines are translated already", file=sys.stderr)
    # Beam's pipelines silence it.
    stream = sys.stderr
    are_here = options.view_as(StandardOptions).runner == LOCAL_RUNNER
    with (
        progress_bar(to_do, "translating", "line") as bar,
        engine.watched(lambda sentence: bar.write(sentence, stream)),
        engine.for_workers(identity, are_here) as of_workers,
        beam_pipeline(options, bar) as pipeline,
    ):
        pipeline | TranslateChunks(left, run, asked, of_workers)
    return to_do


def _join(
    run: Run, plan: Sequence[PlannedFile], inputs: Sequence[Input], states: dict[str, dict[str, Any]], asked: Asked
) -> list[Counts]:
    """Writes the translations of all files that could be read; states: what they were when the run began."""
    with progress_bar(sum(planned.records for planned in plan), "writing", "line") as bar:
        failed = run.failed()
        return [
            Counts() if planned.why else write_output(run, failed, planned, each, states[each.name], asked, bar.update)
            for each, planned in zip(inputs, plan, strict=True)
        ]
