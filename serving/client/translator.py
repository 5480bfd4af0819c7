"""Translates over gRPC, with TensorFlow Serving or its stand-in at the other end; needs no TensorFlow itself.

    with Translator("localhost:8500") as translator:
        print(translator.translate("In the beginning was the Word.").text)

``serving.client.async_translator`` has the same for asyncio, ``python -m serving.translate`` for the command line.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any

import grpc

from serving.client.answers import (
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


class Translator:
    """A connection to the server at ``address``; use it as a context manager, or ``close`` it.

    version, label: of the model's versions, the newest if neither is given; tls: speak TLS, default is plain text;
    timeout: the deadline of one call, a batch of at most BATCH_SENTENCES, in seconds. Safe to share between threads.

    A call that finds no server is made again a few times, and fails within seconds. Once the server has answered, one
    that goes away is waited for until the deadline.
    """

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
        self._channel, self._methods = connect(grpc, address, tls)

    def __enter__(self) -> Translator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._channel.close()

    def translate(self, text: str) -> Translation:
        """Translates one sentence. Raises TranslationError, TextTooLongError among them."""
        if not text.strip():
            return BLANK
        return self._exchange.translation(text, self._call(self._exchange.predict_request([text])))

    def translate_many(self, texts: Iterable[str]) -> Iterator[Translation]:
        """Translates any number of sentences, in their order; they are taken from ``texts`` as they are needed.

        BATCHES_IN_FLIGHT batches are under way at a time. A blank text is answered by an empty one with score 0, and
        not sent; one that is too long by an empty one with a score of minus infinity. Raises TranslationError.
        """
        asked: collections.deque[tuple[list[str], Any]] = collections.deque()
        try:
            for batch in batches(texts):
                asked.append((batch, self._ask(batch)))
                if len(asked) == BATCHES_IN_FLIGHT:
                    yield from self._answer(*asked.popleft())
            while asked:
                yield from self._answer(*asked.popleft())
        finally:
            for _, call in asked:
                if call is not None:
                    call.cancel()

    def nbest(self, text: str, count: int) -> list[Translation]:
        """At most ``count`` translations of a sentence, the best first. Raises TranslationError, and UserError where
        the model's beam has fewer."""
        return self._exchange.nbest(text, self._call(self._exchange.nbest_request(text)), count)

    def align(self, text: str) -> Alignment:
        """The translation of a sentence, and which of its words each word attended to. Raises TranslationError."""
        return self._exchange.alignment(text, self._call(self._exchange.align_request(text)))

    def score(self, text: str, translation: str) -> float:
        """The length-normalised log-probability of any translation of a sentence. Raises TranslationError."""
        return self._exchange.score(text, translation, self._call(self._exchange.score_request(text, translation)))

    def wait_until_ready(self, timeout: float) -> None:
        """Returns once a version of the model is available. Raises TranslationError after ``timeout`` seconds,
        and at once where a server answers that it has no such model."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            try:
                answer = self._methods.get_model_status(
                    self._exchange.status_request(), timeout=max(left, 0.001), wait_for_ready=True
                )
            except grpc.RpcError as error:
                raise self._exchange.not_ready(error, timeout) from error
            if is_available(answer):
                return
            time.sleep(min(SECONDS_BETWEEN_POLLS, max(left, 0.0)))

    def _ask(self, texts: list[str]) -> Any:
        """A call under way, or None where there is nothing to ask."""
        if not any(text.strip() for text in texts):
            return None
        return self._begin(self._exchange.predict_request(texts))

    def _answer(self, texts: list[str], call: Any) -> list[Translation]:
        if call is None:
            return [BLANK] * len(texts)
        return self._exchange.translations(texts, self._end(call))

    def _call(self, request: Any) -> Any:
        return self._end(self._begin(request))

    def _begin(self, request: Any) -> Any:
        return self._methods.predict.future(request, timeout=self._timeout, wait_for_ready=self._has_answered)

    def _end(self, call: Any) -> Any:
        try:
            response = call.result()
        except grpc.RpcError as error:
            raise self._exchange.explained(error, self._timeout) from error
        self._has_answered = True
        return response
