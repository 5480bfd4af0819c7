"""A translator as a SavedModel that takes and gives text.

    serving_default(text: string [batch]) -> translation: string [batch], score: float32 [batch]
    nbest(text), nbest_with(text, beam_size), alternatives(text, prefix),
    constrained(text, prefix, required, forbidden), sample(text, seed),
    sample_with(text, seed, temperature, top_k, top_p), score(text, translation), score_subwords(text, translation),
    identity(text) and, with attention, align(text): workspace.layout says what they give

Subwords and search are inside; TensorFlow Serving's stock binary links the ops they need. The resolved
recipe lies in the assets.
"""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from model.search.sampling import Distribution
from model.search.translations import Translated
from model.search.translator import TextTranslator
from workspace.layout import (
    ALIGN_SIGNATURE,
    ALIGNMENT_OUTPUT,
    ALTERNATIVES_SIGNATURE,
    BEAM_SIZE_INPUT,
    CONSTRAINED_SIGNATURE,
    FORBIDDEN_INPUT,
    IDENTITY_SIGNATURE,
    LOG_PROBABILITY_OUTPUT,
    NBEST_SIGNATURE,
    NBEST_WITH_SIGNATURE,
    PREFIX_INPUT,
    PROBABILITY_OUTPUT,
    REQUIRED_INPUT,
    SAMPLE_SIGNATURE,
    SAMPLE_WITH_SIGNATURE,
    SAVED_MODEL,
    SCORE_OUTPUT,
    SCORE_SIGNATURE,
    SCORE_SUBWORDS_SIGNATURE,
    SEED_INPUT,
    SIGNATURE,
    SOURCE_SUBWORDS_OUTPUT,
    TARGET_SUBWORDS_OUTPUT,
    TEMPERATURE_INPUT,
    TEXT_INPUT,
    TOO_MANY_TEXTS,
    TOP_K_INPUT,
    TOP_P_INPUT,
    TRANSLATION_INPUT,
    TRANSLATION_OUTPUT,
    WEIGHTS_OUTPUT,
    WORD_OUTPUT,
)
from workspace.storage import read_bytes

_INITIALIZER = "__saved_model_init_op"  # what TensorFlow puts beside the signatures


def write_saved_model(translator: TextTranslator, recipe: Path, digest: str, directory: Path) -> None:
    """Writes it into ``directory``; recipe: the resolved one; digest: the SHA-256 of the weights."""
    exported = Exported(translator, recipe, digest)
    # Nobody trains an exported model, so it goes without gradients, some of which cannot be saved.
    without_gradients = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(exported, str(directory), signatures=exported.by_signature, options=without_gradients)


def signatures_of(version: Path) -> dict[str, SignatureDef]:
    """The signatures of the SavedModel in a directory, by name, without loading it."""
    found = SavedModel.FromString(read_bytes(version / SAVED_MODEL)).meta_graphs[0].signature_def
    return {name: signature for name, signature in found.items() if name != _INITIALIZER}


class Exported(tf.Module):
    """The translator behind the signatures, with its weights and subwords, and the recipe as an asset.

    The weights that the graphs read are named one by one: a Keras layer would save a copy of each, and a server's
    session would fill the copies and leave the weights themselves without a value.
    """

    def __init__(self, translator: TextTranslator, recipe: Path, digest: str):
        """``digest`` is the SHA-256 of the weights."""
        super().__init__()
        self.subwords = [translator.source_subwords, translator.target_subwords]
        self.dictionary = translator.dictionary
        self.recipe = tf.saved_model.Asset(str(recipe))

        text = tf.TensorSpec([None], tf.string, name=TEXT_INPUT)
        translation = tf.TensorSpec([None], tf.string, name=TRANSLATION_INPUT)
        prefix, required, forbidden = (
            tf.TensorSpec([None], tf.string, name) for name in (PREFIX_INPUT, REQUIRED_INPUT, FORBIDDEN_INPUT)
        )
        beam_size = tf.TensorSpec([None], tf.int32, name=BEAM_SIZE_INPUT)
        seed = tf.TensorSpec([None], tf.int64, name=SEED_INPUT)
        temperature = tf.TensorSpec([None], tf.float32, name=TEMPERATURE_INPUT)
        top_k = tf.TensorSpec([None], tf.int32, name=TOP_K_INPUT)
        top_p = tf.TensorSpec([None], tf.float32, name=TOP_P_INPUT)

        most = translator.search.max_request_texts

        def limited(text: tf.Tensor) -> tf.Tensor:
            text = _list(text)
            refusal = f"{TOO_MANY_TEXTS.format(most)}; ask for fewer at a time"
            with tf.control_dependencies([tf.debugging.assert_less_equal(tf.size(text), most, message=refusal)]):
                return tf.identity(text)

        @tf.function(input_signature=[text], autograph=False)
        def serve(text: tf.Tensor) -> dict[str, tf.Tensor]:
            return _named(translator.translate(limited(text)))

        @tf.function(input_signature=[text], autograph=False)
        def nbest(text: tf.Tensor) -> dict[str, tf.Tensor]:
            return _named(translator.n_best(limited(text)))

        @tf.function(input_signature=[text, beam_size], autograph=False)
        def nbest_with(text: tf.Tensor, beam_size: tf.Tensor) -> dict[str, tf.Tensor]:
            return _named(translator.n_best_with(limited(text), _as_many(text, beam_size, "sizes of beams")))

        @tf.function(input_signature=[text, prefix], autograph=False)
        def alternatives(text: tf.Tensor, prefix: tf.Tensor) -> dict[str, tf.Tensor]:
            found = translator.alternatives(limited(text), _as_many(text, prefix, "prefixes"))
            return {WORD_OUTPUT: found.word, PROBABILITY_OUTPUT: found.probability}

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
            return {SCORE_OUTPUT: translator.score(limited(text), _as_many(text, translation, "translations"))}

        @tf.function(input_signature=[text, translation], autograph=False)
        def score_subwords(text: tf.Tensor, translation: tf.Tensor) -> dict[str, tf.Tensor]:
            scored = translator.score_subwords(limited(text), _as_many(text, translation, "translations"))
            outputs = {
                SCORE_OUTPUT: scored.score,
                TARGET_SUBWORDS_OUTPUT: scored.target_subwords,
                LOG_PROBABILITY_OUTPUT: scored.log_probability,
            }
            if translator.model.attends:
                outputs |= {SOURCE_SUBWORDS_OUTPUT: scored.source_subwords, ALIGNMENT_OUTPUT: scored.alignment}
            return outputs

        @tf.function(input_signature=[text, prefix, required, forbidden], autograph=False)
        def constrained(
            text: tf.Tensor, prefix: tf.Tensor, required: tf.Tensor, forbidden: tf.Tensor
        ) -> dict[str, tf.Tensor]:
            wanted = (
                _as_many(text, prefix, "prefixes"),
                _as_many(text, required, "required phrases"),
                _as_many(text, forbidden, "forbidden phrases"),
            )
            return _named(translator.constrained(limited(text), *wanted))

        @tf.function(input_signature=[text, seed], autograph=False)
        def sample(text: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
            return _named(translator.sample(limited(text), _as_many(text, seed, "seeds")))

        @tf.function(input_signature=[text, seed, temperature, top_k, top_p], autograph=False)
        def sample_with(
            text: tf.Tensor, seed: tf.Tensor, temperature: tf.Tensor, top_k: tf.Tensor, top_p: tf.Tensor
        ) -> dict[str, tf.Tensor]:
            distribution = Distribution(
                _as_many(text, temperature, "temperatures"),
                _as_many(text, top_k, "numbers top_k"),
                _as_many(text, top_p, "shares top_p"),
            )
            return _named(translator.sample_with(limited(text), _as_many(text, seed, "seeds"), distribution))

        @tf.function(input_signature=[text], autograph=False)
        def identity(text: tf.Tensor) -> dict[str, tf.Tensor]:
            return {WEIGHTS_OUTPUT: tf.fill(tf.shape(limited(text)), digest)}

        functions = {
            SIGNATURE: serve,
            NBEST_SIGNATURE: nbest,
            SCORE_SIGNATURE: score,
            SCORE_SUBWORDS_SIGNATURE: score_subwords,
            CONSTRAINED_SIGNATURE: constrained,
            ALTERNATIVES_SIGNATURE: alternatives,
            SAMPLE_SIGNATURE: sample,
            SAMPLE_WITH_SIGNATURE: sample_with,
            IDENTITY_SIGNATURE: identity,
        }
        if translator.model.attends:
            functions[ALIGN_SIGNATURE] = align
        if translator.search.beam_groups == 1:
            functions[NBEST_WITH_SIGNATURE] = nbest_with
        # As graphs, for TensorFlow traces functions, and all that they call, once more when it saves them.
        self.by_signature = {name: function.get_concrete_function() for name, function in functions.items()}
        graphs = [function.graph for function in self.by_signature.values()]
        self.weights = list({id(weight): weight for graph in graphs for weight in graph.variables}.values())


def _list(values: tf.Tensor) -> tf.Tensor:
    """As it is. A server feeds whatever shape it is given: a list of lists fails here, and not one text for another."""
    return tf.ensure_shape(values, [None])


def _as_many(text: tf.Tensor, values: tf.Tensor, name: str) -> tf.Tensor:
    """As they are, one for each text."""
    values = _list(values)
    pairs = tf.debugging.assert_equal(tf.size(text), tf.size(values), message=f"texts and {name} are not as many")
    with tf.control_dependencies([pairs]):
        return tf.identity(values)


def _named(translated: Translated) -> dict[str, tf.Tensor]:
    return {TRANSLATION_OUTPUT: translated.text, SCORE_OUTPUT: translated.score}
