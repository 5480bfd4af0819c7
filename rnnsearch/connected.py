"""A model that a server serves."""

from __future__ import annotations

import concurrent.futures
import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from rnnsearch.translator import Translator, one_each, side_by_side
from serving.client import translator as client
from serving.client.alignment import UNALIGNED, Alignment
from serving.client.answers import (
    UNSCORED,
    Alternative,
    NoTranslationError,
    SubwordScores,
    Translation,
    beam_inputs,
    check_count,
)
from serving.client.channel import Tls
from serving.client.constraints import Constraints
from workspace.errors import UserError
from workspace.layout import (
    DEFAULT_ADDRESS,
    MODEL_NAME,
)

CALLS_AT_ONCE = 8  # of a sentence each

Answer = TypeVar("Answer")
Row = TypeVar("Row")


def connect(
    address: str = DEFAULT_ADDRESS,
    model: str = MODEL_NAME,
    timeout: float = 60.0,
    version: int | None = None,
    label: str | None = None,
    tls: Tls | None = None,
) -> Translator:
    """The model that a server serves at ``address``, host:port of its gRPC. It needs no TensorFlow here.

    timeout: the deadline of one call, of 32 sentences at most, in seconds; version, label: of the model's versions, by
    default the newest; tls: speak TLS. Its calls raise TranslationError where the server gives no answer.
    """
    return ConnectedTranslator(client.Translator(address, model, timeout, version, label, tls))


class ConnectedTranslator(Translator):
    """By a server, whose ``client`` it closes."""

    def __init__(self, client: client.Translator):
        self._client = client
        self._is_closed = False

    def close(self) -> None:
        self._is_closed = True
        self._client.close()

    def translate(self, texts: Sequence[str]) -> list[Translation]:
        self._check_open()
        return list(self._client.translate_many(text for (text,) in side_by_side(texts)))

    def nbest(self, texts: Sequence[str], count: int, beam_size: int | None = None) -> list[list[Translation]]:
        beam_inputs(count, beam_size)
        return self._each(lambda text: self._client.nbest(text, count, beam_size), [], texts)

    def alternatives(self, texts: Sequence[str], prefixes: Sequence[str]) -> list[list[Alternative]]:
        return self._each(self._client.alternatives, [], texts, prefixes)

    def sample(
        self,
        texts: Sequence[str],
        count: int,
        seed: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> list[list[Translation]]:
        check_count(count)
        return self._each(lambda text: self._client.sample(text, count, seed, temperature, top_k, top_p), [], texts)

    def constrained(
        self, texts: Sequence[str], constraints: Constraints | Sequence[Constraints]
    ) -> list[Translation | None]:
        texts = [text for (text,) in side_by_side(texts)]
        rows = list(zip(texts, one_each(constraints, texts), strict=True))
        return self._each_row(lambda row: self._client.constrained(*row), None, rows)

    def align(self, texts: Sequence[str]) -> list[Alignment]:
        return self._each(self._client.align, UNALIGNED, texts)

    def score(self, texts: Sequence[str], translations: Sequence[str]) -> list[float]:
        return self._each(self._client.score, -math.inf, texts, translations)

    def score_subwords(self, texts: Sequence[str], translations: Sequence[str]) -> list[SubwordScores]:
        return self._each(self._client.score_subwords, UNSCORED, texts, translations)

    def _each(self, ask: Callable[..., Answer], if_none: Answer, *columns: Sequence[str]) -> list[Answer]:
        """``ask`` of every row of the columns; ``if_none`` where the model has no translation of it."""
        return self._each_row(lambda row: ask(*row), if_none, side_by_side(*columns))

    def _each_row(self, ask: Callable[[Row], Answer], if_none: Answer, rows: Sequence[Row]) -> list[Answer]:
        """Some at a time: a server makes batches of what comes together."""
        self._check_open()

        def answered(row: Row) -> Answer:
            try:
                return ask(row)
            except NoTranslationError:
                return if_none

        threads = concurrent.futures.ThreadPoolExecutor(CALLS_AT_ONCE)
        try:
            return list(threads.map(answered, rows))
        finally:
            # After an error nothing more is asked.
            threads.shutdown(cancel_futures=True)

    def _check_open(self) -> None:
        if self._is_closed:
            raise UserError("this translator is closed; connect again")
