"""From text to text: subwords, network and search in one graph. What is evaluated is what is exported."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf
from tqdm import tqdm

from model.network import Network
from model.search import Hypotheses, beam_search, greedy_search
from model.subwords import Subwords
from recipes import schema


class Translated(NamedTuple):
    """The best translation of every sentence: text, string [batch], and score, float32 [batch] (model.search)."""

    text: tf.Tensor
    score: tf.Tensor


class Translator(tf.Module):
    """A trained network with its subwords and the settings of its search."""

    def __init__(self, network: Network, subwords: tuple[Subwords, Subwords], search: schema.Search):
        super().__init__()
        self.network = network
        self.source_subwords, self.target_subwords = subwords
        self.search = search

    def hypotheses(self, texts: tf.Tensor) -> tuple[Hypotheses, tf.Tensor]:
        """The beam's hypotheses for string [batch], and how many subwords each text has, int32 [batch]."""
        source, lengths = self.source_subwords.ids(texts)
        longest = tf.cast(tf.cast(lengths, tf.float32) * self.search.max_length_ratio, tf.int32)
        longest += self.search.max_length_extra + 1
        exponent = self.search.length_normalization
        if self.search.beam_size == 1:
            return greedy_search(self.network, source, longest, exponent), lengths
        return beam_search(self.network, source, longest, self.search.beam_size, exponent), lengths

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def translate(self, texts: tf.Tensor) -> Translated:
        """The best translation of each of string [batch]; that of blank text is empty, with score 0."""
        hypotheses, lengths = self.hypotheses(texts)
        blank = lengths == 0
        translations = self.target_subwords.texts(hypotheses.words[:, 0])
        return Translated(tf.where(blank, "", translations), tf.where(blank, 0.0, hypotheses.scores[:, 0]))


def translate_all(translator: Translator, texts: list[str], progress: tqdm | None = None) -> list[tuple[str, float]]:
    """(translation, score) of every text, in its order; sentences of like lengths are translated together."""
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    size = translator.search.batch_sentences
    results: list[tuple[str, float]] = [("", 0.0)] * len(texts)
    for start in range(0, len(order), size):
        indices = order[start : start + size]
        translated = translator.translate(tf.constant([texts[index] for index in indices]))
        for index, text, score in zip(indices, translated.text.numpy(), translated.score.numpy(), strict=True):
            results[index] = text.decode(), float(score)
        if progress is not None:
            progress.update(len(indices))
    return results
