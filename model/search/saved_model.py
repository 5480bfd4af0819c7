"""The best checkpoint as a SavedModel that takes and gives text.

    serving_default(text: string [batch]) -> translation: string [batch], score: float32 [batch]
    nbest(text), score(text, translation), identity(text) and, with attention, align(text): workspace.layout says
    what they give

Subwords and search are inside; TensorFlow Serving's stock binary links the ops they need. The resolved
recipe lies in the version's assets. Beside them are requests that a server answers before it takes any
(TensorFlow Serving's saved_model_warmup.md), so that no client waits for what is done only once. A version
appears whole: it is written under a name that servers ignore, then renamed.
"""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from model.data.references import read_references, spread_by_length
from model.search.translator import TextTranslator, Translated, best_translator
from recipes import schema
from recipes.stages import EXPORT
from workspace.layout import (
    ALIGN_SIGNATURE,
    ALIGNMENT_OUTPUT,
    IDENTITY_SIGNATURE,
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
    WEIGHTS_OUTPUT,
    WorkDirectory,
)
from workspace.marks import Provenance, read_manifest, write_mark
from workspace.storage import replacing

# Where TensorFlow Serving looks for warm-up requests.
WARM_UP = Path("assets.extra") / "tf_serving_warmup_requests"
WARM_UP_SENTENCES = 8


def export(work: WorkDirectory, recipe: schema.Recipe) -> Path:
    """Writes the next version and returns its directory. Raises UserError where nothing is prepared or trained."""
    manifest = read_manifest(work)
    translator = best_translator(work, recipe)
    made_from = EXPORT.made_from(recipe, work)
    exported = Exported(translator, work.recipe, made_from["weights"])
    number = max(work.versions(), default=0) + 1
    with replacing(work.version(number)) as temporary:
        # Nobody trains an exported model, so it goes without gradients, some of which cannot be saved.
        without_gradients = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(exported, str(temporary), signatures=exported.by_signature, options=without_gradients)
        dev = read_references(work, manifest, "dev").sources
        _write_warm_up(temporary / WARM_UP, spread_by_length(dev, WARM_UP_SENTENCES))
        relative = work.provenance(number).relative_to(work.version(number))
        mark = Provenance(made_from=made_from, tensorflow=tf.__version__)
        write_mark(temporary / relative, mark, (path for path in temporary.rglob("*") if path.is_file()))
    return work.version(number)


def _write_warm_up(path: Path, sentences: list[str]) -> None:
    """One record for each request, of one sentence: more would not fit into a server's batches of any size."""
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as records:
        for sentence in sentences:
            log = PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = MODEL_NAME
            request.model_spec.signature_name = SIGNATURE
            request.inputs[TEXT_INPUT].CopyFrom(tf.make_tensor_proto([sentence]))
            records.write(log.SerializeToString())


class Exported(tf.Module):
    """The translator behind the signatures, with its weights and subwords, and the recipe as an asset.

    The weights that the graphs read are named one by one: a Keras layer would save a copy of each, and a server's
    session would fill the copies and leave the weights themselves without a value.
    """

    def __init__(self, translator: TextTranslator, recipe: Path, digest: str):
        """``digest`` is the SHA-256 of the weights."""
        super().__init__()
        self.subwords = [translator.source_subwords, translator.target_subwords]
        self.recipe = tf.saved_model.Asset(str(recipe))

        text = tf.TensorSpec([None], tf.string, name=TEXT_INPUT)
        translation = tf.TensorSpec([None], tf.string, name=TRANSLATION_INPUT)

        most = translator.search.max_request_texts

        def limited(text: tf.Tensor) -> tf.Tensor:
            text = _list(text)
            refusal = f"a request has more than {most} texts; ask for fewer at a time"
            with tf.control_dependencies([tf.debugging.assert_less_equal(tf.size(text), most, message=refusal)]):
                return tf.identity(text)

        @tf.function(input_signature=[text], autograph=False)
        def serve(text: tf.Tensor) -> dict[str, tf.Tensor]:
            return _named(translator.translate(limited(text)))

        @tf.function(input_signature=[text], autograph=False)
        def nbest(text: tf.Tensor) -> dict[str, tf.Tensor]:
            return _named(translator.n_best(limited(text)))

        @tf.function(input_signature=[text], autograph=False)
        def align(text: tf.Tensor) -> dict[str, tf.Tensor]:
            aligned = translator.align(limited(text))
            return {
                **_named(aligned.translated),
                SOURCE_SUBWORDS_OUTPUT: aligned.source_subwords,
                TARGET_SUBWORDS_OUTPUT: aligned.target_subwords,
                ALIGNMENT_OUTPUT: aligned.alignment,
            }

        @tf.function(input_signature=[text, translation], autograph=False)
        def score(text: tf.Tensor, translation: tf.Tensor) -> dict[str, tf.Tensor]:
            text, translation = limited(text), _list(translation)
            pairs = tf.debugging.assert_equal(
                tf.size(text), tf.size(translation), message="texts and translations are not as many"
            )
            with tf.control_dependencies([pairs]):
                return {SCORE_OUTPUT: translator.score(tf.identity(text), translation)}

        @tf.function(input_signature=[text], autograph=False)
        def identity(text: tf.Tensor) -> dict[str, tf.Tensor]:
            return {WEIGHTS_OUTPUT: tf.fill(tf.shape(limited(text)), digest)}

        self.by_signature = {
            SIGNATURE: serve,
            NBEST_SIGNATURE: nbest,
            SCORE_SIGNATURE: score,
            IDENTITY_SIGNATURE: identity,
        }
        if translator.model.attends:
            self.by_signature[ALIGN_SIGNATURE] = align
        graphs = [function.get_concrete_function().graph for function in self.by_signature.values()]
        self.weights = list({id(weight): weight for graph in graphs for weight in graph.variables}.values())


def _list(texts: tf.Tensor) -> tf.Tensor:
    """As it is. A server feeds whatever shape it is given: a list of lists fails here, and not one text for another."""
    return tf.ensure_shape(texts, [None])


def _named(translated: Translated) -> dict[str, tf.Tensor]:
    return {TRANSLATION_OUTPUT: translated.text, SCORE_OUTPUT: translated.score}
