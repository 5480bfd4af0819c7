"""A running server, which translates what it is asked."""

from __future__ import annotations

import concurrent.futures
import contextlib
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import grpc

from pipelines.translation.asked import Asked
from pipelines.translation.batching import Found, Ready
from pipelines.translation.terms import asked_of, not_met
from serving.client.answers import TOO_LONG, ConstraintsError, NoTranslationError, TranslationError
from serving.client.constraints import Constraints
from serving.client.questions import BATCH_SENTENCES
from serving.client.same_model import check_model
from serving.client.translator import Translator
from workspace.errors import UserError
from workspace.layout import (
    WorkDirectory,
)
from workspace.periodically import periodically

# Of a line each, for what a server answers one text at a time.
REQUESTS_IN_FLIGHT = 8
_SECONDS_BETWEEN_LOOKS = 2.0
# What a server ends a call with that is not there, is just ending, or has too much to do, and may answer later.
_MAY_COME_BACK = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.NOT_FOUND,
)
_REFUSED = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE)


@dataclass(frozen=True)
class ServerEngine:
    """A running server, asked over gRPC: of the model of ``work``, where that is known.

    patience: seconds for which a server that goes away is waited for; model: its identity when the job began.
    """

    address: str
    work: WorkDirectory | None = None
    patience: float = 600.0
    model: dict[str, Any] | None = None

    def check(self, asked: Asked) -> None:
        """Raises UserError where the server has another model, or does not answer what is asked: once, before many
        ask."""
        if self.work:
            with Translator(self.address, work=self.work) as translator:
                check_model(translator, self.address, self.work)
        found = _Server(self).one("a", asked)
        if found.why:
            raise UserError(found.why)

    def identity(self) -> dict[str, Any]:
        """The weights that the server has, or where it does not tell, its address."""
        with Translator(self.address, work=self.work) as translator:
            return _identity(translator, self.address)

    def made_ready(self) -> Ready:
        return _Server(self)

    @contextlib.contextmanager
    def for_workers(self, identity: dict[str, Any], are_here: bool) -> Iterator[ServerEngine]:
        yield replace(self, model=identity)

    @contextlib.contextmanager
    def watched(self, say: Callable[[str], object]) -> Iterator[None]:
        """While the body runs, it is said when the server goes away and when it is back."""
        is_there = True

        def look() -> None:
            nonlocal is_there
            was_there = is_there
            try:
                translator.wait_until_ready(_SECONDS_BETWEEN_LOOKS)
                is_there = True
            except TranslationError:
                is_there = False
            if was_there and not is_there:
                say(f"note: the server at {self.address} does not answer; waiting up to {self.patience:g} s")
            elif is_there and not was_there:
                say(f"note: the server at {self.address} is back; going on")

        with Translator(self.address, work=self.work) as translator, periodically(_SECONDS_BETWEEN_LOOKS, look):
            yield


def _identity(translator: Translator, address: str) -> dict[str, Any]:
    try:
        return {"weights": translator.weights()}
    except TranslationError as error:
        if error.code in _MAY_COME_BACK:
            raise
        return {"server": address}


class _Server:
    def __init__(self, engine: ServerEngine):
        self._engine = engine
        # Which waits for a server that goes away, too, as long as a call may take.
        self._translator = Translator(engine.address, timeout=min(60.0, engine.patience), work=engine.work)
        self._identity = engine.model

    def batches(self, texts: Collection[str]) -> list[list[str]]:
        """One: the client divides it. By characters, for what subwords the server's model has is not known here."""
        return [sorted(texts, key=lambda text: (len(text), text))] if texts else []

    def translate(self, batch: list[str], asked: Asked) -> Iterator[Found]:
        """Raises UserError where the server is not back in time, or has another model than before."""
        many = self._several if asked.nbest or asked.alignment or asked.terms else self._batches
        given, alone_until, waits_until = 0, 0, 0.0
        while True:
            try:
                self._check_identity()
                for found in (
                    (self.one(text, asked) for text in batch[given:alone_until])
                    if given < alone_until
                    else many(batch[given:], asked)
                ):
                    yield found
                    given, waits_until = given + 1, 0.0
                self._check_identity()
            except TranslationError as error:
                if error.code in _REFUSED:
                    # One of those of a batch, which was answered whole or not at all.
                    alone_until = given + BATCH_SENTENCES
                elif error.code in _MAY_COME_BACK:
                    waits_until = waits_until or time.monotonic() + self._engine.patience
                    if time.monotonic() >= waits_until:
                        raise self._gave_up(error) from error
                    time.sleep(min(_SECONDS_BETWEEN_LOOKS, self._engine.patience))
                else:
                    raise
            if given == len(batch):
                return

    def one(self, text: str, asked: Asked) -> Found:
        """Of a single text, and why not where the server refuses it."""
        try:
            if asked.terms:
                return self._with_terms(text, asked_of(text, asked.terms))
            if not asked.nbest and not asked.alignment:
                return Found(self._translator.translate(text))
            nbest = self._translator.nbest(text, asked.nbest) if asked.nbest else []
            alignment = self._translator.align(text) if asked.alignment else None
            return Found(alignment.translation if alignment else nbest[0], nbest, alignment)
        except NoTranslationError:
            return Found(TOO_LONG)
        except TranslationError as error:
            if error.code not in _REFUSED:
                raise
            return Found(TOO_LONG, why=str(error))

    def _with_terms(self, text: str, wanted: Constraints) -> Found:
        if not wanted.required:
            return Found(self._translator.translate(text))
        try:
            return Found(self._translator.constrained(text, wanted))
        except ConstraintsError:
            self._translator.translate(text)  # where it is not too long, it has none with its terms
            return Found(TOO_LONG, why=not_met(wanted))

    def _batches(self, texts: list[str], asked: Asked) -> Iterator[Found]:
        return map(Found, self._translator.translate_many(texts))

    def _several(self, texts: list[str], asked: Asked) -> Iterator[Found]:
        with concurrent.futures.ThreadPoolExecutor(REQUESTS_IN_FLIGHT) as pool:
            try:
                yield from pool.map(lambda text: self.one(text, asked), texts)
            finally:
                pool.shutdown(cancel_futures=True)

    def _check_identity(self) -> None:
        now = _identity(self._translator, self._engine.address)
        if self._identity not in (None, now):
            raise UserError(
                f"the server at {self._engine.address} has another model than when the job began; run the same command "
                "again, and it begins anew"
            )
        self._identity = now

    def _gave_up(self, error: TranslationError) -> UserError:
        return UserError(
            f"{error}; it was waited for {self._engine.patience:g} s: what is translated is kept, and the same command "
            "goes on"
        )
