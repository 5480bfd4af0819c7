"""The client of asyncio, at a running server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from serving.client.answers import Translation, TranslationError
from serving.client.async_translator import AsyncTranslator
from serving.client.questions import BATCH_SENTENCES
from tests.serving.support import (
    Running,
)
from workspace.machine import free_port

pytestmark = pytest.mark.slow


def test_asyncio(text_server: Running) -> None:
    async def talk() -> tuple[Translation, list[str]]:
        async with AsyncTranslator(text_server.address) as translator:
            await translator.wait_until_ready(timeout=20)
            texts = [f"number {n}" if n % 7 else " " for n in range(10 * BATCH_SENTENCES)]
            many = [answer.text async for answer in translator.translate_many(texts)]
            assert many == [f"one:{text}" if text.strip() else "" for text in texts]
            together = await asyncio.gather(*(translator.translate(f"sentence {n}") for n in range(100)))
            return await translator.translate("été"), [answer.text for answer in together]

    one, together = asyncio.run(talk())
    assert one == Translation("one:été", 5.0)
    assert together == [f"one:sentence {n}" for n in range(100)]


@pytest.mark.parametrize("number", [0, 1, 2 * BATCH_SENTENCES, 6 * BATCH_SENTENCES + 5])
def test_asyncio_takes_texts_as_they_come(text_server: Running, number: int) -> None:
    async def texts() -> AsyncIterator[str]:
        for n in range(number):
            await asyncio.sleep(0)
            yield f"number {n}"

    async def talk() -> list[str]:
        async with AsyncTranslator(text_server.address) as translator:
            return [answer.text async for answer in translator.translate_many(texts())]

    assert asyncio.run(talk()) == [f"one:number {n}" for n in range(number)]


def test_errors_in_asyncio(text_server: Running) -> None:
    async def ask(address: str, model: str) -> None:
        async with AsyncTranslator(address, model) as translator:
            await translator.translate("t")

    with pytest.raises(TranslationError, match="has no model 'x': Servable not found"):
        asyncio.run(ask(text_server.address, "x"))
    with pytest.raises(TranslationError, match="no server answers at"):
        asyncio.run(ask(f"127.0.0.1:{free_port()}", "x"))
