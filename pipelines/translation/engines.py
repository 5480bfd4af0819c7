"""What translates the sentences of a batch job: an exported model within the worker, or a running server."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from serving.client.failures import most_texts
from serving.client.same_model import check_model
from serving.client.translator import Translator
from workspace.foreign_lines import foreign_lines_left_out
from workspace.layout import SCORE_OUTPUT, SIGNATURE, TEXT_INPUT, TRANSLATION_OUTPUT, WorkDirectory

# Of each sentence its translation; None where it is too long.
Translate: TypeAlias = Callable[[list[str]], list[str | None]]


@dataclass(frozen=True)
class ModelEngine:
    """An exported version, loaded in the worker."""

    path: Path

    def open(self) -> Translate:
        # Imported by the workers only: a job that asks a server needs no TensorFlow. The text operators
        # of the graph are there once tensorflow_text is.
        with foreign_lines_left_out():
            tf = importlib.import_module("tensorflow")
            importlib.import_module("tensorflow_text")
        return functools.partial(_call_in_parts, tf, tf.saved_model.load(str(self.path)))


@dataclass(frozen=True)
class ServerEngine:
    """A running server, asked over gRPC: of the model of ``work``, where that is known."""

    address: str
    work: WorkDirectory | None = None

    def check(self) -> None:
        """Raises UserError where the server has another model, or none answers: once, before many ask."""
        if self.work:
            with Translator(self.address, work=self.work) as translator:
                check_model(translator, self.address, self.work)

    def open(self) -> Translate:
        translator = Translator(self.address, work=self.work)
        return lambda sentences: [
            None if translation.too_long else translation.text for translation in translator.translate_many(sentences)
        ]


def _call_in_parts(tf: Any, model: Any, sentences: list[str]) -> list[str | None]:
    """As ``_call``, of as many sentences at a time as the model takes."""
    try:
        return _call(tf, model, sentences)
    except tf.errors.InvalidArgumentError as error:
        most = most_texts(error.message)
        if not most or most >= len(sentences):
            raise
        parts = (sentences[begin : begin + most] for begin in range(0, len(sentences), most))
        return [translation for part in parts for translation in _call(tf, model, part)]


def _call(tf: Any, model: Any, sentences: list[str]) -> list[str | None]:
    """The loaded model's translation of some sentences; holding the model, for its signature alone does not."""
    outputs = model.signatures[SIGNATURE](**{TEXT_INPUT: tf.constant(sentences)})
    answers = zip(outputs[TRANSLATION_OUTPUT].numpy(), outputs[SCORE_OUTPUT].numpy(), strict=True)
    return [None if score == -math.inf else text.decode() for text, score in answers]


Engine: TypeAlias = ModelEngine | ServerEngine
