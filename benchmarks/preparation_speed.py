"""How fast a corpus is prepared: what ``benchmarks.prepare`` measures.

The corpus is repeated, another word behind every sentence, until it has ``--pairs`` pairs. In one run: the
functions of the three jobs in a plain loop, without Beam; the jobs on one worker; the jobs on two worker
processes; and reading and cleaning alone, nothing of it kept, for its memory. Each in a process of its own;
CPU seconds are those of it and its children. Learning the subwords is not Beam's work, the same in all, and left
out. With ``--opusfilter opusfilter/bin/opusfilter`` the
rules that OpusFilter has too, by it and by ours, are in the same table (see ``benchmarks.rules``).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.prepare import READING, WAYS
from benchmarks.rules import filter_by_opusfilter, filter_by_rules
from pipelines.cleaning.statistics import added
from pipelines.corpora.line_files import CHUNK_PAIRS, read_chunk
from pipelines.preparation.clean import STATISTICS, CleanBlock
from pipelines.preparation.deduplicate import KNOWN, ChoosePairs, FindDrops, drop_finders
from pipelines.preparation.encode import EncodePartition
from pipelines.preparation.index import IndexCorpus, Indexes
from pipelines.preparation.job import clean_corpora, encode_partitions, index_corpora
from pipelines.preparation.partitions import Partitions
from pipelines.preparation.subwords import learn_subwords
from pipelines.preparation.write import WriteCorpusStatistics, WritePartition
from pipelines.runners.options import pipeline_options
from recipes.corpora import Corpus, corpora
from recipes.loading import check_recipe, save_recipe
from recipes.stages import resolved_recipe
from workspace.layout import WorkDirectory
from workspace.storage import remove

LANGUAGES = ("en", "fr")


def compare(options: argparse.Namespace, directory: Path) -> None:
    """Runs every way in a process of its own and prints the table."""
    files = repeat(options, directory)
    table = Table(title=f"{options.pairs:,} pairs", title_justify="left")
    columns = ("way", "clean CPU-s", "encode CPU-s", "CPU-s", "of plain", "pairs/CPU-s", "wall s", "pairs/s", "peak MB")
    for column in columns:
        table.add_column(column, justify="left" if column == "way" else "right")
    plain = 0.0
    for way in options.ways:
        work = WorkDirectory(directory / "work")
        recipe = {
            "name": "benchmark",
            "corpus": {"source_language": LANGUAGES[0], "target_language": LANGUAGES[1], "train": files},
            "subwords": {"vocabulary": 8000, "sample_pairs": 20_000},
            "shards": options.shards,
        }
        save_recipe(check_recipe(recipe, "benchmark"), work.recipe)
        command = [sys.executable, "-m", "benchmarks.prepare", "--way", way, "--work", str(work.root)]
        same = ["--source", str(options.source), "--target", str(options.target)]
        ran = subprocess.run([*command, *same], check=True, stdout=subprocess.PIPE)
        found = json.loads(ran.stdout)
        wall, cpu = (sum(times) for times in zip(*found["seconds"].values(), strict=True))
        plain = plain or cpu
        steps = (f"{found['seconds'][step][1]:.1f}" if step in found["seconds"] else "" for step in ("clean", "encode"))
        table.add_row(
            way,
            *steps,
            f"{cpu:.1f}",
            f"{cpu / plain:.2f}",
            f"{options.pairs / cpu:,.0f}",
            f"{wall:.1f}",
            f"{options.pairs / wall:,.0f}",
            f"{found['megabytes']:,.0f}",
        )
        remove(work.root)
    if options.opusfilter:
        source, target = Path(files["source"]), Path(files["target"])
        rules: dict[str, Callable[[], None]] = {
            "rules alone": lambda: filter_by_rules(source, target, directory),
            "OpusFilter": lambda: filter_by_opusfilter(options.opusfilter, source, target, directory),
        }
        for way, run in rules.items():
            seconds: dict[str, list[float]] = {}
            with timed(seconds, way):
                run()
            wall, cpu = seconds[way]
            of_rules = f"{cpu:.1f}", "", f"{cpu:.1f}", "", f"{options.pairs / cpu:,.0f}", f"{wall:.1f}"
            table.add_row(way, *of_rules, f"{options.pairs / wall:,.0f}", "")
    Console(width=120).print(table)


def repeat(options: argparse.Namespace, directory: Path) -> dict[str, str]:
    """Writes the repeated corpus."""
    sides = [path.read_text(encoding="utf-8").split("\n")[:-1] for path in (options.source, options.target)]
    files = {}
    for side, lines, language in zip(("source", "target"), sides, LANGUAGES, strict=True):
        path = directory / f"corpus.{language}"
        with path.open("w", encoding="utf-8") as file:
            for number in range(options.pairs):
                file.write(f"{lines[number % len(lines)]} {as_word(number // len(lines))}\n")
        files[side] = str(path)
    return files


def as_word(number: int) -> str:
    """A word of four letters for a number: numbers would keep a rule busy that has little to do elsewhere."""
    return "".join(chr(ord("a") + number // 26**place % 26) for place in range(4))


def measure(way: str, work: WorkDirectory[Path]) -> None:
    """Prepares the corpus of ``work`` in one way and prints the figures."""
    recipe = resolved_recipe(work)
    every = corpora(recipe, work)
    models = WorkDirectory(work.intermediate / "subwords")
    output = WorkDirectory(work.intermediate / "encode")
    seconds: dict[str, list[float]] = {}
    flags = WAYS[way]
    plain = flags is None
    options = pipeline_options(flags or [])
    with timed(seconds, "index"):
        if plain:
            indexes, pairs = plain_index(every, work.intermediate)
        else:
            indexes, pairs = index_corpora(every, work.intermediate, options, CHUNK_PAIRS)
    partitions = Partitions(work.intermediate / "clean", recipe, every, pairs)
    if way == READING:
        with timed(seconds, "clean"):
            read_and_clean(partitions, indexes)
        print_figures(seconds)
        return
    with timed(seconds, "clean"):
        plain_clean(partitions, indexes) if plain else clean_corpora(partitions, indexes, options)
    learn_subwords(partitions, models)
    with timed(seconds, "encode"):
        if plain:
            plain_encode(partitions, models, output)
        else:
            encode_partitions(partitions, models, output, options, sum(pairs))
    print_figures(seconds)


def print_figures(seconds: dict[str, list[float]]) -> None:
    """Prints what ``compare`` reads: the seconds of every step, and the most memory that was in use."""
    memory = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"seconds": seconds, "megabytes": memory / 1024}))


@contextlib.contextmanager
def timed(seconds: dict[str, list[float]], step: str) -> Iterator[None]:
    """Notes the wall and the CPU seconds of the body, those of finished child processes included."""
    began = time.monotonic(), cpu_seconds()
    yield
    seconds[step] = [time.monotonic() - began[0], cpu_seconds() - began[1]]


def cpu_seconds() -> float:
    """CPU seconds of this process and its finished children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def plain_index(every: Sequence[Corpus], intermediate: Path) -> tuple[Indexes, list[int]]:
    """The first job without Beam."""
    indexes = Indexes(intermediate / "index")
    index = IndexCorpus(indexes, CHUNK_PAIRS)
    for corpus in every:
        index.process(corpus)
    return indexes, [indexes.read(corpus).pairs.lines for corpus in every]


def plain_clean(partitions: Partitions, indexes: Indexes) -> None:
    """The second job without Beam: what it groups is grouped in dictionaries."""
    clean, choose, write = CleanBlock(partitions), ChoosePairs(partitions), WritePartition(partitions, indexes)
    write.setup()
    groups: dict[str, dict[int, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for corpus in partitions.corpora:
        for chunk in indexes.read(corpus).pairs.chunks(corpus.number):
            for output in clean.process(read_chunk(chunk)):
                key, value = output.value
                groups[output.tag][key].append(value)
    for number, statistics in groups.pop(STATISTICS).items():
        WriteCorpusStatistics(partitions).process((number, added(statistics)))
    for tag, find in drop_finders(partitions.recipe.cleaning).items():
        for part in groups.pop(tag).items():
            for partition, drops in FindDrops(find).process(part):
                groups[tag][partition].append(drops)
    for partition in range(len(partitions)):
        for chosen in choose.process((partition, {tag: groups[tag].pop(partition, []) for tag in KNOWN})):
            write.process(chosen)


def read_and_clean(partitions: Partitions, indexes: Indexes) -> None:
    """What the second job does before anything is grouped; its results are dropped at once."""
    clean = CleanBlock(partitions)
    for corpus in partitions.corpora:
        for chunk in indexes.read(corpus).pairs.chunks(corpus.number):
            for _ in clean.process(read_chunk(chunk)):
                pass


def plain_encode(partitions: Partitions, models: WorkDirectory[Path], output: WorkDirectory[Path]) -> None:
    """The third job without Beam."""
    shutil.copytree(models.data, output.data)
    encode = EncodePartition(partitions, output)
    encode.setup()
    for partition in range(len(partitions)):
        encode.process(partition)
