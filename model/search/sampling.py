"""Sampling: translations drawn at random, word by word, as the model finds them likely; batched, as a TensorFlow graph.

A word is drawn from the model's distribution of the next word, of which may be left, in this order: what the
temperature makes of it, p^(1/T); the k likeliest words (Fan, Lewis and Dauphin 2018); the fewest likeliest words that
have a share p of it together (nucleus sampling, Holtzman et al. 2020). What can follow is what can in
``model.search.beam``.

What is drawn is the largest of log p plus Gumbel noise, which has exactly the probabilities p. The noise is a function
of the seed, the number of the sample and that of the word alone (``model.search.random_numbers``): it is the same on
every machine, whatever else is in the batch, and so are the samples, as far as log p is. That has the last digits of
float32 from the machine, its threads and the batch. They decide where two words are nearly equal with their noise, or
the border of the likeliest words goes between them: where log p differ by e, which is about 1e-6, a share of about e of
the words does. By the inverse of the distribution function it would be more, as the borders of all words add up what
came before them. What follows such a word is another sample of the same distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from model.search.beam import Beam, Hypotheses, continuations, ended_scores, first_beam, lengthened, until_all_end
from model.search.model import Read, TranslationModel
from model.search.random_numbers import Words, gumbel, key_of, threefry
from model.search.scores import IMPOSSIBLE, LEAST, VALUES_OF_A_PART
from recipes import schema
from workspace.layout import END_ID

# Less may count as nothing.
LEAST_NORMAL = 2.0**-126


class Distribution(NamedTuple):
    """What words are drawn from, one value for every text.

    temperature: float32 [batch], above 0; 1 is the model's own distribution, less sharpens it, more flattens it; top_k:
    int32 [batch], how many words are left, and 0 for all; top_p: float32 [batch], above 0, the share that is left, and
    1 for all. Of words that are equally likely all are left, or none.
    """

    temperature: tf.Tensor
    top_k: tf.Tensor
    top_p: tf.Tensor


def is_distribution(given: Distribution) -> tf.Tensor:
    """Whether words can be drawn from it: bool [batch]."""
    temperature, top_k, top_p = given
    is_temperature = (temperature >= LEAST_NORMAL) & tf.math.is_finite(temperature)
    return is_temperature & (top_k >= 0) & (top_p >= LEAST_NORMAL) & (top_p <= 1)


def sample(
    model: TranslationModel,
    source: tf.Tensor,
    longest: tf.Tensor,
    seed: tf.Tensor,
    distribution: Distribution,
    count: int,
    settings: schema.Search,
    silent: Sequence[int] = (),
) -> Hypotheses:
    """``count`` translations of every sentence, drawn independently of one another, in no order.

    seed: int64 [batch]; a sentence's first samples are the same however many are drawn. Scores are those of the words
    under the model, as in ``beam_search``, whatever they are drawn from. The rest is as in ``beam_search``.
    """
    read, output_kernel = model.read(source), model.output_kernel()
    settings = settings.model_copy(update={"beam_size": count, "beam_groups": 1})
    beam = first_beam(read, source, longest, settings)
    beam = beam._replace(log_probability=tf.zeros_like(beam.log_probability))

    def one_word_more(
        step: tf.Tensor, read: Read, beam: Beam, more: tuple[Words, Distribution]
    ) -> tuple[Beam, tuple[Words, Distribution]]:
        # The words before would only cost digits.
        from_here = beam._replace(log_probability=tf.zeros_like(beam.log_probability))
        log_p, after = continuations(model, read, output_kernel, step, from_here, settings, silent)
        words = _drawn(_left_of(log_p, more[1]), more[0], step)
        log_probability = beam.log_probability + tf.gather(log_p, words, batch_dims=2)
        return _longer(after, step, log_probability, words, settings, silent), more

    # Every sample has a key of its own.
    numbers = tf.cast(tf.range(count), tf.uint32)[None]
    low, high = key_of(seed)
    keys = threefry((low[:, None], high[:, None]), (numbers, tf.zeros_like(numbers)))
    return until_all_end(one_word_more, read, beam, (keys, distribution))


def _left_of(log_p: tf.Tensor, distribution: Distribution) -> tf.Tensor:
    """The logits of what is drawn from, [sentences, k, vocabulary], of log p; minus infinity for words that are not
    left."""
    logits = (log_p - tf.reduce_max(log_p, axis=2, keepdims=True)) / distribution.temperature[:, None, None]
    has_all = (distribution.top_k == 0) & (distribution.top_p >= 1)
    return tf.cond(
        tf.reduce_all(has_all),
        lambda: logits,
        lambda: tf.where(
            has_all[:, None, None] | (logits >= _least_left(logits, distribution, has_all)), logits, IMPOSSIBLE
        ),
    )


def _least_left(logits: tf.Tensor, distribution: Distribution, has_all: tf.Tensor) -> tf.Tensor:
    """The logit of the last of the likeliest words, [sentences, k, 1], of logits with the largest at 0."""
    _, top_k, top_p = (values[:, None, None] for values in distribution)
    vocabulary = logits.shape[2]
    # All words that have less of a share than this have together less than is to be left out.
    may_be_left = logits >= tf.math.log((1 - top_p) / vocabulary)
    candidates = tf.math.count_nonzero(may_be_left, axis=2, keepdims=True, dtype=tf.int32)
    most = tf.where(top_k == 0, candidates, tf.minimum(top_k, vocabulary))
    # No more are put in order than some sentence needs.
    needed = tf.reduce_max(tf.where(has_all[:, None, None], 1, most))
    likeliest, _ = tf.math.top_k(logits, needed)
    share = tf.where(tf.range(needed) < most, tf.exp(likeliest), 0.0)
    before, after = tf.cumsum(share, axis=2, exclusive=True), tf.cumsum(share, axis=2)
    total = tf.where(top_k == 0, tf.reduce_sum(tf.exp(logits), axis=2, keepdims=True), after[:, :, -1:])
    is_left = (tf.range(needed) < most) & ((top_p >= 1) | (before < top_p * total))
    return tf.reduce_min(tf.where(is_left, likeliest, float("inf")), axis=2, keepdims=True)


def _drawn(logits: tf.Tensor, keys: Words, step: tf.Tensor) -> tf.Tensor:
    """One word for each sample, the ``step``-th: int32 [sentences, k], of logits [sentences, k, vocabulary].

    First a part of the vocabulary is drawn, then a word in it, which takes far less noise than one for every word.
    """
    vocabulary = logits.shape[2]
    parts = -(-vocabulary // VALUES_OF_A_PART)
    filling = [[0, 0], [0, 0], [0, parts * VALUES_OF_A_PART - vocabulary]]
    k = logits.shape[1]
    by_part = tf.reshape(tf.pad(logits, filling, constant_values=IMPOSSIBLE), [-1, k, parts, VALUES_OF_A_PART])
    place = tf.cast(tf.range(parts + VALUES_OF_A_PART), tf.uint32)
    position = tf.fill(tf.shape(place), tf.cast(step, tf.uint32))
    noise = gumbel(threefry((keys[0][:, :, None], keys[1][:, :, None]), (position, place)))
    part = _likeliest(tf.reduce_logsumexp(by_part, axis=3), noise[:, :, :parts])
    word = _likeliest(tf.gather(by_part, part, batch_dims=2), noise[:, :, parts:])
    return part * VALUES_OF_A_PART + word


def _likeliest(logits: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    return tf.argmax(tf.cast(logits, tf.float64) + noise, axis=2, output_type=tf.int32)


def _longer(
    beam: Beam,
    step: tf.Tensor,
    log_probability: tf.Tensor,
    words: tf.Tensor,
    settings: schema.Search,
    silent: Sequence[int],
) -> Beam:
    """Every sample with its next word; those that end stay where they are."""
    beam = lengthened(beam, step, log_probability, words, silent)
    ends = (words == END_ID) & (log_probability > LEAST)
    scores = ended_scores(beam, step, log_probability, settings)
    ended = Hypotheses(
        tf.where(ends[:, :, None], beam.words, beam.ended.words), tf.where(ends, scores, beam.ended.scores)
    )
    return beam._replace(log_probability=tf.where(ends, IMPOSSIBLE, log_probability), ended=ended)
