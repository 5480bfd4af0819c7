"""How fast the stand-in answers.

In one run: the SavedModel called directly, at several sizes of batch (the best of those that the clients can fill is
the limit of what a server can reach); the stand-in without and with batching, asked by 1, 8 and 64 clients from a
second process, each time between two more measurements of the limit, as a machine is not always equally fast; what
the server adds to a sentence's time, asked and called directly in turn; then five times as many requests as it can
answer, and how soon it answers normally again. The sentences are those of the test set, one a request, in no order of
length; every answer is compared with the one that the SavedModel gave directly.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.load import Outcome, flood, load
from model.data.references import read_references
from serving.client.translator import Translator
from serving.models.saved_model import SavedModel
from workspace.layout import MODEL_NAME, SCORE_OUTPUT, SIGNATURE, TEXT_INPUT, TRANSLATION_OUTPUT, WorkDirectory
from workspace.marks import read_manifest

BATCHES = (1, 8, 16, 32, 64, 128)
CLIENTS = (1, 8, 64)
# As serving/production/batching.config has it, save for the wait, which is for a network.
BATCHING = """
max_batch_size {{ value: {largest} }}
batch_timeout_micros {{ value: 2000 }}
max_enqueued_batches {{ value: 16 }}
num_batch_threads {{ value: {threads} }}
"""
FLOOD_DEADLINE = 5.0


class Limit(NamedTuple):
    """Of calls in one process: sentences a second at ``batch`` sentences and ``threads`` at once."""

    batch: int
    threads: int
    speed: float


def measure(work: WorkDirectory[Path], seconds: float, requests: int) -> None:
    """Prints the tables: every measurement takes ``seconds``; ``requests`` with batching and 64 clients, at least."""
    sentences = read_references(work, read_manifest(work), "test").sources
    console = Console(width=160)
    model = _InProcess(work.version(max(work.versions())))
    expected = dict(zip(sentences, model.translations(sentences), strict=True))
    limits = [model.speed(sentences, batch, 1, seconds / 2) for batch in BATCHES]
    limits += [model.speed(sentences, batch, 2, seconds / 2) for batch in BATCHES[2:]]
    # A client waits for its answer before it asks again, so no more sentences than clients are ever under way.
    limit = max((each for each in limits if each.batch * each.threads <= max(CLIENTS)), key=lambda each: each.speed)
    console.print(_table_of_limits(limits))

    def limit_now() -> float:
        return model.speed(sentences, limit.batch, limit.threads, seconds / 2).speed

    table = Table(title="The stand-in", title_justify="left")
    for name in ("batching", "clients", "sentences/s", "of the limit", "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(name, justify="right")
    for name in ("server CPU", "clients CPU", "server MB", "answers", "wrong", "failed"):
        table.add_column(name, justify="right")
    notes = []
    for batching in (False, True):
        with _server(work, limit if batching else None) as server:
            for clients in CLIENTS:
                fewest = requests if batching and clients == max(CLIENTS) else 0
                load(server.address, expected, clients, 1.0)  # the first runs of new shapes of batch
                before, cpu = limit_now(), server.cpu_seconds()
                outcome = load(server.address, expected, clients, seconds, fewest)
                cpu = server.cpu_seconds() - cpu
                reachable = (before + limit_now()) / 2
                table.add_row(
                    "yes" if batching else "no",
                    str(clients),
                    *_figures(outcome, reachable, cpu),
                    f"{server.memory():,.0f}",
                    f"{len(outcome.seconds):,}",
                    str(outcome.wrong),
                    str(sum(outcome.failed.values())),
                )
            added = 1000 * statistics.median(_added(server, model, sentences, seconds))
            notes.append(f"added by the server {'with' if batching else 'without'} batching: {added:.1f} ms (p50)")
            if batching:
                notes.append(_overload(server, expected, 5 * limit.speed, seconds))
    console.print(table)
    for note in notes:
        console.print(note)


def _figures(outcome: Outcome, limit: float, cpu: float) -> list[str]:
    speed = len(outcome.seconds) / outcome.took
    return [
        f"{speed:.1f}",
        f"{100 * speed / limit:.0f} %",
        *(f"{1000 * seconds:.1f}" for seconds in np.percentile(outcome.seconds, [50, 95, 99])),
        f"{cpu / outcome.took:.2f}",
        f"{outcome.cpu / outcome.took:.2f}",
    ]


def _added(server: _Server, model: _InProcess, sentences: Sequence[str], seconds: float) -> list[float]:
    """Seconds by which each sentence takes longer when the server is asked, alone, than when the model is called."""
    added: list[float] = []
    with Translator(server.address) as translator:
        translator.translate(sentences[0])
        ends = time.monotonic() + 2 * seconds
        for sentence in itertools.takewhile(lambda _: time.monotonic() < ends, itertools.cycle(sentences)):
            began = time.monotonic()
            translator.translate(sentence)
            answered = time.monotonic()
            model.translations([sentence])
            added.append(2 * answered - began - time.monotonic())
    return added


def _overload(server: _Server, expected: dict[str, str], rate: float, seconds: float) -> str:
    """What becomes of ``rate`` requests a second, and of one client right after them."""
    before = server.memory()
    outcome = flood(server.address, expected, rate, seconds, FLOOD_DEADLINE)
    after, began = server.memory(), time.monotonic()
    with Translator(server.address) as translator:
        translator.translate(next(iter(expected)))
    recovered = time.monotonic() - began
    asked, ends = int(rate * seconds), {"OK": len(outcome.seconds), **outcome.failed}
    return (
        f"overload: {asked:,} requests in {seconds:g} s (5 times the limit), each allowed {FLOOD_DEADLINE:g} s, ended "
        f"as {ends}, {outcome.wrong} wrong, {asked - sum(ends.values())} without an end; the last after "
        f"{outcome.took:.1f} s; server {before:,.0f} MB before, {after:,.0f} after; the next request was answered in "
        f"{recovered:.2f} s"
    )


class _InProcess:
    """The SavedModel, called directly."""

    def __init__(self, version: Path):
        self._model = SavedModel(version)
        signature = self._model.signatures[SIGNATURE]
        self._text = signature.inputs[TEXT_INPUT].name
        self._fetches = {name: signature.outputs[name].name for name in (TRANSLATION_OUTPUT, SCORE_OUTPUT)}

    def close(self) -> None:
        self._model.close()

    def translations(self, sentences: Sequence[str]) -> list[str]:
        return [
            translation.decode()
            for start in range(0, len(sentences), 64)
            for translation in self._call(sentences[start : start + 64])[TRANSLATION_OUTPUT]
        ]

    def speed(self, sentences: Sequence[str], batch: int, threads: int, seconds: float) -> Limit:
        batches = [(list(sentences) * 2)[start : start + batch] for start in range(0, len(sentences), batch)]
        self._call(batches[0])
        began = time.monotonic()

        def work(thread: int) -> int:
            translated = 0
            while time.monotonic() < began + seconds:
                self._call(batches[(thread + translated // batch * threads) % len(batches)])
                translated += batch
            return translated

        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            translated = sum(pool.map(work, range(threads)))
        return Limit(batch, threads, translated / (time.monotonic() - began))

    def _call(self, sentences: Sequence[str]) -> dict[str, np.ndarray]:
        return self._model.run({self._text: np.array(sentences, object)}, self._fetches, None)


def _table_of_limits(limits: Sequence[Limit]) -> Table:
    table = Table(title="The SavedModel by itself", title_justify="left")
    for name in ("sentences a call", "calls at once", "sentences/s"):
        table.add_column(name, justify="right")
    for limit in limits:
        table.add_row(str(limit.batch), str(limit.threads), f"{limit.speed:.1f}")
    return table


class _Server(NamedTuple):
    """The stand-in in a process of its own."""

    process: subprocess.Popen
    address: str

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident, in MB."""
        found = re.search(r"VmRSS:\s*(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0


@contextlib.contextmanager
def _server(work: WorkDirectory[Path], batching: Limit | None) -> Iterator[_Server]:
    """The stand-in, with batches as large and as many as are best where ``batching`` says so."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "serving.server", f"--port={address.rpartition(':')[2]}"]
    command += [f"--model_name={MODEL_NAME}", f"--model_base_path={work.export.resolve()}", "--grpc_max_threads=128"]
    with tempfile.NamedTemporaryFile("w", suffix=".config") as parameters:
        if batching:
            parameters.write(BATCHING.format(largest=batching.batch, threads=batching.threads))
            parameters.flush()
            command += ["--enable_batching", f"--batching_parameters_file={parameters.name}"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            with Translator(address) as translator:
                translator.wait_until_ready(120)
            yield _Server(process, address)
        finally:
            process.terminate()
            process.wait()
