"""What a client asks of a model and how it reads the answers, whichever way it waits for them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc

from serving.client import messages
from serving.client.alignment import Alignment, align_words
from serving.client.answers import (
    BLANK,
    Alternative,
    ConstraintsError,
    SubwordScores,
    TextTooLongError,
    TooManyTextsError,
    Translation,
    TranslationError,
    alternatives_of,
    beam_inputs,
    best_of_beam,
    check_count,
)
from serving.client.constraints import Constraints
from serving.client.failures import check_address, has_come_up, how_to_start, is_busy, most_texts, unavailable
from serving.client.sampling import first_samples, sampling_inputs
from workspace.errors import UserError
from workspace.layout import (
    ALIGN_SIGNATURE,
    ALIGNMENT_OUTPUT,
    ALTERNATIVES_SIGNATURE,
    BEAM_SIZE_INPUT,
    CONSTRAINED_SIGNATURE,
    DEFAULT_ADDRESS,
    IDENTITY_SIGNATURE,
    LOG_PROBABILITY_OUTPUT,
    MODEL_NAME,
    PREFIX_INPUT,
    PROBABILITY_OUTPUT,
    SCORE_OUTPUT,
    SCORE_SIGNATURE,
    SCORE_SUBWORDS_SIGNATURE,
    SEED_INPUT,
    SIGNATURE,
    SOURCE_SUBWORDS_OUTPUT,
    TARGET_SUBWORDS_OUTPUT,
    TEMPERATURE_INPUT,
    TEXT_INPUT,
    TOP_K_INPUT,
    TOP_P_INPUT,
    TRANSLATION_INPUT,
    TRANSLATION_OUTPUT,
    WEIGHTS_OUTPUT,
    WORD_OUTPUT,
    WorkDirectory,
)

BATCH_SENTENCES = 32
BATCHES_IN_FLIGHT = 4

# The types of inputs that are no texts, and where a tensor has its values.
_NUMBERS = {
    SEED_INPUT: (messages.DT_INT64, "int64_val"),
    BEAM_SIZE_INPUT: (messages.DT_INT32, "int_val"),
    TEMPERATURE_INPUT: (messages.DT_FLOAT, "float_val"),
    TOP_K_INPUT: (messages.DT_INT32, "int_val"),
    TOP_P_INPUT: (messages.DT_FLOAT, "float_val"),
}

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Question(Generic[Answer]):
    """A request, and the function that reads the answer from the response to it.

    ``request`` is None where the answer needs no server; ``read`` then takes None.
    """

    request: Any
    read: Callable[[Any], Answer]


@dataclass(frozen=True)
class Questions:
    """What can be asked of one model at one address: of the version with this number or label, else of the newest.

    ``read`` of each question but ``is_available`` raises TranslationError for a response that holds no answer.
    """

    address: str = DEFAULT_ADDRESS
    model: str = MODEL_NAME
    version: int | None = None
    label: str | None = None
    tls: bool = False
    work: WorkDirectory | None = None  # of the model, where it is known

    def __post_init__(self) -> None:
        check_address(self.address)
        if self.version is not None and self.version not in range(2**63):
            raise UserError(f"there is no version {self.version}; give a number from 0 to {2**63 - 1}")
        if self.version is not None and self.label is not None:
            raise UserError(f"version {self.version} and label {self.label!r} are both asked for; give one of them")

    def translation(self, text: str) -> Question[Translation]:
        """Of a single text; ``read`` raises TextTooLongError where it is too long."""
        batch = self.translations([text])

        def read(response: Any) -> Translation:
            (translation,) = batch.read(response)
            self._check_length(text, translation.score)
            return translation

        return Question(batch.request, read)

    def translations(self, texts: Sequence[str]) -> Question[list[Translation]]:
        """One for every text. Blank ones are not sent; their translation is empty, with score 0."""
        sent = [text for text in texts if text.strip()]
        if not sent:
            return Question(None, lambda _: [BLANK] * len(texts))

        def read(response: Any) -> list[Translation]:
            outputs = self._outputs(response, TRANSLATION_OUTPUT, SCORE_OUTPUT)
            answers, scores = outputs[TRANSLATION_OUTPUT].string_val, outputs[SCORE_OUTPUT].float_val
            if not len(answers) == len(scores) == len(sent):
                raise self._no_translator(
                    f"{len(answers)} translations and {len(scores)} scores for {len(sent)} sentences"
                )
            answered = zip(answers, scores, strict=True)
            return [Translation.of(*next(answered)) if text.strip() else BLANK for text in texts]

        return Question(self._request(SIGNATURE, {TEXT_INPUT: sent}), read)

    def nbest(self, text: str, count: int, beam_size: int | None = None) -> Question[list[Translation]]:
        """At most ``count``, the best first; of a blank text the empty one, without a server. Raises ValueError for
        less than one, and UserError where ``beam_size`` has fewer; ``read`` raises UserError where the model's beam
        has."""
        signature, sizes = beam_inputs(count, beam_size)
        if not text.strip():
            return Question(None, lambda _: [BLANK])

        def read(response: Any) -> list[Translation]:
            outputs = self._outputs(response, TRANSLATION_OUTPUT, SCORE_OUTPUT)
            texts, scores = outputs[TRANSLATION_OUTPUT].string_val, outputs[SCORE_OUTPUT].float_val
            found = best_of_beam(texts, scores, count, beam_size)
            self._check_length(text, scores[0])
            return found

        of_one = {name: [value] for name, value in {TEXT_INPUT: text, **sizes}.items()}
        return Question(self._request(signature, of_one), read)

    def samples(
        self,
        text: str,
        count: int,
        seed: int | None,
        temperature: float | None,
        top_k: int | None,
        top_p: float | None,
    ) -> Question[list[Translation]]:
        """``count`` translations drawn at random (``serving.client.sampling``); of a blank text empty ones, without a
        server. Raises ValueError for less than one; ``read`` raises UserError where the model draws fewer at a time."""
        check_count(count)
        signature, numbers = sampling_inputs(seed, temperature, top_k, top_p)
        if not text.strip():
            return Question(None, lambda _: [BLANK] * count)

        def read(response: Any) -> list[Translation]:
            outputs = self._outputs(response, TRANSLATION_OUTPUT, SCORE_OUTPUT)
            texts, scores = outputs[TRANSLATION_OUTPUT].string_val, outputs[SCORE_OUTPUT].float_val
            drawn = first_samples(texts, scores, count)
            self._check_length(text, scores[0])
            return drawn

        of_one = {name: [value] for name, value in {TEXT_INPUT: text, **numbers}.items()}
        return Question(self._request(signature, of_one), read)

    def constrained(self, text: str, constraints: Constraints) -> Question[Translation]:
        """The best translation that keeps to ``constraints``; of a blank text an empty one, without a server. ``read``
        raises ConstraintsError where none is found, or the text is too long."""
        if not text.strip():
            return Question(None, lambda _: BLANK)

        def read(response: Any) -> Translation:
            outputs = self._outputs(response, TRANSLATION_OUTPUT, SCORE_OUTPUT)
            found = Translation.of(outputs[TRANSLATION_OUTPUT].string_val[0], outputs[SCORE_OUTPUT].float_val[0])
            if found.score == -math.inf:
                raise ConstraintsError(
                    f"no translation of the text that begins {text[:30]!r} was found that keeps to what is asked of "
                    "it, or the text is longer than the model translates; ask for less",
                    grpc.StatusCode.INVALID_ARGUMENT,
                )
            return found

        of_one = {name: [value] for name, value in {TEXT_INPUT: text, **constraints.inputs()}.items()}
        return Question(self._request(CONSTRAINED_SIGNATURE, of_one), read)

    def alternatives(self, text: str, prefix: str) -> Question[list[Alternative]]:
        """The words that may follow ``prefix`` in a translation, likeliest first; none of a blank text, without a
        server, nor where text or prefix are too long."""
        if not text.strip():
            return Question(None, lambda _: [])

        def read(response: Any) -> list[Alternative]:
            outputs = self._outputs(response, WORD_OUTPUT, PROBABILITY_OUTPUT)
            return alternatives_of(outputs[WORD_OUTPUT].string_val, outputs[PROBABILITY_OUTPUT].float_val)

        return Question(self._request(ALTERNATIVES_SIGNATURE, {TEXT_INPUT: [text], PREFIX_INPUT: [prefix]}), read)

    def alignment(self, text: str) -> Question[Alignment]:
        """Of the words of a text and its translation."""

        def read(response: Any) -> Alignment:
            outputs = self._outputs(
                response,
                TRANSLATION_OUTPUT,
                SCORE_OUTPUT,
                SOURCE_SUBWORDS_OUTPUT,
                TARGET_SUBWORDS_OUTPUT,
                ALIGNMENT_OUTPUT,
            )
            score = outputs[SCORE_OUTPUT].float_val[0]
            self._check_length(text, score)
            source, target = (
                [subword.decode("utf-8") for subword in outputs[name].string_val]
                for name in (SOURCE_SUBWORDS_OUTPUT, TARGET_SUBWORDS_OUTPUT)
            )
            translation = Translation.of(outputs[TRANSLATION_OUTPUT].string_val[0], score)
            return align_words(translation, source, target, outputs[ALIGNMENT_OUTPUT].float_val)

        return Question(self._request(ALIGN_SIGNATURE, {TEXT_INPUT: [text]}), read)

    def score(self, text: str, translation: str) -> Question[float]:
        """The length-normalised log-probability of a translation of a text."""

        def read(response: Any) -> float:
            score = float(self._outputs(response, SCORE_OUTPUT)[SCORE_OUTPUT].float_val[0])
            self._check_length(max(text, translation, key=len), score)
            return score

        return Question(self._request(SCORE_SIGNATURE, {TEXT_INPUT: [text], TRANSLATION_INPUT: [translation]}), read)

    def score_subwords(self, text: str, translation: str) -> Question[SubwordScores]:
        """The same, subword by subword; with attention, also what each attended to."""

        def read(response: Any) -> SubwordScores:
            outputs = self._outputs(response, SCORE_OUTPUT, TARGET_SUBWORDS_OUTPUT, LOG_PROBABILITY_OUTPUT)
            score = float(outputs[SCORE_OUTPUT].float_val[0])
            self._check_length(max(text, translation, key=len), score)
            target, log_p = outputs[TARGET_SUBWORDS_OUTPUT].string_val, outputs[LOG_PROBABILITY_OUTPUT].float_val
            if ALIGNMENT_OUTPUT not in outputs:
                return SubwordScores.of(score, target, log_p)
            source = self._outputs(response, SOURCE_SUBWORDS_OUTPUT)[SOURCE_SUBWORDS_OUTPUT].string_val
            return SubwordScores.of(score, target, log_p, source, outputs[ALIGNMENT_OUTPUT].float_val)

        inputs = {TEXT_INPUT: [text], TRANSLATION_INPUT: [translation]}
        return Question(self._request(SCORE_SUBWORDS_SIGNATURE, inputs), read)

    def weights(self) -> Question[str]:
        """The SHA-256 of the weights of the model that is served."""

        def read(response: Any) -> str:
            return str(self._outputs(response, WEIGHTS_OUTPUT)[WEIGHTS_OUTPUT].string_val[0].decode())

        return Question(self._request(IDENTITY_SIGNATURE, {TEXT_INPUT: [""]}), read)

    def is_available(self) -> Question[bool]:
        """Whether a version can be asked: a question of GetModelStatus, the others are of Predict."""
        request = messages.GetModelStatusRequest()
        request.model_spec.name = self.model
        if self.version is not None:
            request.model_spec.version.value = self.version
        return Question(
            request,
            lambda response: any(status.state == messages.AVAILABLE for status in response.model_version_status),
        )

    def not_ready(self, error: grpc.RpcError, timeout: float) -> TranslationError:
        """Why the wait for a version, of ``timeout`` seconds, ended without one."""
        if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
            return self.unanswered(error, timeout)
        message = f"no server is ready at {self.address} after {timeout:g} s: {how_to_start(self.address, self.work)}"
        return TranslationError(message, error.code())

    def may_ask_again(self, error: grpc.RpcError) -> bool:
        """Whether a server that gave no answer may give one later: it is busy, or has come up meanwhile."""
        return is_busy(error) or has_come_up(error, self.address, self.tls)

    def unanswered(self, error: grpc.RpcError, timeout: float) -> TranslationError:
        """Why a call, of ``timeout`` seconds at most, ended without a response."""
        code, details = error.code(), error.details() or ""
        server, model = f"the server at {self.address}", f"model {self.model!r}"
        if is_busy(error):
            message = (
                f"{server} has too much to do ({details}); ask less at a time, or give it more time than {timeout:g} s"
            )
        elif code is grpc.StatusCode.UNAVAILABLE:
            message = unavailable(self.address, details, self.tls, self.work)
        elif code is grpc.StatusCode.NOT_FOUND and self.version is not None:
            message = f"{server} has no version {self.version} of {model}: {details}"
        elif code is grpc.StatusCode.NOT_FOUND:
            message = f"{server} has no {model}: {details}"
        elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
            message = f"deadline exceeded: no answer from {self.address} within {timeout:g} s"
        elif code is grpc.StatusCode.INVALID_ARGUMENT and self.label is not None and "version label" in details:
            message = f"{server} has no version with the label {self.label!r} of {model}: {details}"
        elif code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION):
            message = f"invalid argument: the {model} at {self.address} refused the request: {details}"
            if most := most_texts(details):
                return TooManyTextsError(message, code, most)
        elif code is grpc.StatusCode.UNIMPLEMENTED:
            message = f"what answers at {self.address} serves no models ({details}); give the address of make serve"
        else:
            message = f"{server} failed with {code.name}: {details}"
        return TranslationError(message, code)

    def _request(self, signature: str, inputs: Mapping[str, Sequence[Any]]) -> Any:
        request = messages.PredictRequest()
        request.model_spec.name = self.model
        request.model_spec.signature_name = signature
        if self.version is not None:
            request.model_spec.version.value = self.version
        if self.label is not None:
            request.model_spec.version_label = self.label
        for name, values in inputs.items():
            tensor = request.inputs.add(key=name).value
            tensor.tensor_shape.dim.add(size=len(values))
            if name in _NUMBERS:
                tensor.dtype, field = _NUMBERS[name]
                getattr(tensor, field).extend(values)
            else:
                tensor.dtype = messages.DT_STRING
                tensor.string_val.extend(text.encode("utf-8", errors="replace") for text in values)
        return request

    def _check_length(self, text: str, score: float) -> None:
        if score == -math.inf:
            raise TextTooLongError(
                f"a text of {len(text):,} characters, which begins {text[:30]!r}, is longer than model {self.model!r} "
                "translates; split it into sentences",
                grpc.StatusCode.INVALID_ARGUMENT,
            )

    def _outputs(self, response: Any, *names: str) -> dict[str, Any]:
        """The tensors of these names. Raises TranslationError where one is missing."""
        outputs = {output.key: output.value for output in response.outputs}
        if missing := [name for name in names if name not in outputs]:
            raise self._no_translator(f"no output {missing[0]!r}")
        return outputs

    def _no_translator(self, gave: str) -> TranslationError:
        return TranslationError(
            f"model {self.model!r} at {self.address} gave {gave}; serve a model made with make train",
            grpc.StatusCode.INTERNAL,
        )


def batches(texts: Iterable[str], most: Callable[[], int] = lambda: BATCH_SENTENCES) -> Iterator[list[str]]:
    """The texts in their order, in batches of at most what ``most`` says at the time."""
    texts = iter(texts)
    while batch := list(itertools.islice(texts, most())):
        yield batch
