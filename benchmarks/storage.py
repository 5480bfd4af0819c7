"""What a work directory in a store costs: ``python -m benchmarks.storage --source captions.en --target captions.fr``.

The same corpus is prepared into a directory of this machine and into one in S3, in turns, each in a process of its own;
and once more by way of a proxy that counts what is asked of the store. The store is the one that the tests start, on
this machine (versitygw, which .ci/stores installs, or moto's server).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from workspace.command import command_parser, positive, run_command, starting_up


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "benchmarks.storage",
        "How long a corpus is prepared into a work directory in S3, beside one on this machine.",
        reads="the corpus",
        writes="a table to standard output",
    )
    parser.add_argument("--source", type=Path, required=True, help="source side of a corpus, a sentence a line")
    parser.add_argument("--target", type=Path, required=True, help="target side")
    parser.add_argument("--pairs", type=positive, default=100_000, help="pairs to prepare")
    parser.add_argument("--turns", type=positive, default=3, help="how often each way")
    options = parser.parse_args(arguments)
    with starting_up():
        from benchmarks.preparation_speed import repeat
        from tests.stores.proxy import proxy_of
        from tests.stores.servers import is_installed, moto_store, s3_store
    store = s3_store if is_installed("versitygw") else moto_store
    with tempfile.TemporaryDirectory() as directory, store() as s3:
        files = repeat(options, Path(directory))
        seconds: dict[str, list[float]] = {"this machine": [], "S3": []}
        for turn in range(options.turns):
            seconds["this machine"].append(prepare(f"{directory}/work-{turn}", files, {}))
            seconds["S3"].append(prepare(f"{s3.root}/work-{turn}", files, s3.environment))
        with proxy_of(s3.endpoint) as proxy:
            prepare(f"{s3.root}/counted", files, s3.behind(proxy.endpoint).environment)
        say(options.pairs, seconds, proxy.requests)


def prepare(work: str, files: dict[str, str], environment: dict[str, str]) -> float:
    """Seconds to prepare a corpus by ``tiny`` into a new work directory."""
    command = [sys.executable, "-m", "recipes.run", "--work", work, "--recipe", "tiny", "--until", "prepare"]
    began = time.monotonic()
    subprocess.run(
        [*command, "--train-source", files["source"], "--train-target", files["target"]],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    return time.monotonic() - began


def say(pairs: int, seconds: dict[str, list[float]], requests: Counter[str]) -> None:
    print(f"{pairs:,} pairs, seconds of the fastest and the middle of {len(seconds['S3'])} turns:")
    for name, found in seconds.items():
        print(f"  {name:14} {min(found):6.1f} {statistics.median(found):6.1f}")
    ratio = statistics.median(seconds["S3"]) / statistics.median(seconds["this machine"])
    print(f"  S3 takes {ratio:.2f} times as long")
    asked = ", ".join(f"{count:,} {method}" for method, count in requests.most_common())
    print(f"  requests to the store: {requests.total():,} ({asked})")


if __name__ == "__main__":
    run_command(main)
