"""Asks a server to translate, from many clients at once, and checks every answer.

It does so in a process of its own, without TensorFlow, to take as little as it can from the server beside it; what is
done there is in ``benchmarks.clients``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from workspace.command import command_parser, run_command, starting_up


@dataclass
class Outcome:
    """What became of the requests.

    seconds: of each that was answered; failed: how many others by the name of their status; wrong: other answers than
    expected; took: seconds from the first request to the last answer; cpu: seconds of a core that the clients needed.
    """

    seconds: list[float] = field(default_factory=list)
    failed: dict[str, int] = field(default_factory=dict)
    wrong: int = 0
    took: float = 0.0
    cpu: float = 0.0


def load(address: str, expected: Mapping[str, str], clients: int, seconds: float, requests: int = 0) -> Outcome:
    """``clients`` that each send a sentence, wait for its answer and send the next, for ``seconds`` and until there
    are ``requests`` answers. ``expected`` has the translation of every sentence."""
    return _apart("load", address, expected, clients, seconds, requests)


def flood(address: str, expected: Mapping[str, str], rate: float, seconds: float, deadline: float) -> Outcome:
    """``rate`` sentences a second whether they are answered or not; each may take ``deadline`` seconds."""
    return _apart("flood", address, expected, rate, seconds, deadline)


def _apart(*what: Any) -> Outcome:
    command = [sys.executable, "-m", "benchmarks.load"]
    ran = subprocess.run(command, input=json.dumps(what), stdout=subprocess.PIPE, text=True, check=True)
    return Outcome(**json.loads(ran.stdout))


def main(arguments: list[str]) -> None:
    """The other process: what to do is on standard input, the outcome goes to standard output."""
    command_parser(
        "benchmarks.load",
        "Asks a server to translate, from many clients at once. Started by benchmarks.serving, not by you.",
        reads="standard input: what to do, as JSON",
        writes="standard output: what became of it, as JSON",
    ).parse_args(arguments)
    with starting_up():
        import asyncio
        import resource

        from benchmarks.clients import closed_loop, open_loop
    kind, *what = json.load(sys.stdin)
    outcome = asyncio.run({"load": closed_loop, "flood": open_loop}[kind](*what))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    outcome.cpu = usage.ru_utime + usage.ru_stime
    print(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    run_command(main)
