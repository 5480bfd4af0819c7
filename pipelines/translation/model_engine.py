"""An exported model, which translates within the worker."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import sentencepiece

from model.exported.loading import ENGINE_PACKAGE, load_signatures, package_for
from pipelines.translation.asked import Asked
from pipelines.translation.batching import BATCH_SUBWORDS, Found, Ready, in_batches
from pipelines.translation.terms import asked_of, not_met
from serving.client.alignment import Alignment, align_words
from serving.client.answers import TOO_LONG, Translation
from serving.client.constraints import UNCONSTRAINED
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
    provenance_of,
    subwords_of,
)
from workspace.locations import Location, is_remote
from workspace.staging import check_sizes, digest_of, staged
from workspace.storage import read_bytes, read_json

# Of a subword, about, where nothing says which ones a model has.
_CHARACTERS = 4


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
        asked_for = [each.inputs() for each in wanted]
        inputs = {name: [each[name] for each in asked_for] for name in UNCONSTRAINED.inputs()}
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
