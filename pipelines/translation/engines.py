"""What translates the sentences of a batch job: an exported model within the worker, or a running server."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from serving.client.translator import Translator
from workspace.foreign_lines import foreign_lines_left_out
from workspace.layout import SCORE_OUTPUT, SIGNATURE, TEXT_INPUT, TRANSLATION_OUTPUT

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
        return functools.partial(_call, tf, tf.saved_model.load(str(self.path)))


@dataclass(frozen=True)
class ServerEngine:
    """A running server, asked over gRPC."""

    address: str

    def open(self) -> Translate:
        translator = Translator(self.address)
        return lambda sentences: [
            None if translation.too_long else translation.text for translation in translator.translate_many(sentences)
        ]


def _call(tf: Any, model: Any, sentences: list[str]) -> list[str | None]:
    """The loaded model's translation of some sentences; holding the model, for its signature alone does not."""
    outputs = model.signatures[SIGNATURE](**{TEXT_INPUT: tf.constant(sentences)})
    answers = zip(outputs[TRANSLATION_OUTPUT].numpy(), outputs[SCORE_OUTPUT].numpy(), strict=True)
    return [None if score == -math.inf else text.decode() for text, score in answers]


Engine: TypeAlias = ModelEngine | ServerEngine
