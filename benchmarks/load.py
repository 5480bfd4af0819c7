"""Asks a server to translate, from many clients at once, and checks every answer.

It does so in a process of its own, without TensorFlow, to take as little as it can from the server beside it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import grpc

from serving.exchange import Exchange, methods

CLIENTS_ON_A_CONNECTION = 8


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


def _main() -> None:
    """The other process: what to do is on standard input, the outcome goes to standard output."""
    kind, *arguments = json.load(sys.stdin)
    outcome = asyncio.run({"load": _closed_loop, "flood": _open_loop}[kind](*arguments))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    outcome.cpu = usage.ru_utime + usage.ru_stime
    print(json.dumps(asdict(outcome)))


async def _closed_loop(
    address: str, expected: Mapping[str, str], clients: int, seconds: float, requests: int
) -> Outcome:
    outcome, sentences = Outcome(), itertools.cycle(expected.items())
    async with _Connections(address, clients) as connections:
        began = time.monotonic()

        async def client(connection: _Connection) -> None:
            while time.monotonic() < began + seconds or len(outcome.seconds) < requests:
                await connection.ask(*next(sentences), deadline=60.0, outcome=outcome)

        await asyncio.gather(*(client(connections.of(number)) for number in range(clients)))
        outcome.took = time.monotonic() - began
    return outcome


async def _open_loop(
    address: str, expected: Mapping[str, str], rate: float, seconds: float, deadline: float
) -> Outcome:
    outcome, sentences = Outcome(), itertools.cycle(expected.items())
    async with _Connections(address, 64) as connections:
        began = time.monotonic()
        asked = []
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            asked.append(
                asyncio.create_task(connections.of(number).ask(*next(sentences), deadline=deadline, outcome=outcome))
            )
        await asyncio.gather(*asked)
        outcome.took = time.monotonic() - began
    return outcome


class _Connection:
    def __init__(self, address: str):
        # Without retries, which would hide what failed; and without an option of its own every channel to an address
        # would share one connection.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        self.channel = grpc.aio.insecure_channel(address, options)
        self._exchange, self._methods = Exchange(address), methods(self.channel)

    async def ask(self, sentence: str, translation: str, deadline: float, outcome: Outcome) -> None:
        request = self._exchange.predict_request([sentence])
        began = time.monotonic()
        try:
            response = await self._methods.predict(request, timeout=deadline)
        except grpc.RpcError as error:
            name = error.code().name
            outcome.failed[name] = outcome.failed.get(name, 0) + 1
            return
        outcome.seconds.append(time.monotonic() - began)
        (answer,) = self._exchange.translations([sentence], response)
        outcome.wrong += answer.text != translation


class _Connections:
    """As few connections as do not wait for one another."""

    def __init__(self, address: str, clients: int):
        self._connections = [_Connection(address) for _ in range(-(-clients // CLIENTS_ON_A_CONNECTION))]

    async def __aenter__(self) -> _Connections:
        await asyncio.gather(*(connection.channel.channel_ready() for connection in self._connections))
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(connection.channel.close() for connection in self._connections))

    def of(self, client: int) -> _Connection:
        return self._connections[client % len(self._connections)]


if __name__ == "__main__":
    _main()
