"""The client for asyncio.

async with AsyncTranslator("localhost:8500") as translator:
    print((await translator.translate("…")).text)
"""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from types import TracebackType

import grpc

from serving.client.alignment import Alignment
from serving.client.answers import Alternative, SubwordScores, TooManyTextsError, Translation
from serving.client.channel import SECONDS_BETWEEN_POLLS, Connection, seconds_left
from serving.client.constraints import Constraints
from serving.client.failures import is_busy, pauses
from serving.client.long_text import answered_later, document
from serving.client.questions import BATCHES_IN_FLIGHT, Answer, Question, batches


class AsyncTranslator(Connection):
    """``Translator`` for asyncio, with the same arguments, calls and errors.

    Use it in the event loop that it is made in, as an asynchronous context manager, or ``close`` it. A call that finds
    no server is repeated a few times and fails within seconds. Once the server has answered, one that goes away is
    waited for until the deadline, as is one that has too much to do.
    """

    _library = grpc.aio

    async def __aenter__(self) -> AsyncTranslator:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection; calls under way end at once."""
        await self._channel.close()

    async def translate(self, text: str) -> Translation:
        """Translates one sentence. Raises TranslationError, TextTooLongError among them."""
        return await self._ask(self._questions.translation(text))

    async def translate_many(self, texts: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[Translation]:
        """Translates any number of sentences, in their order; they are taken from ``texts`` as they are needed.

        BATCHES_IN_FLIGHT batches are under way at a time. A blank text is not sent, and answered by an empty one with
        score 0; one that is too long is answered by an empty one with a score of minus infinity. Raises
        TranslationError.
        """
        asked: collections.deque[asyncio.Task[list[Translation]]] = collections.deque()
        try:
            async for batch in _batches(texts, lambda: self._most_texts):
                asked.append(asyncio.create_task(self._ask_batch(batch)))
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

    async def translate_text(self, text: str) -> str:
        """Translates a text of any length, every sentence by itself; line ends and blank lines stay as they are.

        Raises TranslationError, and TextTooLongError among them where a sentence is too long and cannot be split.
        """

        async def translations(texts: list[str]) -> list[Translation]:
            return [translation async for translation in self.translate_many(texts)]

        return await answered_later(document(text), translations)

    async def nbest(self, text: str, count: int, beam_size: int | None = None) -> list[Translation]:
        """At most ``count`` translations of a sentence, the best first, of a beam of ``beam_size``, or as the recipe
        has it. Raises TranslationError, UserError where the model's beam has fewer, and ValueError for less than 1."""
        return await self._ask(self._questions.nbest(text, count, beam_size))

    async def alternatives(self, text: str, prefix: str) -> list[Alternative]:
        """The words that may follow ``prefix`` in a translation of a sentence, likeliest first: after white space the
        next word, else how the last one goes on. Raises TranslationError."""
        return await self._ask(self._questions.alternatives(text, prefix))

    async def sample(
        self,
        text: str,
        count: int,
        seed: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> list[Translation]:
        """``count`` translations of a sentence, drawn at random as the model finds them likely, in no order; with a
        ``seed`` the same ones again. Without temperature, top_k (how many of the likeliest words are drawn from) and
        top_p (what share they have) it is as the recipe has it; with one of them, the others change nothing. Raises
        TranslationError, UserError for values that cannot be, and ValueError for less than one."""
        return await self._ask(self._questions.samples(text, count, seed, temperature, top_k, top_p))

    async def constrained(self, text: str, constraints: Constraints) -> Translation:
        """The best translation of a sentence that keeps to ``constraints``. Raises TranslationError, ConstraintsError
        among them."""
        return await self._ask(self._questions.constrained(text, constraints))

    async def align(self, text: str) -> Alignment:
        """The translation of a sentence, and which of its words each word attended to. Raises TranslationError."""
        return await self._ask(self._questions.alignment(text))

    async def score(self, text: str, translation: str) -> float:
        """The length-normalised log-probability of any translation of a sentence; of the one that ``translate`` gives,
        the score that came with it. Raises TranslationError."""
        return await self._ask(self._questions.score(text, translation))

    async def score_subwords(self, text: str, translation: str) -> SubwordScores:
        """The same, subword by subword, as the search wrote it or else as the model would; with attention, also what
        each subword attended to. Raises TranslationError."""
        return await self._ask(self._questions.score_subwords(text, translation))

    async def weights(self) -> str:
        """The SHA-256 of the weights of the model that is served, as in the mark of its version. Raises
        TranslationError, with FAILED_PRECONDITION where the model does not tell."""
        return await self._ask(self._questions.weights())

    async def wait_until_ready(self, timeout: float) -> None:
        """Returns once a version of the model is available. Raises TranslationError after ``timeout`` seconds,
        and at once where a server answers that it has no such model."""
        question = self._questions.is_available()
        for left in seconds_left(timeout):
            try:
                response = await self._methods.get_model_status(question.request, timeout=left, wait_for_ready=True)
                if question.read(response):
                    return
            except grpc.RpcError as error:
                if not is_busy(error):
                    raise self._questions.not_ready(error, timeout) from error
            await asyncio.sleep(min(SECONDS_BETWEEN_POLLS, left))

    async def _ask_batch(self, texts: list[str]) -> list[Translation]:
        """The answers, asked for again in smaller batches where there were too many texts in one."""
        try:
            return await self._ask(self._questions.translations(texts))
        except TooManyTextsError as error:
            asked = [await self._ask(self._questions.translations(batch)) for batch in self._fewer(texts, error)]
            return [translation for translations in asked for translation in translations]

    async def _ask(self, question: Question[Answer]) -> Answer:
        if question.request is None:
            return question.read(None)
        deadline = time.monotonic() + self._timeout
        waits = pauses(deadline)
        while True:
            try:
                response = await self._methods.predict(
                    question.request, timeout=deadline - time.monotonic(), wait_for_ready=self._is_there
                )
                break
            except grpc.RpcError as error:
                pause = next(waits, None) if await asyncio.to_thread(self._questions.may_ask_again, error) else None
                if pause is None:
                    raise self._questions.unanswered(error, self._timeout) from error
                self._is_there = True
            await asyncio.sleep(pause)
        self._is_there = True
        return question.read(response)


async def _batches(texts: Iterable[str] | AsyncIterable[str], most: Callable[[], int]) -> AsyncIterator[list[str]]:
    if not isinstance(texts, AsyncIterable):
        for batch in batches(texts, most):
            yield batch
        return
    batch = []
    async for text in texts:
        batch.append(text)
        if len(batch) >= most():
            yield batch
            batch = []
    if batch:
        yield batch
