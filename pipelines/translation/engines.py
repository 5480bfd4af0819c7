"""What translates: an exported model within the worker, or a running server."""

from __future__ import annotations

import concurrent.futures
import contextlib
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import grpc
import numpy as np
import sentencepiece

from model.exported.loading import ENGINE_PACKAGE, load_signatures, package_for
from pipelines.translation.asked import Asked
from pipelines.translation.batching import BATCH_SUBWORDS, Found, Ready, in_batches
from pipelines.translation.terms import asked_of, not_met
from serving.client.alignment import Alignment, align_words
from serving.client.answers import TOO_LONG, ConstraintsError, NoTranslationError, Translation, TranslationError
from serving.client.constraints import UNCONSTRAINED, Constraints
from serving.client.questions import BATCH_SENTENCES
from serving.client.same_model import check_model
from serving.client.translator import Translator
from workspace.errors import UserError, as_given, check_installed
from workspace.layout import (
    ALIGN_SIGNATURE,
    ALIGNMENT_OUTPUT,
    CONSTRAINED_SIGNATURE,
    NBEST_SIGNATURE,
    SCORE_OUTPUT,
    SIGNATURE,
    SOURCE_SUBWORDS_OUTPUT,
    TARGET_SUBWORDS_OUTPUT,
    TEXT_INPUT,
    TRANSLATION_OUTPUT,
    Precision,
    WorkDirectory,
    provenance_of,
    subwords_of,
)
from workspace.locations import Location, is_remote
from workspace.periodically import periodically
from workspace.staging import check_sizes, digest_of, staged
from workspace.storage import read_bytes, read_json

# Of a line each, for what a server answers one text at a time.
REQUESTS_IN_FLIGHT = 8
_SECONDS_BETWEEN_LOOKS = 2.0
# Of a subword, about, where nothing says which ones a model has.
_CHARACTERS = 4
# What a server ends a call with that is not there, is just ending, or has too much to do, and may answer later.
_MAY_COME_BACK = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.NOT_FOUND,
)
_REFUSED = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE)


class Engine(Protocol):
    """What translates, as it is handed to workers."""

    def identity(self) -> dict[str, Any]:
        """What another one is told by."""

    def made_ready(self) -> Ready:
        """For a worker."""

    def for_workers(self, identity: dict[str, Any], are_here: bool) -> AbstractContextManager[Engine]:
        """What workers are given, who are on this machine or not: it translates as what had this identity when the job
        began, or raises UserError."""

    def watched(self, say: Callable[[str], object]) -> AbstractContextManager[None]:
        """While the body runs, there is said what holds it up."""


@dataclass(frozen=True)
class ModelEngine:
    """An exported version; precision: as in ``load_signatures``; digest: as in ``digest_of``, when the job began."""

    version: Location
    precision: Precision | None = None
    digest: str | None = None

    def check(self, asked: Asked) -> None:
        """Raises UserError where the version is not there in this precision or is not whole, or what it is loaded with
        is not installed."""
        check_installed(package_for(self.version, self.precision))
        check_sizes(self.version)

    def identity(self) -> dict[str, Any]:
        """What is told by whether another run had the same model."""
        loaded = {
            "sha256": digest_of(self.version),
            "loaded_with": package_for(self.version, self.precision),
        }
        mark = read_json(provenance_of(self.version))
        if mark is None:
            return {"version": str(self.version), **loaded}
        return {"version": int(self.version.name), "weights": mark["made_from"].get("weights"), **loaded}

    def made_ready(self) -> Ready:
        with self._as_it_was():
            return _Model(self.version, self.precision)

    @contextlib.contextmanager
    def for_workers(self, identity: dict[str, Any], are_here: bool) -> Iterator[ModelEngine]:
        """Those on this machine share a copy of what is in a store."""
        precision: Precision = "int8" if identity["loaded_with"] == ENGINE_PACKAGE else "float32"
        engine = ModelEngine(self.version, precision, identity["sha256"])
        with contextlib.ExitStack() as copied:
            if are_here and is_remote(self.version):
                with engine._as_it_was():
                    here = copied.enter_context(staged(self.version))
                engine = ModelEngine(here, precision)
            yield engine

    @contextlib.contextmanager
    def _as_it_was(self) -> Iterator[None]:
        """Around what loads the version. Raises UserError where it is gone by then or another one is in its place,
        which may also be why it did not load."""
        try:
            yield
        except Exception:
            self._check_digest()
            raise
        self._check_digest()

    def _check_digest(self) -> None:
        if self.digest is not None and digest_of(self.version) != self.digest:
            raise UserError(
                f"{self.version} was replaced or removed while the job ran; run the same command again, and it begins "
                "anew"
            )

    @contextlib.contextmanager
    def watched(self, say: Callable[[str], object]) -> Iterator[None]:
        yield


class _Model:
    def __init__(self, version: Location, precision: Precision | None):
        self._signatures = load_signatures(version, precision)
        self._subwords = _subwords_in(version)

    def batches(self, texts: Collection[str]) -> Iterator[list[str]]:
        return in_batches(texts, self._length)

    def _length(self, text: str) -> int:
        """In subwords. Of a text that fills a batch by itself they are not counted: SentencePiece takes a hundred times
        the memory of what it cuts."""
        about = len(text) // _CHARACTERS
        return about if self._subwords is None or about > BATCH_SUBWORDS else len(self._subwords.encode(text))

    def translate(self, batch: list[str], asked: Asked) -> list[Found]:
        if asked.terms:
            return self._with_terms(batch, asked)
        if not asked.nbest and not asked.alignment:
            return [Found(each) for each in self._best(batch)]
        if asked.alignment and ALIGN_SIGNATURE not in self._signatures:
            raise UserError(f"the model has no attention, and so no alignments; leave out {as_given('--alignment')}")
        nbest: list[list[Translation]] = [[] for _ in batch]
        alignments: list[Alignment | None] = [None for _ in batch]
        if asked.nbest:
            outputs = self._signatures[NBEST_SIGNATURE](**{TEXT_INPUT: batch})
            for found, *columns in zip(nbest, outputs[TRANSLATION_OUTPUT], outputs[SCORE_OUTPUT], strict=True):
                found.extend(map(Translation.of, *columns))
            if len(nbest[0]) < asked.nbest:
                raise UserError(
                    f"{asked.nbest} translations are asked for, but the model has a beam of {len(nbest[0])}; ask for "
                    f"fewer with {as_given('--nbest')}"
                )
            best = [found[0] for found in nbest]
        if asked.alignment:
            outputs = self._signatures[ALIGN_SIGNATURE](**{TEXT_INPUT: batch})
            best = _translations(outputs)
            alignments = [_alignment(outputs, row, translation) for row, translation in enumerate(best)]
        several = ([each for each in found if not each.too_long][: asked.nbest] for found in nbest)
        return list(map(Found, best, several, alignments))

    def _best(self, batch: list[str]) -> list[Translation]:
        return _translations(self._signatures[SIGNATURE](**{TEXT_INPUT: batch}))

    def _with_terms(self, batch: list[str], asked: Asked) -> list[Found]:
        if CONSTRAINED_SIGNATURE not in self._signatures:
            raise UserError(f"the model knows nothing of terms; export it again, or leave out {as_given('--terms')}")
        wanted = [asked_of(text, asked.terms) for text in batch]
        inputs = {name: [each.inputs()[name] for each in wanted] for name in UNCONSTRAINED.inputs()}
        found = _translations(self._signatures[CONSTRAINED_SIGNATURE](**{TEXT_INPUT: batch, **inputs}))
        if not (places := [place for place, each in enumerate(found) if each.too_long and wanted[place].required]):
            return list(map(Found, found))
        # Those are too long, or have none with their terms.
        plain = dict(zip(places, self._best([batch[place] for place in places]), strict=True))
        return [
            Found(TOO_LONG, why=not_met(wanted[place])) if place in plain and not plain[place].too_long else Found(each)
            for place, each in enumerate(found)
        ]


def _subwords_in(version: Location) -> sentencepiece.SentencePieceProcessor | None:
    """None where the version does not say which it has. Raises UserError where it is not whole."""
    try:
        return sentencepiece.SentencePieceProcessor(model_proto=read_bytes(subwords_of(version)))
    except FileNotFoundError:
        return None
    except RuntimeError as error:
        raise UserError(f"{subwords_of(version)} is damaged; remove the version, and export again") from error


def _translations(outputs: dict[str, Any]) -> list[Translation]:
    return list(map(Translation.of, outputs[TRANSLATION_OUTPUT], outputs[SCORE_OUTPUT]))


def _alignment(outputs: dict[str, Any], row: int, translation: Translation) -> Alignment:
    source, target = (
        [subword.decode("utf-8", errors="replace") for subword in outputs[name][row]]
        for name in (SOURCE_SUBWORDS_OUTPUT, TARGET_SUBWORDS_OUTPUT)
    )
    return align_words(translation, source, target, np.ravel(outputs[ALIGNMENT_OUTPUT][row]).tolist())


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
