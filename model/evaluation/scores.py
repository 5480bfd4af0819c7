"""The test set translated with the best checkpoint, and its scores by sacreBLEU, on plain text."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable

import sacrebleu

from model.data.references import read_references
from model.evaluation.measures import bleu_with, measure_of, score
from model.search.many_texts import TranslateAll, translate_all
from model.search.scores import IMPOSSIBLE
from model.search.translator import TextTranslator, best_translator
from recipes import schema
from recipes.stages import EVALUATE
from workspace.layout import Precision, WorkDirectory
from workspace.marks import Sample, Scores, read_manifest, write_mark
from workspace.progress import progress_bar
from workspace.storage import replacing

SAMPLES = 3


def evaluate(
    work: WorkDirectory, recipe: schema.Recipe, in_int8: Callable[[TextTranslator], TranslateAll] | None = None
) -> Scores:
    """Writes the translations and scores.json, and returns the latter. Raises UserError where nothing is trained.

    in_int8: makes of the translator one in int8, and that is scored (model.exported.int8). Scores in int8 are not those
    that the road is for, which makes them anew.
    """
    manifest = read_manifest(work)
    translator = best_translator(work, recipe)
    translate = in_int8(translator) if in_int8 else functools.partial(translate_all, translator)
    precision: Precision = "int8" if in_int8 else "float32"
    test = read_references(work, manifest, "test")
    measure, note = measure_of(recipe, test.targets)
    if note:
        print(f"warning: {note}", file=sys.stderr)
    bleu, form = bleu_with(measure.tokenize), translator.target_subwords.normal_form
    began = time.monotonic()
    with progress_bar(len(test.sources), "translating test", "sentence") as bar:
        translated = translate(test.sources, bar)
    # A subword may be the byte of a line feed, and a translation is one line.
    translations = [text.replace("\n", " ") for text, _ in translated]
    seconds = time.monotonic() - began
    with replacing(work.hypotheses) as temporary:
        temporary.write_text("".join(text + "\n" for text in translations), encoding="utf-8")
    scores = Scores(
        made_from={**EVALUATE.made_from(recipe, work), **({"precision": precision} if in_int8 else {})},
        precision=precision,
        bleu=score(bleu, translations, test.targets, form),
        chrf=score(sacrebleu.metrics.CHRF(), translations, test.targets, form),
        sentences=len(translations),
        too_long=sum(found == IMPOSSIBLE for _, found in translated),
        seconds=round(seconds, 1),
        samples=samples(test.sources, test.targets, translations),
    )
    return write_mark(work.scores, scores, [work.hypotheses])


def samples(sources: list[str], references: list[str], translations: list[str]) -> list[Sample]:
    """A few sentences spread over the set: source, reference and translation."""
    step = max(1, len(sources) // SAMPLES)
    return [
        Sample(source=sources[index], reference=references[index], translation=translations[index])
        for index in range(0, len(sources), step)[:SAMPLES]
    ]
