"""Translates over gRPC, with TensorFlow Serving or its stand-in at the other end; needs no TensorFlow itself.

    with Translator("localhost:8500") as translator:
        print(translator.translate("In the beginning was the Word.").text)

``serving.client.async_translator`` has the same for asyncio, ``python -m serving.translate`` for the command line.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic

import grpc

from serving.client.alignment import Alignment
from serving.client.answers import Alternative, SubwordScores, TooManyTextsError, Translation
from serving.client.channel import SECONDS_BETWEEN_POLLS, Connection, seconds_left
from serving.client.constraints import Constraints
from serving.client.failures import is_busy, pauses
from serving.client.long_text import answered, document
from serving.client.questions import BATCHES_IN_FLIGHT, Answer, Question, batches


@dataclass(frozen=True)
class _Asked(Generic[Answer]):
    """A question, the call that asks it, and when its answer must be there, by ``time.monotonic``."""

    question: Question[Answer]
    call: Any
    deadline: float


class Translator(Connection):
    """A connection to the server at ``address``; use it as a context manager, or ``close`` it.

    Safe to share between threads. A call that finds no server is repeated a few times and fails within seconds. Once
    the server has answered, one that goes away is waited for until the deadline, as is one that has too much to do.
    """

    _library = grpc

    def __enter__(self) -> Translator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; calls under way end at once."""
        self._channel.close()

    def translate(self, text: str) -> Translation:
        """Translates one sentence. Raises TranslationError, TextTooLongError among them."""
        return self._ask(self._questions.translation(text))

    def translate_many(self, texts: Iterable[str]) -> Iterator[Translation]:
        """Translates any number of sentences, in their order; they are taken from ``texts`` as they are needed.

        BATCHES_IN_FLIGHT batches are under way at a time. A blank text is not sent, and answered by an empty one with
        score 0; one that is too long is answered by an empty one with a score of minus infinity. Raises
        TranslationError.
        """
        asked: collections.deque[tuple[list[str], _Asked[list[Translation]]]] = collections.deque()
        try:
            for batch in batches(texts, lambda: self._most_texts):
                asked.append((batch, self._begin(self._questions.translations(batch))))
                if len(asked) == BATCHES_IN_FLIGHT:
                    yield from self._end_batch(*asked.popleft())
            while asked:
                yield from self._end_batch(*asked.popleft())
        finally:
            for _, left in asked:
                if left.call is not None:
                    left.call.cancel()

    def translate_text(self, text: str) -> str:
        """Translates a text of any length, every sentence by itself; line ends and blank lines stay as they are.

        Raises TranslationError, and TextTooLongError among them where a sentence is too long and cannot be split.
        """
        return answered(document(text), self.translate_many)

    def nbest(self, text: str, count: int, beam_size: int | None = None) -> list[Translation]:
        """At most ``count`` translations of a sentence, the best first, of a beam of ``beam_size``, or as the recipe
        has it. Raises TranslationError, UserError where the model's beam has fewer, and ValueError for less than 1."""
        return self._ask(self._questions.nbest(text, count, beam_size))

    def alternatives(self, text: str, prefix: str) -> list[Alternative]:
        """The words that may follow ``prefix`` in a translation of a sentence, likeliest first: after white space the
        next word, else how the last one goes on. Raises TranslationError."""
        return self._ask(self._questions.alternatives(text, prefix))

    def sample(
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
        return self._ask(self._questions.samples(text, count, seed, temperature, top_k, top_p))

    def constrained(self, text: str, constraints: Constraints) -> Translation:
        """The best translation of a sentence that keeps to ``constraints``. Raises TranslationError, ConstraintsError
        among them."""
        return self._ask(self._questions.constrained(text, constraints))

    def align(self, text: str) -> Alignment:
        """The translation of a sentence, and which of its words each word attended to. Raises TranslationError."""
        return self._ask(self._questions.alignment(text))

    def score(self, text: str, translation: str) -> float:
        """The length-normalised log-probability of any translation of a sentence; of the one that ``translate`` gives,
        the score that came with it. Raises TranslationError."""
        return self._ask(self._questions.score(text, translation))

    def score_subwords(self, text: str, translation: str) -> SubwordScores:
        """The same, subword by subword, as the search wrote it or else as the model would; with attention, also what
        each subword attended to. Raises TranslationError."""
        return self._ask(self._questions.score_subwords(text, translation))

    def weights(self) -> str:
        """The SHA-256 of the weights of the model that is served, as in the mark of its version. Raises
        TranslationError, with FAILED_PRECONDITION where the model does not tell."""
        return self._ask(self._questions.weights())

    def wait_until_ready(self, timeout: float) -> None:
        """Returns once a version of the model is available. Raises TranslationError after ``timeout`` seconds,
        and at once where a server answers that it has no such model."""
        question = self._questions.is_available()
        for left in seconds_left(timeout):
            try:
                response = self._methods.get_model_status(question.request, timeout=left, wait_for_ready=True)
                if question.read(response):
                    return
            except grpc.RpcError as error:
                if not is_busy(error):
                    raise self._questions.not_ready(error, timeout) from error
            time.sleep(min(SECONDS_BETWEEN_POLLS, left))

    def _end_batch(self, texts: list[str], asked: _Asked[list[Translation]]) -> Iterator[Translation]:
        """The answers, asked for again in smaller batches where there were too many texts in one."""
        try:
            yield from self._end(asked)
        except TooManyTextsError as error:
            for batch in self._fewer(texts, error):
                yield from self._ask(self._questions.translations(batch))

    def _ask(self, question: Question[Answer]) -> Answer:
        return self._end(self._begin(question))

    def _begin(self, question: Question[Answer]) -> _Asked[Answer]:
        return _Asked(question, self._call(question, self._timeout), time.monotonic() + self._timeout)

    def _call(self, question: Question[Any], timeout: float) -> Any:
        """A call under way, or None where there is nothing to ask."""
        if question.request is None:
            return None
        return self._methods.predict.future(question.request, timeout=timeout, wait_for_ready=self._is_there)

    def _end(self, asked: _Asked[Answer]) -> Answer:
        question, call, deadline = asked.question, asked.call, asked.deadline
        if call is None:
            return question.read(None)
        waits = pauses(deadline)
        while True:
            try:
                response = call.result()
                break
            except grpc.RpcError as error:
                pause = next(waits, None) if self._questions.may_ask_again(error) else None
                if pause is None:
                    raise self._questions.unanswered(error, self._timeout) from error
                self._is_there = True
            time.sleep(pause)
            call = self._call(question, deadline - time.monotonic())
        self._is_there = True
        return question.read(response)
