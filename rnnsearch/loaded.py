"""An exported model, in this process."""

from __future__ import annotations

import concurrent.futures
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from model.exported.loading import load_saved_model, load_signatures
from rnnsearch.translator import Translator, one_each, side_by_side
from serving.client.alignment import UNALIGNED, Alignment, align_words
from serving.client.answers import (
    Alternative,
    SubwordScores,
    Translation,
    alternatives_of,
    beam_inputs,
    best_of_beam,
    check_count,
)
from serving.client.constraints import Constraints
from serving.client.sampling import first_samples, sampling_inputs
from workspace.errors import UserError, user_errors
from workspace.foreign_lines import has_gpu
from workspace.layout import (
    ALIGN_SIGNATURE,
    ALIGNMENT_OUTPUT,
    ALTERNATIVES_SIGNATURE,
    CONSTRAINED_SIGNATURE,
    LOG_PROBABILITY_OUTPUT,
    PROBABILITY_OUTPUT,
    SCORE_OUTPUT,
    SCORE_SIGNATURE,
    SCORE_SUBWORDS_SIGNATURE,
    SIGNATURE,
    SOURCE_SUBWORDS_OUTPUT,
    TARGET_SUBWORDS_OUTPUT,
    TEXT_INPUT,
    TRANSLATION_OUTPUT,
    WORD_OUTPUT,
    Precision,
    WorkDirectory,
)
from workspace.locations import Location, located
from workspace.machine import usable_cores
from workspace.staging import digest_of

BATCH_SENTENCES = 32

Answer = TypeVar("Answer")


def load(work: str | Location, version: int | None = None, precision: Precision | None = None) -> Translator:
    """The exported model of the work directory ``work``, in this process: of its versions the newest, or ``version``.

    precision: "int8" for the version's engine for CPUs, which needs no TensorFlow, or "float32" for its SavedModel,
    which is what servers load; without it the engine, if there is one and no GPU. Raises UserError where there is none.
    """
    directory = WorkDirectory(located(work))
    versions = directory.versions()
    if not versions:
        raise UserError(
            f"{directory.export} holds no exported model; give a work directory in which {directory.command('export')} "
            "or rnnsearch.export has made one"
        )
    if version is not None and version not in versions:
        raise UserError(f"{directory.export} has no version {version}, only {', '.join(map(str, versions))}")
    return LoadedTranslator(directory.version(version or versions[-1]), precision)


class LoadedTranslator(Translator):
    """By the version in ``path``; sentences of like lengths are translated together."""

    def __init__(self, path: Location, precision: Precision | None):
        self._path = path
        with user_errors():
            self._digest = digest_of(path)
            self._signatures = load_signatures(path, precision)
        self._is_loading = threading.Lock()
        self._is_closed = False

    def close(self) -> None:
        self._signatures, self._is_closed = {}, True

    def translate(self, texts: Sequence[str]) -> list[Translation]:
        return self._answers(SIGNATURE, Translation.of, [TRANSLATION_OUTPUT, SCORE_OUTPUT], text=texts)

    def nbest(self, texts: Sequence[str], count: int, beam_size: int | None = None) -> list[list[Translation]]:
        signature, sizes = beam_inputs(count, beam_size)

        def read(found: Sequence[bytes], scores: Sequence[float]) -> list[Translation]:
            return best_of_beam(found, scores, count, beam_size)

        return self._answers(signature, read, [TRANSLATION_OUTPUT, SCORE_OUTPUT], lambda: sizes, text=texts)

    def alternatives(self, texts: Sequence[str], prefixes: Sequence[str]) -> list[list[Alternative]]:
        outputs = [WORD_OUTPUT, PROBABILITY_OUTPUT]
        return self._answers(ALTERNATIVES_SIGNATURE, alternatives_of, outputs, text=texts, prefix=prefixes)

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

        def read(drawn: Sequence[bytes], scores: Sequence[float]) -> list[Translation]:
            return first_samples(drawn, scores, count)

        def numbers() -> dict[str, int | float]:
            return sampling_inputs(seed, temperature, top_k, top_p)[1]

        signature, _ = sampling_inputs(seed, temperature, top_k, top_p)
        return self._answers(signature, read, [TRANSLATION_OUTPUT, SCORE_OUTPUT], numbers, text=texts)

    def constrained(
        self, texts: Sequence[str], constraints: Constraints | Sequence[Constraints]
    ) -> list[Translation | None]:
        def read(text: bytes, score: float) -> Translation | None:
            return None if score == -math.inf else Translation.of(text, score)

        texts = [text for (text,) in side_by_side(texts)]
        wanted = iter(one_each(constraints, texts))
        outputs = [TRANSLATION_OUTPUT, SCORE_OUTPUT]
        return self._answers(CONSTRAINED_SIGNATURE, read, outputs, lambda: next(wanted).inputs(), text=texts)

    def align(self, texts: Sequence[str]) -> list[Alignment]:
        def read(text: bytes, score: float, source: Any, target: Any, weights: Any) -> Alignment:
            if score == -math.inf:
                return UNALIGNED
            pieces = [[subword.decode() for subword in side] for side in (source, target)]
            return align_words(Translation.of(text, score), pieces[0], pieces[1], weights.ravel().tolist())

        subwords = [SOURCE_SUBWORDS_OUTPUT, TARGET_SUBWORDS_OUTPUT]
        outputs = [TRANSLATION_OUTPUT, SCORE_OUTPUT, *subwords, ALIGNMENT_OUTPUT]
        return self._answers(ALIGN_SIGNATURE, read, outputs, text=texts)

    def score(self, texts: Sequence[str], translations: Sequence[str]) -> list[float]:
        return self._answers(SCORE_SIGNATURE, float, [SCORE_OUTPUT], text=texts, translation=translations)

    def score_subwords(self, texts: Sequence[str], translations: Sequence[str]) -> list[SubwordScores]:
        def read(score: float, target: Any, log_p: Any, source: Any = (), weights: Any = None) -> SubwordScores:
            flat = [] if weights is None else weights.ravel().tolist()
            return SubwordScores.of(score, list(target), log_p.tolist(), list(source), flat)

        outputs = [SCORE_OUTPUT, TARGET_SUBWORDS_OUTPUT, LOG_PROBABILITY_OUTPUT]
        if ALIGN_SIGNATURE in self._signatures:
            outputs += [SOURCE_SUBWORDS_OUTPUT, ALIGNMENT_OUTPUT]
        return self._answers(SCORE_SUBWORDS_SIGNATURE, read, outputs, text=texts, translation=translations)

    def _answers(
        self,
        signature: str,
        read: Callable[..., Answer],
        outputs: list[str],
        more: Callable[[], Mapping[str, str | int | float]] = dict,
        **texts: Sequence[str],
    ) -> list[Answer]:
        """What ``read`` makes of these outputs of the signature, for each of the sentences in ``texts``; ``more`` gives
        the other inputs of each."""
        rows: list[dict[str, Any]] = [
            {**dict(zip(texts, row, strict=True)), **more()} for row in side_by_side(*texts.values())
        ]
        function = self._function(signature)
        order = sorted(range(len(rows)), key=lambda number: len(rows[number][TEXT_INPUT]))
        batches = [order[begin : begin + BATCH_SENTENCES] for begin in range(0, len(order), BATCH_SENTENCES)]

        def ask(batch: list[int]) -> list[Answer]:
            found = function(**{name: [rows[number][name] for number in batch] for name in rows[batch[0]]})
            return [read(*row) for row in zip(*(found[name] for name in outputs), strict=True)]

        answers: dict[int, Answer] = {}
        with concurrent.futures.ThreadPoolExecutor(1 if has_gpu() else usable_cores()) as threads:
            for batch, found in zip(batches, threads.map(ask, batches), strict=True):
                answers.update(zip(batch, found, strict=True))
        return [answers[number] for number in range(len(rows))]

    def _function(self, signature: str) -> Any:
        if self._is_closed:
            raise UserError(f"the translator of {self._path} is closed; load the model again")
        if signature == ALIGN_SIGNATURE and signature not in self._signatures:
            raise UserError(f"the model in {self._path} has no attention, so it aligns nothing; train an rnnsearch")
        with self._is_loading, user_errors():
            if signature not in self._signatures:
                # What the engine cannot do, TensorFlow does.
                by_tensorflow = load_saved_model(self._path)
                if digest_of(self._path) != self._digest:
                    raise UserError(f"{self._path} was replaced since the model was loaded; load the model again")
                self._signatures = by_tensorflow | self._signatures
        if signature not in self._signatures:
            raise UserError(f"the model in {self._path} has no {signature}; export it again")
        return self._signatures[signature]
