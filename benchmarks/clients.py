"""Many clients at once that ask a server to translate, and check every answer: the work of ``benchmarks.load``."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping

import grpc

from benchmarks.load import Outcome
from serving.client.channel import methods
from serving.client.questions import Questions

CLIENTS_ON_A_CONNECTION = 8


async def closed_loop(
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


async def open_loop(address: str, expected: Mapping[str, str], rate: float, seconds: float, deadline: float) -> Outcome:
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
        self._questions, self._methods = Questions(address), methods(self.channel)

    async def ask(self, sentence: str, translation: str, deadline: float, outcome: Outcome) -> None:
        question = self._questions.translations([sentence])
        began = time.monotonic()
        try:
            response = await self._methods.predict(question.request, timeout=deadline)
        except grpc.RpcError as error:
            name = error.code().name
            outcome.failed[name] = outcome.failed.get(name, 0) + 1
            return
        outcome.seconds.append(time.monotonic() - began)
        (answer,) = question.read(response)
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
