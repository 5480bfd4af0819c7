"""How fast search translates on one core: what ``benchmarks.search`` measures.

Every way to search is a process of its own with one thread, bound to the same core. They take turns: while one
translates, the others wait. Source sentences and translations have as many words everywhere. A figure is the median
of all turns.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.search import PEAKS, WAYS
from benchmarks.search_ways.floors import most_sentences
from benchmarks.search_ways.turns import WORDS, Rates, Turn
from workspace.errors import UserError

# Hypotheses and sentences at a time, by the names that the table has.
COLUMNS = {
    f"{search}, {batch}": (beam, sentences)
    for search, beam in {"greedy": 1, "beam 5": 5}.items()
    for batch, sentences in {"one by one": 1, "64 at a time": 64}.items()
}
# What makes products faster where a CPU has it, and the flags that say so.
EXTENSIONS = {
    "AVX2": {"avx2"},
    "AVX-512": {"avx512f"},
    "VNNI": {"avx512_vnni", "avx_vnni"},
    "AMX": {"amx_tile"},
}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")


class Searcher(NamedTuple):
    """A process that searches in one way."""

    program: str
    parameters: int
    rates: Callable[[Turn], Rates]


def compare(options: argparse.Namespace) -> None:
    """Measures every way that there is an environment for, and prints the tables."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # and so of the processes that it starts
    names = [name for name, source in WAYS.items() if not source.environment or getattr(options, source.environment)]
    peaks: list[dict[str, float]] = []
    turns: dict[tuple[str, str], list[Rates]] = defaultdict(list)
    with contextlib.ExitStack() as stack:
        searchers = {name: stack.enter_context(searching(name, options)) for name in names}
        for _ in range(options.turns):
            peaks.append(measured_peaks())
            for column, batch in COLUMNS.items():
                for name, searcher in searchers.items():
                    turns[name, column].append(searcher.rates(Turn(*batch, options.seconds)))
    show(searchers, {key: of_medians(rates) for key, rates in turns.items()}, of_median_peaks(peaks))


@contextlib.contextmanager
def searching(name: str, options: argparse.Namespace) -> Iterator[Searcher]:
    """The process of a way while it runs. Raises UserError where it does not search."""
    option = WAYS[name].environment
    python = getattr(options, option) if option else sys.executable
    variables = {**os.environ, **ONE_THREAD}
    if option:  # What another environment is to find is its own, and the benchmark.
        variables |= {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONWARNINGS": "ignore"}
    try:
        # In a session of its own: Ctrl-C is told once.
        process = subprocess.Popen(
            [python, "-m", "benchmarks.search", "--way", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=variables,
            start_new_session=True,
        )
    except OSError as error:
        raise UserError(f"--{option} {python}: {error.strerror}; give the Python of an environment with it") from None

    def answer() -> list[Any]:
        assert process.stdout
        line = process.stdout.readline()
        if not line:
            where = f"; --{option} takes the Python of an environment with it" if option else ""
            raise UserError(f"{name} cannot be measured, for the reason above{where}")
        return json.loads(line)

    def rates(turn: Turn) -> Rates:
        print(json.dumps(turn), file=process.stdin, flush=True)
        return Rates(*answer())

    with process:
        program, parameters = answer()
        yield Searcher(program, parameters, rates)


def measured_peaks() -> dict[str, float]:
    """What the core can do at most, measured by a process of its own."""
    command = [sys.executable, "-m", "benchmarks.search", "--way", PEAKS]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, **ONE_THREAD})
    return json.loads(ran.stdout)


def of_medians(rates: list[Rates]) -> Rates:
    return Rates(*(statistics.median(kind) for kind in zip(*rates, strict=True)))


def of_median_peaks(peaks: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(turn[name] for turn in peaks) for name in peaks[0]}


def show(searchers: Mapping[str, Searcher], rates: Mapping[tuple[str, str], Rates], peaks: Mapping[str, float]) -> None:
    """Prints the CPU, what it can do at most, and a table each of the rates and of the floor's share."""
    console = Console(width=120)
    console.print(f"{WORDS} words a sentence, on one core of: {described_cpu()}")
    console.print(", ".join(f"{value:.1f} {name}" for name, value in peaks.items()))
    for name, searcher in searchers.items():
        console.print(f"{name}: {searcher.program}, {searcher.parameters / 1e6:.1f} M parameters")
    floor = {column: most_sentences(*batch, peaks) for column, batch in COLUMNS.items()}
    by_cpu, by_wall = (table(f"sentences a second{kind}") for kind in (" of CPU time", ""))
    shares = table("share of what the core could do in float32, %")
    for name in searchers:
        found = [rates[name, column] for column in COLUMNS]
        by_cpu.add_row(name, *(f"{rate.by_cpu:,.0f}" for rate in found))
        by_wall.add_row(name, *(f"{rate.by_wall:,.0f}" for rate in found))
        if not WAYS[name].environment:
            reached = (100 * rate.by_cpu / most for rate, most in zip(found, floor.values(), strict=True))
            shares.add_row(name, *(f"{share:.0f}" for share in reached))
    by_cpu.add_section()
    by_cpu.add_row("at most, in float32", *(f"{most:,.0f}" for most in floor.values()))
    console.print(by_cpu, by_wall, shares)


def table(title: str) -> Table:
    made = Table(title=title, title_justify="left")
    made.add_column("")
    for column in COLUMNS:
        made.add_column(column, justify="right")
    return made


def described_cpu() -> str:
    """Its name, and which of ``EXTENSIONS`` it has."""
    try:
        said = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return f"{platform.machine()}, of which nothing more is known"
    first = dict(re.findall(r"^([^\t\n:]+?)\s*: (.*)$", said.partition("\n\n")[0], re.MULTILINE))
    flags = set(first.get("flags", "").split())
    has = [name for name, any_of in EXTENSIONS.items() if any_of & flags]
    described = f"{first.get('model name')} (family {first.get('cpu family')}, model {first.get('model')})"
    return f"{described}, which has {', '.join(has) or 'nothing'} of {', '.join(EXTENSIONS)}"
