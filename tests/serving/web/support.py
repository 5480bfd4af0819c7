"""A SavedModel with every signature that the page asks for, whose translations anybody can tell: capital letters."""

from __future__ import annotations

from tests import silent_tensorflow  # noqa: F401

# isort: split

import math
from pathlib import Path

import tensorflow as tf

from workspace.layout import (
    ALIGN_SIGNATURE,
    ALIGNMENT_OUTPUT,
    ALTERNATIVES_SIGNATURE,
    CONSTRAINED_SIGNATURE,
    FORBIDDEN_INPUT,
    NBEST_SIGNATURE,
    PREFIX_INPUT,
    PROBABILITY_OUTPUT,
    REQUIRED_INPUT,
    SCORE_OUTPUT,
    SCORE_SUBWORDS_SIGNATURE,
    SIGNATURE,
    SOURCE_SUBWORDS_OUTPUT,
    TARGET_SUBWORDS_OUTPUT,
    TEXT_INPUT,
    TRANSLATION_INPUT,
    TRANSLATION_OUTPUT,
    WORD_OUTPUT,
)

MOST_CHARACTERS = 60  # of a text; a longer one is too long for the model
WEIGHT = 0.75  # of a word's alignment with its own place
IMPOSSIBLE = "Q"  # what no translation can have

Outputs = dict[str, tf.Tensor]


def _texts(*names: str) -> list[tf.TensorSpec]:
    return [tf.TensorSpec([None], tf.string, name=name) for name in names]


class CapitalLetters(tf.Module):
    """Translates into capital letters, word by word, and every word attends to that of its place."""

    @tf.function(input_signature=_texts(TEXT_INPUT))
    def translate(self, text: tf.Tensor) -> Outputs:
        return _translated(tf.strings.upper(text, encoding="utf-8"), _is_too_long(text))

    @tf.function(input_signature=_texts(TEXT_INPUT))
    def nbest(self, text: tf.Tensor) -> Outputs:
        best = tf.strings.upper(text, encoding="utf-8")
        texts = tf.stack([best, tf.strings.join([best, " INDEED"]), tf.zeros_like(best)], axis=1)
        scores = tf.fill(tf.shape(text), 1.0)[:, None] * [-0.25, -0.5, -math.inf]
        return {TRANSLATION_OUTPUT: texts, SCORE_OUTPUT: scores}

    @tf.function(input_signature=_texts(TEXT_INPUT))
    def align(self, text: tf.Tensor) -> Outputs:
        return {**self.translate(text), **_aligned(text, tf.strings.upper(text, encoding="utf-8"))}

    @tf.function(input_signature=_texts(TEXT_INPUT, TRANSLATION_INPUT))
    def score_subwords(self, text: tf.Tensor, translation: tf.Tensor) -> Outputs:
        return {SCORE_OUTPUT: tf.zeros_like(text, tf.float32), **_aligned(text, translation)}

    @tf.function(input_signature=_texts(TEXT_INPUT, PREFIX_INPUT, REQUIRED_INPUT, FORBIDDEN_INPUT))
    def constrained(self, text: tf.Tensor, prefix: tf.Tensor, required: tf.Tensor, forbidden: tf.Tensor) -> Outputs:
        """Goes on after the prefix where the prefix ends; ends with what is required, and names what is forbidden."""
        begun = tf.minimum(tf.strings.length(prefix), tf.strings.length(text))
        rest = tf.strings.substr(tf.strings.upper(text), begun, tf.fill(tf.shape(text), 1000))
        asked = [
            tf.where(phrases == "", "", tf.strings.join([name, tf.strings.regex_replace(phrases, "\n", ",")]))
            for name, phrases in ((" WITH ", required), (" WITHOUT ", forbidden))
        ]
        is_impossible = tf.strings.regex_full_match(required, f"(?s).*{IMPOSSIBLE}.*")
        return _translated(tf.strings.join([prefix, rest, *asked]), is_impossible)

    @tf.function(input_signature=_texts(TEXT_INPUT, PREFIX_INPUT))
    def alternatives(self, text: tf.Tensor, prefix: tf.Tensor) -> Outputs:
        """Says how long the prefix is, then another word."""
        length = tf.strings.join(["AFTER", tf.strings.as_string(tf.strings.length(prefix))])
        words = tf.stack([length, tf.fill(tf.shape(text), "OTHER"), tf.zeros_like(text)], axis=1)
        return {WORD_OUTPUT: words, PROBABILITY_OUTPUT: tf.fill(tf.shape(text), 1.0)[:, None] * [0.5, 0.0625, 0.0]}

    def save(self, path: Path) -> None:
        signatures = {
            SIGNATURE: self.translate,
            NBEST_SIGNATURE: self.nbest,
            ALIGN_SIGNATURE: self.align,
            SCORE_SUBWORDS_SIGNATURE: self.score_subwords,
            CONSTRAINED_SIGNATURE: self.constrained,
            ALTERNATIVES_SIGNATURE: self.alternatives,
        }
        tf.saved_model.save(self, str(path), signatures=signatures)


def _is_too_long(text: tf.Tensor) -> tf.Tensor:
    return tf.strings.length(text, unit="UTF8_CHAR") > MOST_CHARACTERS


def _translated(text: tf.Tensor, has_none: tf.Tensor) -> Outputs:
    return {
        TRANSLATION_OUTPUT: tf.where(has_none, "", text),
        SCORE_OUTPUT: tf.where(has_none, -math.inf, tf.fill(tf.shape(text), -0.25)),
    }


def _aligned(text: tf.Tensor, translation: tf.Tensor) -> Outputs:
    source, target = _subwords(text), _subwords(translation)
    weights = WEIGHT * tf.eye(tf.shape(target)[1], tf.shape(source)[1], [tf.shape(text)[0]])
    return {SOURCE_SUBWORDS_OUTPUT: source, TARGET_SUBWORDS_OUTPUT: target, ALIGNMENT_OUTPUT: weights}


def _subwords(text: tf.Tensor) -> tf.Tensor:
    """One for each word, and the end."""
    words = tf.strings.join(["\u2581", tf.strings.split(text)])
    return tf.concat([words, tf.fill([tf.shape(text)[0], 1], "</s>")], axis=1).to_tensor("")
