"""Translates over gRPC, with TensorFlow Serving or its stand-in at the other end; needs no TensorFlow itself.

    python -m serving.client [--server localhost:8500] [TEXT ...]

Without TEXT it reads lines from standard input, or a file. A line in is a line out, in the same order, blank lines
included. ``serving.async_client`` has the same for asyncio.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc
from tqdm import tqdm

from recipes.errors import UserError, run_command
from recipes.layout import MODEL_NAME
from serving import protocol
from serving.exchange import (
    BATCH_SENTENCES,
    BATCHES_IN_FLIGHT,
    CHANNEL_OPTIONS,
    DEFAULT_ADDRESS,
    SECONDS_BETWEEN_POLLS,
    Exchange,
    Tls,
    Translation,
    batches,
    is_available,
)


class Translator:
    """A connection to the server at ``address``; use it as a context manager, or ``close`` it.

    version, label: of the model's versions, the newest if neither is given; tls: speak TLS, default is plain text;
    timeout: the deadline of one call, a batch of at most BATCH_SENTENCES, in seconds. Safe to share between threads.

    A call that finds no server is made again a few times, and fails within seconds. Once the server has answered, one
    that goes away is waited for until the deadline.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        model: str = MODEL_NAME,
        timeout: float = 60.0,
        version: int | None = None,
        label: str | None = None,
        tls: Tls | None = None,
    ):
        self._exchange = Exchange(address, model, version, label)
        self._timeout = timeout
        self._has_answered = False
        self._channel = (
            grpc.secure_channel(address, tls.credentials(), CHANNEL_OPTIONS)
            if tls
            else grpc.insecure_channel(address, CHANNEL_OPTIONS)
        )
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
        return next(self.translate_many([text]))

    def translate_many(self, texts: Iterable[str]) -> Iterator[Translation]:
        """Translates any number of sentences, in their order; they are taken from ``texts`` as they are needed.

        BATCHES_IN_FLIGHT batches are under way at a time. A blank text is answered by an empty one with score 0, and
        not sent. Raises TranslationError.
        """
        asked: collections.deque[tuple[list[str], Any]] = collections.deque()
        try:
            for batch in batches(texts):
                asked.append((batch, self._ask(batch)))
                if len(asked) == BATCHES_IN_FLIGHT:
                    yield from self._answer(*asked.popleft())
            while asked:
                yield from self._answer(*asked.popleft())
        finally:
            for _, call in asked:
                if call is not None:
                    call.cancel()

    def wait_until_ready(self, timeout: float) -> None:
        """Returns once a version of the model is available. Raises TranslationError after ``timeout`` seconds,
        and at once where a server answers that it has no such model."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            try:
                answer = self._get_model_status(
                    self._exchange.status_request(), timeout=max(left, 0.001), wait_for_ready=True
                )
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise self._exchange.not_ready(timeout) from error
                raise self._exchange.explained(error, timeout) from error
            if is_available(answer):
                return
            time.sleep(min(SECONDS_BETWEEN_POLLS, max(left, 0.0)))

    def _ask(self, texts: list[str]) -> Any:
        """A call under way, or None where there is nothing to ask."""
        if not any(text.strip() for text in texts):
            return None
        request = self._exchange.predict_request(texts)
        return self._predict.future(request, timeout=self._timeout, wait_for_ready=self._has_answered)

    def _answer(self, texts: list[str], call: Any) -> list[Translation]:
        if call is None:
            return [Translation("", 0.0)] * len(texts)
        try:
            response = call.result()
        except grpc.RpcError as error:
            raise self._exchange.explained(error, self._timeout) from error
        self._has_answered = True
        return self._exchange.translations(texts, response)


def main(arguments: list[str]) -> None:
    options = _parse(arguments)
    tls = Tls(options.tls_authority, options.tls_certificate, options.tls_key)
    translator = Translator(
        options.server,
        options.model,
        options.timeout,
        options.version,
        options.label,
        tls if options.tls or tls != Tls() else None,
    )
    with translator, _lines(options) as lines:
        if not (options.text or options.input) and sys.stdin.isatty():
            for line in lines:  # each is answered as it is typed
                _print(line, translator.translate(line), options.json)
            return
        hidden = not sys.stderr.isatty() or sys.stdout.isatty() or bool(options.text)
        texts: collections.deque[str] = collections.deque()
        for translation in tqdm(
            translator.translate_many(_remembered(lines, texts)), "translating", unit=" lines", disable=hidden
        ):
            _print(texts.popleft(), translation, options.json)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m serving.client", description=__doc__.split("\n")[0])
    parser.add_argument("--server", default=DEFAULT_ADDRESS, help=f"host:port of its gRPC (default: {DEFAULT_ADDRESS})")
    parser.add_argument("--model", default=MODEL_NAME, help=f"name of the model (default: {MODEL_NAME})")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--version", type=int, help="of the model (default: the newest)")
    which.add_argument("--label", help="of the version, as the server's configuration has it: stable, canary …")
    parser.add_argument(
        "--timeout", type=float, default=60.0, help=f"seconds for {BATCH_SENTENCES} lines (default: 60)"
    )
    parser.add_argument("--json", action="store_true", help="an object a line: text, translation and score")
    parser.add_argument("--tls", action="store_true", help="speak TLS; the files below do so too")
    parser.add_argument("--tls-authority", type=Path, metavar="FILE", help="who signed the server's certificate (PEM)")
    parser.add_argument("--tls-certificate", type=Path, metavar="FILE", help="the client's own certificate (PEM)")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="and its key (PEM)")
    parser.add_argument("--input", type=Path, metavar="FILE", help="translate the lines of this file")
    parser.add_argument("text", nargs="*", metavar="TEXT", help="sentences to translate; none: lines of standard input")
    options = parser.parse_args(arguments)
    if options.text and options.input:
        parser.error("TEXT and --input are both given; give one of them")
    return options


@contextlib.contextmanager
def _lines(options: argparse.Namespace) -> Iterator[Iterable[str]]:
    """What is to be translated. Lines end at a newline only, whatever else a sentence holds."""
    if options.text:
        yield options.text
    elif options.input:
        try:
            file = options.input.open(encoding="utf-8", errors="replace", newline="\n")
        except OSError as error:
            raise UserError(f"{options.input} cannot be read: {error.strerror}; give a text file") from error
        with file:
            yield map(_without_end, file)
    else:
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(encoding="utf-8", errors="replace", newline="\n")
        yield map(_without_end, sys.stdin)


def _without_end(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _remembered(texts: Iterable[str], into: collections.deque[str]) -> Iterator[str]:
    for text in texts:
        into.append(text)
        yield text


def _print(text: str, translation: Translation, as_json: bool) -> None:
    if as_json:
        line = json.dumps(
            {"text": text, "translation": translation.text, "score": translation.score}, ensure_ascii=False
        )
    else:
        line = translation.text.replace("\n", " ")
    print(line, flush=True)


if __name__ == "__main__":
    run_command(main)
