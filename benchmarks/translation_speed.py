"""How fast files are translated, and with how much memory: what ``benchmarks.translate`` measures.

The batch job beside a tight loop that calls the same model with batches of all texts, sorted by their lengths in
subwords: the least that a job could do. Every way is a process of its own, bound to one core or two. They take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import sentencepiece
from rich.console import Console
from rich.table import Table

from model.exported.loading import load_signatures
from pipelines.translation.batching import BATCH_TEXTS
from workspace.layout import SIGNATURE, TEXT_INPUT, TRANSLATION_OUTPUT, WorkDirectory, subwords_of
from workspace.storage import read_bytes

LOOP = "a loop over sorted batches"
# The most processes of the job, None for the loop, and how many cores each way has.
WAYS: dict[str, tuple[int | None, int]] = {
    LOOP: (None, 1),
    "one process": (1, 1),
    "one process, both cores": (1, 2),
    "two processes": (2, 2),
}
# Of these lines for the job's memory are all the same few, so that it is the job that takes it and not long.
LINES_FOR_MEMORY = (10_000, 100_000, 1_000_000)
DIFFERENT = 50


class Used(NamedTuple):
    """seconds: by the clock, and of processors; megabytes: the most of any one process."""

    seconds: float
    cpu: float
    megabytes: float


def compare(options: argparse.Namespace, directory: Path) -> None:
    """Translates the lines in every way, in turns, and prints the table; a way's figures are of its fastest turn."""
    text = directory / "text"
    text.write_text("".join(alternately(options.texts, options.lines)), encoding="utf-8")
    best: dict[str, tuple[float, Used]] = {}
    for _ in range(options.turns):
        for way, (processes, cores) in WAYS.items():
            if processes is None:
                said, used = run([*loop_command(options), "--loop", str(text)], cores)
                seconds = float(json.loads(said))
            else:
                used, manifest = translate(options.work, text, directory / "out", processes, cores)
                seconds = sum(manifest["seconds"].values())
            if way not in best or seconds < best[way][0]:
                best[way] = seconds, used
    table = Table(title=f"{options.lines:,} lines", title_justify="left")
    for name in ("way", "s", "lines/s", "of the loop", "with its start, s", "CPU-s", "peak MB"):
        table.add_column(name, justify="left" if name == "way" else "right")
    for way, (seconds, used) in best.items():
        rate, share = options.lines / seconds, best[LOOP][0] / seconds
        figures = f"{seconds:.1f}", f"{rate:,.0f}", f"{share:.2f}", f"{used.seconds:.1f}", f"{used.cpu:.1f}"
        table.add_row(way, *figures, f"{used.megabytes:,.0f}")
    Console(width=120).print(table)


def compare_memory(options: argparse.Namespace, directory: Path) -> None:
    """Translates the same few lines again and again, and prints the table."""
    few = alternately(options.texts, DIFFERENT)
    table = Table(title=f"{DIFFERENT} lines, repeated", title_justify="left")
    for name in ("lines", "s", "CPU-s", "peak MB"):
        table.add_column(name, justify="right")
    for count in LINES_FOR_MEMORY:
        text = directory / "text"
        with text.open("w", encoding="utf-8") as file:
            file.writelines(few[number % len(few)] for number in range(count))
        used, _ = translate(options.work, text, directory / "out", 1, 1)
        table.add_row(f"{count:,}", f"{used.seconds:.1f}", f"{used.cpu:.1f}", f"{used.megabytes:,.0f}")
    Console(width=120).print(table)


def alternately(texts: Sequence[Path], count: int) -> list[str]:
    """So many lines, one of each text in turn, from their beginnings again where one ends."""
    of_texts = [path.read_text(encoding="utf-8").split("\n")[:-1] for path in texts]
    chosen = ((of_texts[number % len(of_texts)], number // len(of_texts)) for number in range(count))
    return [f"{lines[place % len(lines)]}\n" for lines, place in chosen]


def loop_command(options: argparse.Namespace) -> list[str]:
    return [sys.executable, "-m", "benchmarks.translate", "--work", str(options.work), "--texts", str(options.texts[0])]


def translate(work: Path, text: Path, output: Path, processes: int, cores: int) -> tuple[Used, dict[str, Any]]:
    """The job, and its manifest."""
    command = [sys.executable, "-m", "pipelines.translate", "--work", str(work), "--overwrite"]
    _, used = run([*command, f"--model_copies={processes}", "--input", str(text), "--output", str(output)], cores)
    manifest: dict[str, Any] = json.loads(output.with_name("out.manifest.json").read_text(encoding="utf-8"))
    return used, manifest


def run(command: Sequence[str], cores: int) -> tuple[str, Used]:
    """What a command prints, and what it uses, on so many cores."""
    ours = os.sched_getaffinity(0)
    began = time.monotonic()
    os.sched_setaffinity(0, sorted(ours)[-cores:])  # and so of the process that is started
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    os.sched_setaffinity(0, ours)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return said, Used(time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def loop(root: Path, text: Path) -> float:
    """Seconds for all lines of a text, once the newest version in a work directory is loaded and they are sorted by its
    subwords."""
    work = WorkDirectory(root)
    version = work.version(work.versions()[-1])
    translate = load_signatures(version)[SIGNATURE]
    subwords = sentencepiece.SentencePieceProcessor(model_proto=read_bytes(subwords_of(version)))
    lines = text.read_text(encoding="utf-8").split("\n")[:-1]
    lines.sort(key=lambda line: len(subwords.encode(line)))
    began = time.monotonic()
    for begin in range(0, len(lines), BATCH_TEXTS):
        batch = lines[begin : begin + BATCH_TEXTS]
        assert len(translate(**{TEXT_INPUT: batch})[TRANSLATION_OUTPUT]) == len(batch)
    return time.monotonic() - began
