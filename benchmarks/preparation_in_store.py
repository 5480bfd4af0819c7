"""How much longer a preparation takes with WORK in a store: what ``benchmarks.prepare --in-store`` measures.

The same corpus is prepared on this machine and in S3 on loopback (versitygw, which .ci/stores installs), in turns, each
by a command of its own from its start to its end. The shortest of each is compared, for what else the machine does only
makes it longer. Once more, the store is behind a proxy that counts what is asked of it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.preparation_speed import LANGUAGES, cpu_seconds, repeat
from recipes.loading import check_recipe, save_recipe
from tests.stores.fixtures import in_use
from tests.stores.proxy import proxy_of
from tests.stores.servers import s3_store
from workspace.layout import WorkDirectory
from workspace.locations import located
from workspace.marks import read_manifest

TURNS = 3


class Prepared(NamedTuple):
    """Seconds of a command, those of its processes on a core, and the seconds of each step; SHA-256 of the shards."""

    seconds: float
    cpu: float
    steps: Mapping[str, float]
    shards: Mapping[str, str]


def compare(options: argparse.Namespace, directory: Path) -> None:
    """Prints the table, and the requests to the store."""
    recipe = {
        "name": "benchmark",
        "corpus": {
            "source_language": LANGUAGES[0],
            "target_language": LANGUAGES[1],
            "train": repeat(options, directory),
        },
        "subwords": {"vocabulary": 8000, "sample_pairs": 20_000},
        "shards": options.shards,
    }
    found: dict[str, list[Prepared]] = {"on this machine": [], "in S3": []}
    with s3_store() as store:
        with in_use(store):
            for turn in range(TURNS):
                for name, root in zip(found, (directory, store.root), strict=True):
                    found[name].append(prepared(recipe, f"{root}/work{turn}"))
        with proxy_of(store.endpoint) as proxy, in_use(store.behind(proxy.endpoint)) as counted:
            prepared(recipe, f"{counted.root}/counted")
            requests = dict(proxy.requests)
    table = Table(title=f"{options.pairs:,} pairs, seconds", title_justify="left")
    table.add_column("work directory")
    shortest = {name: min(turns) for name, turns in found.items()}
    for column in (*shortest["in S3"].steps, "wall", "CPU", "of the first: wall", "CPU"):
        table.add_column(column, justify="right")
    first = next(iter(shortest.values()))
    for name, each in shortest.items():
        seconds = [f"{value:.1f}" for value in (*each.steps.values(), each.seconds, each.cpu)]
        table.add_row(name, *seconds, f"{each.seconds / first.seconds:.2f}", f"{each.cpu / first.cpu:.2f}")
    Console(width=120).print(table)
    same = {tuple(each.shards.items()) for turns in found.values() for each in turns}
    print(f"the shards are {'the same bytes' if len(same) == 1 else 'NOT the same bytes'}")
    named = ", ".join(f"{count} {method}" for method, count in sorted(requests.items()))
    print(f"{sum(requests.values())} requests to the store: {named}")


def prepared(recipe: dict[str, Any], root: str) -> Prepared:
    """Prepares the recipe's corpus in a work directory that is not there yet."""
    work = WorkDirectory(located(root))
    save_recipe(check_recipe(recipe, "benchmark"), work.recipe)
    began, cpu = time.monotonic(), cpu_seconds()
    command = [sys.executable, "-m", "pipelines.prepare", "--work", root]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    seconds, cpu = time.monotonic() - began, cpu_seconds() - cpu
    manifest = read_manifest(work)
    return Prepared(seconds, cpu, manifest.seconds, manifest.shards)
