"""Translators of lists of sentences: a model in this process, or a running server, both with the same calls."""

from __future__ import annotations

import abc
import concurrent.futures
import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from model.exported.loading import load_saved_model, load_signatures
from serving.client import translator as client
from serving.client.alignment import UNALIGNED, Alignment, align_words
from serving.client.answers import (
    UNSCORED,
    Alternative,
    NoTranslationError,
    SubwordScores,
    Translation,
    alternatives_of,
    beam_inputs,
    best_of_beam,
    check_count,
)
from serving.client.channel import Tls
from serving.client.constraints import Constraints
from serving.client.long_text import answered, document
from serving.client.sampling import first_samples, sampling_inputs
from workspace.errors import UserError, user_errors
from workspace.foreign_lines import has_gpu
from workspace.layout import (
    ALIGN_SIGNATURE,
    ALIGNMENT_OUTPUT,
    ALTERNATIVES_SIGNATURE,
    CONSTRAINED_SIGNATURE,
    DEFAULT_ADDRESS,
    LOG_PROBABILITY_OUTPUT,
    MODEL_NAME,
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
from workspace.machine import usable_cores

BATCH_SENTENCES = 32
CALLS_AT_ONCE = 8  # of a sentence each

Answer = TypeVar("Answer")
Row = TypeVar("Row")


class Translator(abc.ABC):
    """Translates sentences; ``load`` and ``connect`` make one. Use it as a context manager, or ``close`` it.

    Each call but ``translate_text`` takes any number of sentences, and gives an answer for each, in their order. For
    one of more subwords than the model takes, the answer is a Translation that is ``too_long``, no translation at all
    for ``nbest``, an Alignment of no words, or a score of minus infinity (of no subwords). Safe to share between
    threads.
    """

    @abc.abstractmethod
    def translate(self, texts: Sequence[str]) -> list[Translation]:
        """The best translation of each, with its score: log p / length^a, or as the recipe's search has it."""

    def translate_text(self, text: str) -> str:
        """The translation of a text of any length: every sentence by itself, line ends and blank lines as they are.

        Raises TextTooLongError, a TranslationError, where a sentence is too long for the model and cannot be split."""
        if not isinstance(text, str):
            raise UserError(f"{text!r} is no text; give a str, or a list of str to translate")
        return answered(document(text), self.translate)

    @abc.abstractmethod
    def nbest(self, texts: Sequence[str], count: int, beam_size: int | None = None) -> list[list[Translation]]:
        """At most ``count`` translations of each, the best first, of a beam of ``beam_size``, or as the recipe has it.
        Raises UserError where the model's beam has fewer, and ValueError for less than one."""

    @abc.abstractmethod
    def alternatives(self, texts: Sequence[str], prefixes: Sequence[str]) -> list[list[Alternative]]:
        """The words that may follow the prefix in a translation of each, likeliest first: after white space the next
        word, else how the last one goes on. None where text or prefix are too long."""

    @abc.abstractmethod
    def sample(
        self,
        texts: Sequence[str],
        count: int,
        seed: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> list[list[Translation]]:
        """``count`` translations of each, drawn at random as the model finds them likely, in no order.

        seed: for the same samples again; whatever else is in ``texts``, and on any machine, but for the last digits of
        probabilities (model.search.sampling). temperature: less than 1 for what is likelier, more for variety; top_k:
        draw from so many likeliest words, 0 for all; top_p: from the likeliest words that have this share together.
        Without these three it is as the recipe has it; with one of them, the others change nothing. Raises UserError
        where the model draws fewer at a time, and ValueError for less than one.
        """

    @abc.abstractmethod
    def constrained(
        self, texts: Sequence[str], constraints: Constraints | Sequence[Constraints]
    ) -> list[Translation | None]:
        """The best translation of each that keeps to ``constraints``, the same for all or one for each; None where no
        such translation was found, and where the text has more subwords than the model takes."""

    @abc.abstractmethod
    def align(self, texts: Sequence[str]) -> list[Alignment]:
        """The best translation of each, and which words of the sentence each of its words attended to."""

    @abc.abstractmethod
    def score(self, texts: Sequence[str], translations: Sequence[str]) -> list[float]:
        """The score that the model gives to a translation of each: to those of ``translate`` and ``nbest``, that which
        came with them."""

    @abc.abstractmethod
    def score_subwords(self, texts: Sequence[str], translations: Sequence[str]) -> list[SubwordScores]:
        """The same, with the log-probability of every subword and, where the model has attention, what it attended
        to."""

    @abc.abstractmethod
    def close(self) -> None:
        """Lets go of the model, or of the connection."""

    def __enter__(self) -> Translator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def load(work: str | Path, version: int | None = None, precision: Precision | None = None) -> Translator:
    """The exported model of the work directory ``work``, in this process: of its versions the newest, or ``version``.

    precision: "int8" for the version's engine for CPUs, which needs no TensorFlow, or "float32" for its SavedModel,
    which is what servers load; without it the engine, if there is one and no GPU. Raises UserError where there is none.
    """
    directory = WorkDirectory(Path(work))
    versions = directory.versions()
    if not versions:
        raise UserError(
            f"{directory.export} holds no exported model; give a work directory in which {directory.command('export')} "
            "or rnnsearch.export has made one"
        )
    if version is not None and version not in versions:
        raise UserError(f"{directory.export} has no version {version}, only {', '.join(map(str, versions))}")
    return LoadedTranslator(directory.version(version or versions[-1]), precision)


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


class LoadedTranslator(Translator):
    """By the version in ``path``; sentences of like lengths are translated together."""

    def __init__(self, path: Path, precision: Precision | None):
        self._path = path
        with user_errors():
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

        texts = [text for (text,) in _rows(texts)]
        wanted = iter(_one_each(constraints, texts))
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
            {**dict(zip(texts, row, strict=True)), **more()} for row in _rows(*texts.values())
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
                self._signatures = load_saved_model(self._path) | self._signatures
        if signature not in self._signatures:
            raise UserError(f"the model in {self._path} has no {signature}; export it again")
        return self._signatures[signature]


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
        return list(self._client.translate_many(text for (text,) in _rows(texts)))

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
        texts = [text for (text,) in _rows(texts)]
        rows = list(zip(texts, _one_each(constraints, texts), strict=True))
        return self._each_row(lambda row: self._client.constrained(*row), None, rows)

    def align(self, texts: Sequence[str]) -> list[Alignment]:
        return self._each(self._client.align, UNALIGNED, texts)

    def score(self, texts: Sequence[str], translations: Sequence[str]) -> list[float]:
        return self._each(self._client.score, -math.inf, texts, translations)

    def score_subwords(self, texts: Sequence[str], translations: Sequence[str]) -> list[SubwordScores]:
        return self._each(self._client.score_subwords, UNSCORED, texts, translations)

    def _each(self, ask: Callable[..., Answer], if_none: Answer, *columns: Sequence[str]) -> list[Answer]:
        """``ask`` of every row of the columns; ``if_none`` where the model has no translation of it."""
        return self._each_row(lambda row: ask(*row), if_none, _rows(*columns))

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


def _one_each(constraints: Constraints | Sequence[Constraints], texts: Sequence[str]) -> list[Constraints]:
    """Raises UserError where there are not as many."""
    if isinstance(constraints, Constraints):
        return [constraints] * len(texts)
    if not isinstance(constraints, Sequence) or not all(isinstance(each, Constraints) for each in constraints):
        raise UserError(f"{constraints!r} are no constraints; give rnnsearch.Constraints, or a list of them")
    if len(constraints) != len(texts):
        raise UserError(f"{len(texts)} texts and {len(constraints)} constraints are no pairs; give one for each")
    return list(constraints)


def _rows(*given: Iterable[str]) -> list[tuple[str, ...]]:
    """The columns side by side. Raises UserError for what is no list of texts, or lists of different lengths."""
    columns = []
    for texts in given:
        if isinstance(texts, str):
            raise UserError(f"{texts[:30]!r} is one text, not a list of texts; put it into brackets")
        columns.append(list(texts))
        if wrong := [text for text in columns[-1] if not isinstance(text, str)]:
            raise UserError(f"{wrong[0]!r} is no text; give a list of str")
    if len({len(column) for column in columns}) > 1:
        raise UserError(f"{len(columns[0])} texts and {len(columns[1])} translations are no pairs; give one for each")
    return list(zip(*columns, strict=True))
