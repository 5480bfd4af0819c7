"""From text to text: subwords, network and search in one graph. What is evaluated is what is exported."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf
from tqdm import tqdm

from model.network import Network
from model.search import Hypotheses, beam_search, greedy_search
from model.subwords import Subwords
from recipes import schema
from recipes.layout import END_ID, PADDING_ID


class Translated(NamedTuple):
    """The best translation of every sentence: text, string [batch], and score, float32 [batch] (model.search)."""

    text: tf.Tensor
    score: tf.Tensor


class Aligned(NamedTuple):
    """The best translations, and what each of their subwords attended to.

    translated: as ``Translator.translate`` gives it; source_subwords: string [batch, source length]; target_subwords:
    string [batch, target length]; both with the end of sentence, then empty; alignment: float32 [batch, target length,
    source length], rows that sum to 1, or 0 where there is no word.
    """

    translated: Translated
    source_subwords: tf.Tensor
    target_subwords: tf.Tensor
    alignment: tf.Tensor


class Translator(tf.Module):
    """A trained network with its subwords and the settings of its search."""

    def __init__(self, network: Network, subwords: tuple[Subwords, Subwords], search: schema.Search):
        super().__init__()
        self.network = network
        self.source_subwords, self.target_subwords = subwords
        self.search = search

    def hypotheses(self, texts: tf.Tensor) -> tuple[Hypotheses, tf.Tensor]:
        """The beam's hypotheses for string [batch], and the ids they were made of, int32 [batch, source length]."""
        source, lengths = self.source_subwords.ids(texts)
        longest = tf.cast(tf.cast(lengths, tf.float32) * self.search.max_length_ratio, tf.int32)
        longest += self.search.max_length_extra + 1
        exponent = self.search.length_normalization
        if self.search.beam_size == 1:
            return greedy_search(self.network, source, longest, exponent), source
        return beam_search(self.network, source, longest, self.search.beam_size, exponent), source

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def translate(self, texts: tf.Tensor) -> Translated:
        """The best translation of each of string [batch]; that of blank text is empty, with score 0."""
        return self._best(*self.hypotheses(texts))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def n_best(self, texts: tf.Tensor) -> Translated:
        """All of the beam, best first: text and score are [batch, k]. A beam that found less ends in empty texts with a
        score of minus infinity."""
        hypotheses, source = self.hypotheses(texts)
        words, blank = hypotheses.words, _is_blank(source)[:, None]
        translations = self.target_subwords.texts(tf.reshape(words, [-1, tf.shape(words)[2]]))
        translations = tf.reshape(translations, tf.shape(words)[:2])
        return Translated(tf.where(blank, "", translations), tf.where(blank, 0.0, hypotheses.scores))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def align(self, texts: tf.Tensor) -> Aligned:
        """The best translation of each of string [batch], with its alignment (the paper's figure 3)."""
        hypotheses, source = self.hypotheses(texts)
        return Aligned(
            self._best(hypotheses, source),
            self.source_subwords.pieces(source),
            self.target_subwords.pieces(hypotheses.words[:, 0]),
            hypotheses.alignment[:, 0],
        )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)] * 2)
    def score(self, texts: tf.Tensor, translations: tf.Tensor) -> tf.Tensor:
        """log p / length^a of a translation of each text, as the search has it: string [batch] to float32 [batch]."""
        source, _ = self.source_subwords.ids(texts)
        target, lengths = self.target_subwords.ids(translations)
        words = tf.transpose(target)
        log_p = tf.gather(tf.nn.log_softmax(self.network(source, target).logits), words, batch_dims=2)
        total = tf.reduce_sum(tf.where(words == PADDING_ID, 0.0, log_p), axis=0)
        return total / tf.cast(lengths + 1, tf.float32) ** self.search.length_normalization

    def _best(self, hypotheses: Hypotheses, source: tf.Tensor) -> Translated:
        blank = _is_blank(source)
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


def _is_blank(source: tf.Tensor) -> tf.Tensor:
    """Which of int32 [batch, source length] have no subword before their end."""
    return source[:, 0] == END_ID
