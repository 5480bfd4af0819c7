"""What a finished run leaves: the translations, whole files with the names of the inputs, what has none, and last the
manifest."""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from pipelines.corpora.compression import Compressed, compression_by_name
from pipelines.translation.asked import Answer, Asked
from pipelines.translation.chunks import Counts, PlannedFile, Run
from pipelines.translation.inputs import Files, Input, printable
from pipelines.translation.manifest import Manifest, read_manifest
from pipelines.translation.records import changed, write_answers
from workspace.errors import UserError
from workspace.listing import is_file
from workspace.locations import Location, reached, relative
from workspace.storage import reading, remove, writing

_BYTES_AT_A_TIME = 1 << 18


def write_output(
    run: Run,
    failed: Mapping[str, Location],
    planned: PlannedFile,
    source: Input,
    state: Mapping[str, Any],
    asked: Asked,
    done: Callable[[int], object],
) -> Counts:
    """Writes the translation of a file whose chunks are all done, and the list of what has none, where there is such.

    failed: as ``Run.failed`` has it; state: what the file was when the run began. Returns how its records divide;
    ``done`` is told of records as they are written.
    Raises UserError where the file is no longer what it was.
    """
    counts = Counts()

    def answers() -> Iterator[Answer]:
        nonlocal counts
        for chunk in planned.chunks:
            of_chunk, counted = run.read_answers(chunk)
            counts = counts.plus(counted)
            yield from of_chunk

    with _compressing(source.output) as file:
        for _ in write_answers(source.source, source.format, asked, answers(), file):
            done(1)
        check_unchanged(source, state)
    assert counts.records == planned.records
    if parts := [failed[chunk] for chunk in planned.chunks if chunk in failed]:
        with writing(source.failed) as joined:
            for part in parts:
                with reading(part) as lines:
                    shutil.copyfileobj(lines, joined)
    return counts


def check_unchanged(source: Input, state: Mapping[str, Any]) -> None:
    """Raises UserError where a file is no longer what it was: its records would get translations of other texts."""
    if source.state() != state:
        raise changed(source.source)


def described(
    source: Input, planned: PlannedFile, counts: Counts, state: dict[str, Any], files: Files
) -> dict[str, Any]:
    """What the manifest says of a file: its names are those below the directory of the manifest."""
    directory = files.manifest.parent
    return {
        "input": printable(source.source),
        **state,
        "output": None if planned.why else relative(source.output, directory),
        "failed": relative(source.failed, directory) if counts.failed else None,
        "why": planned.why,
        "counts": counts._asdict(),
    }


def summary(manifest: Manifest, output: str) -> str:
    """What was done, in a line."""
    counts, here = Counts(**manifest["counts"]), manifest["translated_by_this_command"]
    seconds = sum(manifest["seconds"].values())
    kinds = (
        (counts.blank, "blank"),
        (counts.failed, "without a translation"),
        (counts.split, "sentence by sentence, for want of room in the model"),
        (counts.repeated, "as another one"),
    )
    besides = "".join(f", {count:,} of them {kind}" for count, kind in kinds if count)
    speed = f", {here / manifest['seconds']['translating']:,.0f} lines/s" if here else ""
    return f"translated {counts.records:,} lines into {output}{besides} ({seconds:,.0f} s{speed})"


def check_all_translated(manifest: Manifest, files: Files) -> None:
    """Raises UserError where something has no translation; to be called when all else is done."""
    unread = [each["why"] for each in manifest["files"] if each["why"]]
    lists = [each["failed"] for each in manifest["files"] if each["failed"]]
    sentences = []
    if count := manifest["counts"]["failed"]:
        where = files.manifest.parent / (lists[0] if len(lists) == 1 else "failed")
        of_lines = "1 line has" if count == 1 else f"{count:,} lines have"
        sentences.append(f"{of_lines} no translation: {where} says why")
    if unread:
        sentences.append(f"{len(unread):,} of {len(manifest['files']):,} files could not be read: {unread[0]}")
    if sentences:
        raise UserError("; and ".join(sentences))


def remove_manifest(files: Files) -> None:
    """Takes away the manifest of an earlier job at the same output, and its lists of what had no translation in files
    that are translated anew. What it made of other files stays, which is said."""
    before = read_manifest(files.manifest)
    if before is None:
        return
    remove(files.manifest)
    directory = files.manifest.parent
    outputs = {relative(each.output, directory) for each in files.inputs}
    others = []
    for each in before["files"]:
        if each["output"] not in outputs:
            others += [each["output"]] if each["output"] and is_file(reached(directory, each["output"])) else []
        elif each["failed"] and is_file(list_before := reached(directory, each["failed"])):
            remove(list_before)
    if others:
        print(
            f"note: {len(others):,} of the translations in {directory}, such as {others[0]}, are of an earlier job, "
            "and stay; the manifest is of this one",
            file=sys.stderr,
        )


@contextlib.contextmanager
def _compressing(output: Location) -> Iterator[BinaryIO]:
    """A file to write, compressed as the ending of its name has it."""
    with writing(output) as plain:
        if compression := compression_by_name(output.name):
            # Not line by line.
            with io.BufferedWriter(Compressed(plain, compression), _BYTES_AT_A_TIME) as packed:
                yield packed
        else:
            yield plain
