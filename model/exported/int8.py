"""Many texts translated in int8 by a translator that is not exported yet: to compare it, and to score it."""

from __future__ import annotations

import functools
from pathlib import Path

from model.exported.litert_model import write_litert_model
from model.exported.loading import load_engine
from model.search.ensemble import Ensemble
from model.search.many_texts import TranslateAll, in_batches
from model.search.translator import TextTranslator
from workspace.errors import UserError
from workspace.layout import SCORE_OUTPUT, SIGNATURE, TEXT_INPUT, TRANSLATION_OUTPUT


def in_int8(translator: TextTranslator, directory: Path) -> TranslateAll:
    """Writes the translator's engine into ``directory``, which is there; gives what translates with it.

    Raises UserError for an ensemble, of which there is none.
    """
    if isinstance(translator.model, Ensemble):
        raise UserError("an ensemble has no engine for CPUs; leave int8 out, or set ensemble.runs=[]")
    write_litert_model(translator, directory, "int8")
    function = load_engine(directory)[SIGNATURE]

    def translate(texts: list[str]) -> list[tuple[str, float]]:
        found = function(**{TEXT_INPUT: texts})
        answers = zip(found[TRANSLATION_OUTPUT], found[SCORE_OUTPUT], strict=True)
        return [(text.decode("utf-8", errors="replace"), score) for text, score in answers]

    return functools.partial(in_batches, translate, translator.search.batch_sentences)
