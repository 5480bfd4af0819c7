"""The best checkpoint as the next version in export/: for servers and, where it is as good, an engine for CPUs.

    saved_model.pb, variables/, assets/               the SavedModel (model.exported.saved_model)
    assets.extra/tf_serving_warmup_requests           what a server answers before it takes requests
    assets.extra/source.model                         the subwords of texts, for whoever has to count them
    assets.extra/engine/                              the engine in int8 (model.exported.litert_model)
    assets.extra/test.hypotheses.txt                  its translations of the test set (model.exported.gate)
    assets.extra/model-card.md, model-card.html       what is to be known of it (model.exported.model_card)
    assets.extra/provenance.json                      the mark: what it was made from, and how good both are

A server ignores what it does not know in assets.extra. A version appears whole: it is written under a name that
servers ignore, then renamed; in an object store, which has no renaming, saved_model.pb comes last, without which
nothing is loaded.
"""

from __future__ import annotations

import sys
from pathlib import Path

import sacrebleu
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from model.data.references import References, read_references, spread_by_length
from model.evaluation.measures import NAMES, bleu_with, measure_of, score
from model.exported.gate import pass_gate
from model.exported.int8 import in_int8
from model.exported.model_card import write_model_card
from model.exported.saved_model import signatures_of, write_saved_model
from model.search.ensemble import Ensemble
from model.search.many_texts import translate_all
from model.search.translator import TextTranslator, best_translator
from recipes import schema
from recipes.stages import EXPORT
from workspace.layout import (
    MODEL_NAME,
    SAVED_MODEL,
    SIGNATURE,
    TEXT_INPUT,
    TRANSLATION_INPUT,
    WorkDirectory,
    engine_of,
    hypotheses_of,
    subwords_of,
)
from workspace.listing import entries
from workspace.locations import Location
from workspace.marks import (
    EngineScores,
    Provenance,
    read_manifest,
    read_scores,
    read_training_mark,
    write_version_mark,
)
from workspace.progress import progress_bar
from workspace.storage import PARTIAL, copy, local_copy, make_directory, remove, replacing, write_bytes

# Where TensorFlow Serving looks for warm-up requests (its saved_model_warmup.md).
WARM_UP = Path("assets.extra") / "tf_serving_warmup_requests"
WARM_UP_SENTENCES = 8
# What its requests ask with: a sentence for each of these inputs, and for any other a value of its type.
_TEXTS = (TEXT_INPUT, TRANSLATION_INPUT)
_EXAMPLES = {tf.string: "", tf.int32: 1, tf.int64: 1, tf.float32: 1.0, tf.bool: False}
# How much less BLEU, or chrF, the engine may have on the dev set, of which so many sentences are translated by both.
ENGINE_TOLERANCE = 0.3
ENGINE_SENTENCES = 500


def export(work: WorkDirectory, recipe: schema.Recipe, is_forced: bool = False) -> Location:
    """Writes the next version and returns its directory; nobody else may be at it.

    Raises UserError where nothing is prepared or trained, or the gate refuses it, unless it is forced.
    """
    manifest, training = read_manifest(work), read_training_mark(work)
    evaluated = pass_gate(work, recipe, manifest, is_forced)
    translator = best_translator(work, recipe)
    made_from = EXPORT.made_from(recipe, work)
    dev = read_references(work, manifest, "dev")
    number = max(work.versions(), default=0) + 1
    # Of exports that were killed; a model is large.
    for found in entries(work.export):
        if found.name.startswith(".") and found.name.endswith(PARTIAL):
            remove(found)
    with replacing(work.version(number), last=SAVED_MODEL) as temporary:
        with local_copy(work.recipe) as recipe_file:
            write_saved_model(translator, recipe_file, made_from["weights"], temporary)
        _write_warm_up(temporary, spread_by_length(dev.sources, WARM_UP_SENTENCES))
        write_bytes(subwords_of(temporary), translator.source_subwords.model)
        scores = _write_engine_if_as_good(translator, recipe, dev, engine_of(temporary))
        if evaluated:
            copy(work.hypotheses, hypotheses_of(temporary))
        mark = Provenance(made_from=made_from, tensorflow=tf.__version__, engine=scores, evaluated=evaluated)
        write_model_card(temporary, number, recipe, manifest, training, read_scores(work) if evaluated else None, mark)
        write_version_mark(temporary, mark)
    return work.version(number)


def _write_engine_if_as_good(
    translator: TextTranslator, recipe: schema.Recipe, dev: References, directory: Path
) -> EngineScores | None:
    """Writes the engine, translates with it and with the translator, and removes it where it is worse. None where there
    can be none."""
    if isinstance(translator.model, Ensemble):
        print("note: an ensemble has no engine for CPUs; TensorFlow translates in its place", file=sys.stderr)
        return None
    make_directory(directory)
    translate_in_int8 = in_int8(translator, directory)
    rows = sorted(range(len(dev.sources)), key=lambda row: len(dev.sources[row]))
    rows = rows[:: -(-len(rows) // ENGINE_SENTENCES)]
    sources, targets = ([side[row] for row in rows] for side in dev)
    with progress_bar(2 * len(rows), "comparing int8 with float32", "sentence") as bar:
        translated = translate_all(translator, sources, bar), translate_in_int8(sources, bar)
    measure, _ = measure_of(recipe, dev.targets)
    metric = bleu_with(measure.tokenize) if measure.best_by != "chrf" else sacrebleu.metrics.CHRF()
    form = translator.target_subwords.normal_form
    float32, int8 = (score(metric, [text for text, _ in found], targets, form).score for found in translated)
    scores = EngineScores(
        measure="chrf" if measure.best_by == "chrf" else "bleu",
        sentences=len(rows),
        float32=float32,
        int8=int8,
        holds=int8 >= float32 - ENGINE_TOLERANCE,
    )
    if not scores.holds:
        remove(directory)
        print(
            f"warning: int8 has {NAMES[scores.measure]} {int8:.2f} on the dev set and float32 {float32:.2f}, so that "
            "this version has no engine for CPUs; TensorFlow translates in its place",
            file=sys.stderr,
        )
    return scores


def _write_warm_up(version: Path, sentences: list[str]) -> None:
    """Records of one sentence each, for more would not fit into a server's batches of any size: every sentence for the
    translation, and for each other signature of the SavedModel the last."""
    signatures = signatures_of(version)
    path = version / WARM_UP
    make_directory(path.parent)
    with tf.io.TFRecordWriter(str(path)) as records:
        for name in sorted(signatures, key=lambda name: name != SIGNATURE):
            for sentence in sentences if name == SIGNATURE else sentences[-1:]:
                log = PredictionLog()
                request = log.predict_log.request
                request.model_spec.name = MODEL_NAME
                request.model_spec.signature_name = name
                for input_name, info in signatures[name].inputs.items():
                    dtype = tf.as_dtype(info.dtype)
                    # Whatever is asked for besides texts is asked for in the way that changes least.
                    example = sentence if input_name in _TEXTS else _EXAMPLES[dtype]
                    request.inputs[input_name].CopyFrom(tf.make_tensor_proto([example], dtype))
                records.write(log.SerializeToString())
