"""What translates the sentences of a batch job: an exported model within the worker, or a running server."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from model.exported.loading import Signature, load_signatures, package_for
from serving.client.answers import Translation
from serving.client.same_model import check_model
from serving.client.translator import Translator
from workspace.errors import check_installed
from workspace.layout import SCORE_OUTPUT, SIGNATURE, TEXT_INPUT, TRANSLATION_OUTPUT, Precision, WorkDirectory

Translate: TypeAlias = Callable[[list[str]], Iterable[Translation]]


@dataclass(frozen=True)
class ModelEngine:
    """An exported version, loaded in the worker; precision: as in ``load_signatures``."""

    path: Path
    precision: Precision | None = None

    def check(self) -> None:
        """Raises UserError where the version is not there in this precision, or not what it is loaded with."""
        check_installed(package_for(self.path, self.precision))

    def open(self) -> Translate:
        return functools.partial(_call, load_signatures(self.path, self.precision)[SIGNATURE])


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
        return Translator(self.address, work=self.work).translate_many


def _call(translate: Signature, sentences: list[str]) -> list[Translation]:
    """The loaded model's translation of some sentences."""
    outputs = translate(**{TEXT_INPUT: sentences})
    return list(map(Translation.of, outputs[TRANSLATION_OUTPUT], outputs[SCORE_OUTPUT]))


Engine: TypeAlias = ModelEngine | ServerEngine
