"""The client for asyncio.

async with AsyncTranslator("localhost:8500") as translator:
    print((await translator.translate("…")).text)
"""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from types import TracebackType
from typing import Any

import grpc

from serving.client.answers import (
    BATCH_SENTENCES,
    BATCHES_IN_FLIGHT,
    BLANK,
    SECONDS_BETWEEN_POLLS,
    Alignment,
    Exchange,
    Translation,
    batches,
    is_available,
)
from serving.client.channel import Tls, connect
from workspace.layout import DEFAULT_ADDRESS, MODEL_NAME


class AsyncTranslator:
    """As ``Translator``, whose arguments, calls and errors it has; for the event loop that it is made in."""

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        model: str = MODEL_NAME,
        timeout: float = 60.0,
        version: int | None = None,
        label: str | None = None,
        tls: Tls | None = None,
    ):
        self._exchange = Exchange(address, model, version, label)
        self._timeout = timeout
        self._has_answered = False
        self._channel, self._methods = connect(grpc.aio, address, tls)

    async def __aenter__(self) -> AsyncTranslator:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._channel.close()

    async def translate(self, text: str) -> Translation:
        """Translates one sentence. Raises TranslationError, TextTooLongError among them."""
        if not text.strip():
            return BLANK
        return self._exchange.translation(text, await self._call(self._exchange.predict_request([text])))

    async def translate_many(self, texts: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[Translation]:
        """Translates any number of sentences, in their order; they are taken from ``texts`` as they are needed."""
        asked: collections.deque[asyncio.Task[list[Translation]]] = collections.deque()
        try:
            async for batch in _batches(texts):
                asked.append(asyncio.create_task(self._answer(batch)))
                if len(asked) == BATCHES_IN_FLIGHT:
                    for translation in await asked.popleft():
                        yield translation
            while asked:
                for translation in await asked.popleft():
                    yield translation
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def nbest(self, text: str, count: int) -> list[Translation]:
        return self._exchange.nbest(text, await self._call(self._exchange.nbest_request(text)), count)

    async def align(self, text: str) -> Alignment:
        return self._exchange.alignment(text, await self._call(self._exchange.align_request(text)))

    async def score(self, text: str, translation: str) -> float:
        return self._exchange.score(
            text, translation, await self._call(self._exchange.score_request(text, translation))
        )

    async def wait_until_ready(self, timeout: float) -> None:
        """Returns once a version of the model is available. Raises TranslationError as Translator's."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            try:
                answer = await self._methods.get_model_status(
                    self._exchange.status_request(), timeout=max(left, 0.001), wait_for_ready=True
                )
            except grpc.RpcError as error:
                raise self._exchange.not_ready(error, timeout) from error
            if is_available(answer):
                return
            await asyncio.sleep(min(SECONDS_BETWEEN_POLLS, max(left, 0.0)))

    async def _answer(self, texts: list[str]) -> list[Translation]:
        if not any(text.strip() for text in texts):
            return [BLANK] * len(texts)
        return self._exchange.translations(texts, await self._call(self._exchange.predict_request(texts)))

    async def _call(self, request: Any) -> Any:
        try:
            response = await self._methods.predict(request, timeout=self._timeout, wait_for_ready=self._has_answered)
        except grpc.RpcError as error:
            raise self._exchange.explained(error, self._timeout) from error
        self._has_answered = True
        return response


async def _batches(texts: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[list[str]]:
    if not isinstance(texts, AsyncIterable):
        for batch in batches(texts):
            yield batch
        return
    batch = []
    async for text in texts:
        batch.append(text)
        if len(batch) == BATCH_SENTENCES:
            yield batch
            batch = []
    if batch:
        yield batch
