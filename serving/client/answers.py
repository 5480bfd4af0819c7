"""What the clients say to a server and what they make of its answers, whichever way they wait for them."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from serving.client import messages
from workspace.errors import UserError
from workspace.layout import (
    ALIGN_SIGNATURE,
    ALIGNMENT_OUTPUT,
    DEFAULT_ADDRESS,
    MODEL_NAME,
    NBEST_SIGNATURE,
    SCORE_OUTPUT,
    SCORE_SIGNATURE,
    SIGNATURE,
    SOURCE_SUBWORDS_OUTPUT,
    TARGET_SUBWORDS_OUTPUT,
    TEXT_INPUT,
    TRANSLATION_INPUT,
    TRANSLATION_OUTPUT,
)

BATCH_SENTENCES = 32
BATCHES_IN_FLIGHT = 4
SECONDS_BETWEEN_POLLS = 0.2

# As SentencePiece writes them.
WORD_BEGINS = "\u2581"
END_SUBWORD = "</s>"
_BYTES = re.compile(r"(?:<0x[0-9A-F]{2}>)+")  # of characters that are no subwords


class TranslationError(UserError):
    """A translation that could not be had; ``code`` is the status the call ended with."""

    def __init__(self, message: str, code: grpc.StatusCode):
        super().__init__(message)
        self.code = code


class TextTooLongError(TranslationError):
    """A text of more subwords than the model takes; one that is shorter can be translated."""


@dataclass(frozen=True)
class Translation:
    """A translation and its length-normalised log-probability."""

    text: str
    score: float

    @property
    def too_long(self) -> bool:
        """Whether the model did not translate, for the text has more subwords than it takes."""
        return self.score == -math.inf


# Of a text that holds nothing to translate.
BLANK = Translation("", 0.0)


@dataclass(frozen=True)
class Alignment:
    """A translation and what each of its words attended to: ``weights[target word][source word]``, each row at most 1,
    the rest having gone to the end of the sentence. Words are what spaces separate; the weights of their subwords are
    added up on the source side and averaged on the target side."""

    translation: Translation
    source: list[str]
    target: list[str]
    weights: list[list[float]]

    def links(self) -> list[tuple[int, int]]:
        """Of every target word the source word that it attended to most: (source, target), counted from 0."""
        return [(row.index(max(row)), target) for target, row in enumerate(self.weights) if row]


@dataclass(frozen=True)
class Exchange:
    """One model at one address, and of its versions that of a number or a label, else the newest."""

    address: str = DEFAULT_ADDRESS
    model: str = MODEL_NAME
    version: int | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if self.version is not None and self.label is not None:
            raise UserError(f"version {self.version} and label {self.label!r} are both asked for; give one of them")

    def predict_request(self, texts: Sequence[str]) -> Any:
        """For the translations of the texts that are not blank, of which there must be one."""
        return self._request(SIGNATURE, {TEXT_INPUT: [text for text in texts if text.strip()]})

    def nbest_request(self, text: str) -> Any:
        return self._request(NBEST_SIGNATURE, {TEXT_INPUT: [text]})

    def align_request(self, text: str) -> Any:
        return self._request(ALIGN_SIGNATURE, {TEXT_INPUT: [text]})

    def score_request(self, text: str, translation: str) -> Any:
        return self._request(SCORE_SIGNATURE, {TEXT_INPUT: [text], TRANSLATION_INPUT: [translation]})

    def translations(self, texts: Sequence[str], response: Any) -> list[Translation]:
        """One for every text; that of a blank one is empty, with score 0. Raises TranslationError."""
        outputs = self._outputs(response, TRANSLATION_OUTPUT, SCORE_OUTPUT)
        answers, scores = outputs[TRANSLATION_OUTPUT].string_val, outputs[SCORE_OUTPUT].float_val
        sent = sum(bool(text.strip()) for text in texts)
        if not len(answers) == len(scores) == sent:
            raise self._no_translator(f"{len(answers)} translations and {len(scores)} scores for {sent} sentences")
        answered = zip(answers, scores, strict=True)
        return [_translation(*next(answered)) if text.strip() else BLANK for text in texts]

    def translation(self, text: str, response: Any) -> Translation:
        """Of a single text. Raises TranslationError, of a text that is too long as well."""
        (translation,) = self.translations([text], response)
        self._check_length(text, translation.score)
        return translation

    def nbest(self, text: str, response: Any, count: int) -> list[Translation]:
        """At most ``count``, the best first. Raises TranslationError, and UserError where the model's beam has
        fewer."""
        outputs = self._outputs(response, TRANSLATION_OUTPUT, SCORE_OUTPUT)
        texts, scores = outputs[TRANSLATION_OUTPUT].string_val, outputs[SCORE_OUTPUT].float_val
        if count > len(texts):
            raise UserError(
                f"{count} translations are asked for, but the model has a beam of {len(texts)}; ask for fewer"
            )
        self._check_length(text, scores[0])
        found = zip(texts[:count], scores, strict=False)
        return [_translation(text, score) for text, score in found if score > -math.inf]

    def alignment(self, text: str, response: Any) -> Alignment:
        """Of words, from the subwords' own. Raises TranslationError."""
        outputs = self._outputs(
            response, TRANSLATION_OUTPUT, SCORE_OUTPUT, SOURCE_SUBWORDS_OUTPUT, TARGET_SUBWORDS_OUTPUT, ALIGNMENT_OUTPUT
        )
        self._check_length(text, outputs[SCORE_OUTPUT].float_val[0])
        source = [piece.decode("utf-8") for piece in outputs[SOURCE_SUBWORDS_OUTPUT].string_val]
        target = [piece.decode("utf-8") for piece in outputs[TARGET_SUBWORDS_OUTPUT].string_val]
        flat, width = outputs[ALIGNMENT_OUTPUT].float_val, len(source)
        source_words, target_words = _words(source), _words(target)
        weights = [
            [
                sum(flat[row * width + column] for row in rows for column in columns) / len(rows)
                for _, columns in source_words
            ]
            for _, rows in target_words
        ]
        translation = _translation(outputs[TRANSLATION_OUTPUT].string_val[0], outputs[SCORE_OUTPUT].float_val[0])
        return Alignment(translation, [word for word, _ in source_words], [word for word, _ in target_words], weights)

    def score(self, text: str, translation: str, response: Any) -> float:
        """Raises TranslationError."""
        score = float(self._outputs(response, SCORE_OUTPUT)[SCORE_OUTPUT].float_val[0])
        self._check_length(max(text, translation, key=len), score)
        return score

    def status_request(self) -> Any:
        request = messages.GetModelStatusRequest()
        request.model_spec.name = self.model
        if self.version is not None:
            request.model_spec.version.value = self.version
        return request

    def not_ready(self, error: grpc.RpcError, timeout: float) -> TranslationError:
        """Why the wait for a version ended without one."""
        if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
            return self.explained(error, timeout)
        message = f"no server is ready at {self.address} after {timeout:g} s: start one with make serve"
        return TranslationError(message, error.code())

    def explained(self, error: grpc.RpcError, timeout: float) -> TranslationError:
        code, details = error.code(), error.details()
        if code is grpc.StatusCode.UNAVAILABLE:
            message = f"no server answers at {self.address}: start one with make serve"
        elif code is grpc.StatusCode.NOT_FOUND:
            message = f"the server at {self.address} has no model {self.model!r}: {details}"
        elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
            message = f"deadline exceeded: no answer from {self.address} within {timeout:g} s"
        elif code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION):
            message = f"invalid argument: the model {self.model!r} at {self.address} refused the request: {details}"
        else:
            message = f"the server at {self.address} failed with {code.name}: {details}"
        return TranslationError(message, code)

    def _request(self, signature: str, inputs: Mapping[str, Sequence[str]]) -> Any:
        request = messages.PredictRequest()
        request.model_spec.name = self.model
        request.model_spec.signature_name = signature
        if self.version is not None:
            request.model_spec.version.value = self.version
        if self.label is not None:
            request.model_spec.version_label = self.label
        for name, texts in inputs.items():
            tensor = request.inputs.add(key=name).value
            tensor.dtype = messages.DT_STRING
            tensor.tensor_shape.dim.add(size=len(texts))
            tensor.string_val.extend(text.encode("utf-8", errors="replace") for text in texts)
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


def is_available(status_response: Any) -> bool:
    """Whether a version can be asked."""
    return any(status.state == messages.AVAILABLE for status in status_response.model_version_status)


def check_all_translated(too_long: Sequence[int]) -> None:
    """Raises UserError, once all else is done, where there are lines, by their numbers from 1, that were too long."""
    if too_long:
        shown = ", ".join(f"{number:,}" for number in too_long[:10])
        more = f" and {len(too_long) - 10:,} more" if len(too_long) > 10 else ""
        lines = f"line{'s' if len(too_long) > 1 else ''} {shown}{more}"
        raise UserError(f"too long for the model, and empty in the translation: {lines}; split into sentences")


def batches(texts: Iterable[str]) -> Iterator[list[str]]:
    texts = iter(texts)
    while batch := list(itertools.islice(texts, BATCH_SENTENCES)):
        yield batch


def _words(subwords: Sequence[str]) -> list[tuple[str, list[int]]]:
    """The words that the subwords of a sentence make, without its end, and the places of each word's subwords."""
    words: list[tuple[str, list[int]]] = []
    for place, subword in enumerate(subwords):
        if subword in (END_SUBWORD, ""):
            break
        if subword.startswith(WORD_BEGINS) or not words:
            words.append(("", []))
        text, places = words.pop()
        words.append((text + subword.removeprefix(WORD_BEGINS), [*places, place]))
    return [(_BYTES.sub(_characters, word), places) for word, places in words]


def _characters(pieces: re.Match[str]) -> str:
    return bytes.fromhex(re.sub(r"<0x|>", "", pieces[0])).decode("utf-8", errors="replace")


def _translation(text: bytes, score: float) -> Translation:
    return Translation(text.decode("utf-8", errors="replace"), score)
