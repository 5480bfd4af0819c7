"""The words that may follow the beginning of a translation, with their probabilities.

A word ends where a space or the end of the text follows; in scripts without spaces every subword is one. Its
probability is that of all ways that the search finds to write it with subwords, and of its end after them, among all
translations that begin so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import regex
import tensorflow as tf

from model.data.subwords import SPACE
from model.search.beam import Beam, Hypotheses, best_of, continuations, first_beam, is_growing, lengthened
from model.search.model import TranslationModel
from model.search.phrases import Pieces
from model.search.prefix import Prefix, only_what_fits, written_after
from model.search.scores import IMPOSSIBLE, LEAST, top_k
from recipes import schema
from workspace.layout import END_ID, PADDING_ID
from workspace.scripts import UNSPACED_LETTERS

ALTERNATIVES = 12
# More than that no word has beyond what of it is given.
MOST_SUBWORDS = 8

_ENDS_UNSPACED = regex.compile(f"{UNSPACED_LETTERS}$", regex.V1)


class Edges(NamedTuple):
    """Where words begin and end: bool [vocabulary]. is_before: whether a word that stands before the subword ends
    there; is_after: whether one ends with the subword, whatever follows."""

    is_before: np.ndarray
    is_after: np.ndarray

    @staticmethod
    def of(subwords: Sequence[str | None]) -> Edges:
        """Of these, as in ``Pieces.of``."""
        is_before = [number == END_ID or (subword or "").startswith(SPACE) for number, subword in enumerate(subwords)]
        is_after = [_ENDS_UNSPACED.search(subword or "") is not None for subword in subwords]
        return Edges(np.array(is_before), np.array(is_after))


def alternatives(
    model: TranslationModel,
    source: tf.Tensor,
    prefix: Prefix,
    pieces: Pieces,
    edges: Edges,
    settings: schema.Search,
    silent: Sequence[int] = (),
) -> Hypotheses:
    """The likeliest words after ``prefix``, with what of it is in the same word: ``words`` are their subwords alone,
    among PADDING_ID, [batch, ALTERNATIVES, length], and ``scores`` log p of each, minus infinity where there are fewer.

    source: int32 [batch, source length]. A word that is written in two ways may be there twice.
    """
    k = ALTERNATIVES
    settings = settings.model_copy(update={"beam_size": k, "beam_groups": 1, "coverage_penalty": 0.0})
    read, output_kernel = model.read(source), model.output_kernel()
    batch, vocabulary = tf.shape(source)[0], pieces.vocabulary
    is_no_word = (np.arange(vocabulary) == END_ID) | ~pieces.is_known
    of = tf.range(batch)
    head_length, tail_length = prefix.head_length[:, None], prefix.tail_length[:, None]

    def one_word_more(
        step: tf.Tensor, beam: Beam, written: tf.Tensor, mass: tf.Tensor
    ) -> tuple[tf.Tensor, Beam, tf.Tensor, tf.Tensor]:
        """written: int32 [batch, k], how many characters of the tail; mass: float32 [batch], log p of the translations
        that begin so."""
        log_p, beam = continuations(model, read, output_kernel, step, beam, settings, silent)
        # A folded network has more words, which never follow.
        log_p = log_p[:, :, :vocabulary]
        is_head = (step < head_length)[..., None]
        is_in_word = ((step > head_length) & (written >= tail_length))[..., None]

        is_edge = is_in_word & (edges.is_before | tf.gather(edges.is_after, beam.previous)[..., None])
        beam = _with_ended(beam, tf.reduce_logsumexp(tf.where(is_edge, log_p, IMPOSSIBLE), axis=2))

        log_p = only_what_fits(log_p, prefix, of, step, written)
        log_p = tf.where(is_edge | (is_no_word & ~is_head), IMPOSSIBLE, log_p)
        after = written_after(tf.range(vocabulary)[None, None], prefix, of, step, written, pieces)
        begins = ~is_head & ~is_in_word & (after >= tail_length[..., None])
        begun = tf.reduce_logsumexp(tf.where(begins, log_p, IMPOSSIBLE), axis=[1, 2])
        mass = tf.reduce_logsumexp(tf.stack([mass, begun]), axis=0)

        best, index = top_k(tf.reshape(log_p, [-1, k * vocabulary]), k)
        parents, words = index // vocabulary, index % vocabulary
        state, before, has_spoken = (
            tf.gather(values, parents, batch_dims=1) for values in (beam.state, beam.words, beam.has_spoken)
        )
        written = tf.gather(tf.reshape(after, [-1, k * vocabulary]), index, batch_dims=1)
        # What is given is sure. What is no likelier than all that is found will not be, and some words never end.
        best = tf.where(is_head[..., 0] & (best > LEAST), 0.0, best)
        is_late = step >= prefix.most_subwords[:, None] + MOST_SUBWORDS
        best = tf.where(is_late | (best <= beam.ended.scores[:, -1:]), IMPOSSIBLE, best)
        beam = beam._replace(state=state, words=before, has_spoken=has_spoken)
        return step + 1, lengthened(beam, step, best, words, silent), written, mass

    # With room for an end, so that nothing has to end.
    beam = first_beam(read, source, prefix.most_subwords + MOST_SUBWORDS + 3, settings)
    nothing = tf.zeros([batch, k], tf.int32), tf.fill([batch], IMPOSSIBLE)
    _, beam, _, mass = tf.while_loop(
        lambda _step, beam, *_: tf.reduce_any(is_growing(beam)), one_word_more, (0, beam, *nothing)
    )
    words, scores = beam.ended
    is_of_head = tf.range(tf.shape(words)[2]) < head_length[..., None]
    scores = tf.where(scores > LEAST, scores - mass[:, None], IMPOSSIBLE)
    return Hypotheses(tf.where(is_of_head, PADDING_ID, words), scores)


def _with_ended(beam: Beam, scores: tf.Tensor) -> Beam:
    """With those that have ended with ``scores``, [sentences, k], set aside."""
    both = (tf.concat(pair, axis=1) for pair in zip(beam.ended, (beam.words, scores), strict=True))
    return beam._replace(ended=best_of(Hypotheses(*both), ALTERNATIVES))
