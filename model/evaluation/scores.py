"""The test set translated with the best checkpoint, and its scores by sacreBLEU, on plain text."""

from __future__ import annotations

import time

import sacrebleu

from model.data.references import read_references
from model.data.subwords import load_subwords
from model.network.checkpoint import load_best
from model.search.scores import IMPOSSIBLE
from model.search.translator import Translator, translate_all
from recipes import schema
from recipes.stages import EVALUATE
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.progress import progress_bar
from workspace.storage import read_json, replacing, write_json

SAMPLES = 3


def evaluate(work: WorkDirectory, recipe: schema.Recipe) -> dict:
    """Writes the translations and scores.json, and returns the latter. Raises UserError where nothing is trained."""
    manifest = read_json(work.manifest)
    if manifest is None:
        raise UserError(f"{work.data} holds no prepared corpus; make one with make prepare")
    subwords = load_subwords(work, recipe.subwords.joint)
    network = load_best(work, recipe, subwords)
    test = read_references(work, manifest, "test")
    began = time.monotonic()
    with progress_bar(len(test.sources), "translating test", "sentence") as bar:
        translated = translate_all(Translator(network, subwords, recipe.search), test.sources, bar)
    translations = [text for text, _ in translated]
    seconds = time.monotonic() - began
    with replacing(work.hypotheses) as temporary:
        temporary.write_text("".join(text + "\n" for text in translations), encoding="utf-8")
    scores = {
        "made_from": EVALUATE.made_from(recipe, work),
        **score(translations, test.targets),
        "sentences": len(translations),
        "too_long": sum(found == IMPOSSIBLE for _, found in translated),
        "seconds": round(seconds, 1),
        "samples": samples(test.sources, test.targets, translations),
    }
    write_json(work.scores, scores)
    return scores


def score(translations: list[str], references: list[str]) -> dict[str, dict]:
    """BLEU and chrF of detokenised text, each with its sacreBLEU signature."""
    result = {}
    for name, metric in (("bleu", sacrebleu.metrics.BLEU()), ("chrf", sacrebleu.metrics.CHRF())):
        value = metric.corpus_score(translations, [references])
        result[name] = {"score": value.score, "signature": str(metric.get_signature()), "text": str(value)}
    return result


def samples(sources: list[str], references: list[str], translations: list[str]) -> list[dict[str, str]]:
    """A few sentences spread over the set: source, reference and translation."""
    step = max(1, len(sources) // SAMPLES)
    return [
        {"source": sources[index], "reference": references[index], "translation": translations[index]}
        for index in range(0, len(sources), step)[:SAMPLES]
    ]
