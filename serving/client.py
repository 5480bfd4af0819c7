"""Translates over gRPC, with TensorFlow Serving or its stand-in at the other end; needs no TensorFlow itself.

    python -m serving.client [--server localhost:8500] [TEXT ...]

Without TEXT it reads lines from standard input. A line in is a line out, in the same order, blank lines included.
"""

from __future__ import annotations

import argparse
import io
import itertools
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import grpc

from recipes.errors import UserError, run_command
from recipes.layout import MODEL_NAME, SCORE_OUTPUT, SIGNATURE, TEXT_INPUT, TRANSLATION_OUTPUT
from serving import protocol

DEFAULT_ADDRESS = "localhost:8500"
BATCH_SENTENCES = 32

_POLL_SECONDS = 0.2


class TranslationError(UserError):
    """A translation that could not be had; ``code`` is the status the call ended with."""

    def __init__(self, message: str, code: grpc.StatusCode):
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Translation:
    """A translation and its length-normalised log-probability."""

    text: str
    score: float


class Translator:
    """A connection to the server at ``address``; use it as a context manager, or ``close`` it.

    ``timeout`` is the deadline of one call, a batch of at most BATCH_SENTENCES, in seconds. Safe to share between
    threads.
    """

    def __init__(self, address: str = DEFAULT_ADDRESS, model: str = MODEL_NAME, timeout: float = 60.0):
        self._address = address
        self._model = model
        self._timeout = timeout
        self._channel = grpc.insecure_channel(address)
        self._predict = self._channel.unary_unary(
            protocol.PREDICT,
            request_serializer=protocol.PredictRequest.SerializeToString,
            response_deserializer=protocol.PredictResponse.FromString,
        )
        self._get_model_status = self._channel.unary_unary(
            protocol.GET_MODEL_STATUS,
            request_serializer=protocol.GetModelStatusRequest.SerializeToString,
            response_deserializer=protocol.GetModelStatusResponse.FromString,
        )

    def __enter__(self) -> Translator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._channel.close()

    def translate(self, text: str) -> Translation:
        """Translates one sentence. Raises TranslationError."""
        return self.translate_many([text])[0]

    def translate_many(self, texts: Sequence[str]) -> list[Translation]:
        """Translates sentences, in batches; the answers are in the order of ``texts``.

        A blank text is answered by an empty one with score 0, and not sent. Raises TranslationError.
        """
        sent = [number for number, text in enumerate(texts) if text.strip()]
        translations = [Translation("", 0.0)] * len(texts)
        for start in range(0, len(sent), BATCH_SENTENCES):
            batch = sent[start : start + BATCH_SENTENCES]
            for number, translation in zip(batch, self._translate([texts[n] for n in batch]), strict=True):
                translations[number] = translation
        return translations

    def wait_until_ready(self, timeout: float) -> None:
        """Returns once a version of the model is available. Raises TranslationError after ``timeout`` seconds,
        and at once where a server answers that it has no such model."""
        deadline = time.monotonic() + timeout
        request = protocol.GetModelStatusRequest()
        request.model_spec.name = self._model
        while True:
            left = deadline - time.monotonic()
            try:
                answer = self._get_model_status(request, timeout=max(left, 0.001), wait_for_ready=True)
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    message = f"no server is ready at {self._address} after {timeout:g} s: start one with make serve"
                    raise TranslationError(message, error.code()) from error
                raise self._explained(error, timeout) from error
            if any(status.state == protocol.AVAILABLE for status in answer.model_version_status):
                return
            time.sleep(min(_POLL_SECONDS, max(left, 0.0)))

    def _translate(self, texts: list[str]) -> list[Translation]:
        """One call; ``texts`` is a batch."""
        request = protocol.PredictRequest()
        request.model_spec.name = self._model
        request.model_spec.signature_name = SIGNATURE
        tensor = request.inputs.add(key=TEXT_INPUT).value
        tensor.dtype = protocol.DT_STRING
        tensor.tensor_shape.dim.add(size=len(texts))
        tensor.string_val.extend(text.encode("utf-8", errors="replace") for text in texts)
        try:
            response = self._predict(request, timeout=self._timeout)
        except grpc.RpcError as error:
            raise self._explained(error, self._timeout) from error
        outputs: dict[str, Any] = {output.key: output.value for output in response.outputs}
        translations = list(outputs[TRANSLATION_OUTPUT].string_val) if TRANSLATION_OUTPUT in outputs else []
        scores = list(outputs[SCORE_OUTPUT].float_val) if SCORE_OUTPUT in outputs else []
        if not len(translations) == len(scores) == len(texts):
            raise TranslationError(
                f"model {self._model!r} at {self._address} gave {len(translations)} translations and {len(scores)} "
                f"scores for {len(texts)} sentences; serve a model made with make train",
                grpc.StatusCode.INTERNAL,
            )
        return [
            Translation(text.decode("utf-8", errors="replace"), score)
            for text, score in zip(translations, scores, strict=True)
        ]

    def _explained(self, error: grpc.RpcError, timeout: float) -> TranslationError:
        code, details = error.code(), error.details()
        if code is grpc.StatusCode.UNAVAILABLE:
            message = f"no server answers at {self._address}: start one with make serve"
        elif code is grpc.StatusCode.NOT_FOUND:
            message = f"the server at {self._address} has no model {self._model!r}: {details}"
        elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
            message = f"deadline exceeded: no answer from {self._address} within {timeout:g} s"
        elif code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION):
            message = f"invalid argument: the model {self._model!r} at {self._address} refused the request: {details}"
        else:
            message = f"the server at {self._address} failed with {code.name}: {details}"
        return TranslationError(message, code)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m serving.client", description=__doc__.split("\n")[0])
    parser.add_argument("--server", default=DEFAULT_ADDRESS, help=f"host:port of its gRPC (default: {DEFAULT_ADDRESS})")
    parser.add_argument("text", nargs="*", metavar="TEXT", help="sentences to translate; none: lines of standard input")
    options = parser.parse_args(arguments)
    with Translator(options.server) as translator:
        for batch in _batches(options.text or _lines()):
            for translation in translator.translate_many(batch):
                print(translation.text.replace("\n", " "))
            sys.stdout.flush()


def _lines() -> Iterator[str]:
    """Lines end at a newline only, whatever else a sentence holds."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace", newline="\n")
    for line in sys.stdin:
        yield line.removesuffix("\n").removesuffix("\r")


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Full batches; at a terminal a line at a time, so that each is answered as it is typed."""
    size = 1 if sys.stdin.isatty() else BATCH_SENTENCES
    texts = iter(texts)
    while batch := list(itertools.islice(texts, size)):
        yield batch


if __name__ == "__main__":
    run_command(main)
