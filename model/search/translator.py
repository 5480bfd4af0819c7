"""From text to text: subwords, network and search in one graph. What is evaluated is what is exported."""

from __future__ import annotations

import functools
from collections.abc import Callable

import tensorflow as tf

from model.data.subwords import Sentences, Subwords, load_subwords
from model.search.alternatives import Edges, alternatives
from model.search.beam import Hypotheses, beam_search
from model.search.constrained import Constraints, constrained_search, keep_to
from model.search.ensemble import trained_model
from model.search.forced import Forced, forced_decoding
from model.search.model import TranslationModel
from model.search.phrases import Phrases, Pieces, phrases_of
from model.search.prefix import Prefix, beginning_so, prefix_of
from model.search.sampling import Distribution, is_distribution, sample
from model.search.scores import IMPOSSIBLE, coverage_penalty, length_power
from model.search.translations import Aligned, Alternatives, Scored, Translated, together, without_copies
from model.search.unknown_words import attended, load_dictionary, looked_up, words_of
from recipes import schema
from workspace.layout import PADDING_ID, UNKNOWN_ID, WorkDirectory
from workspace.locations import located

# A text, its subwords and those of a translation, of each hypothesis.
_OF_HYPOTHESES = [tf.TensorSpec([None], tf.string), *[tf.TensorSpec([None, None], tf.int32)] * 2]

_APART = {"_noinline": True}


class TextTranslator(tf.Module):
    """A trained model with its subwords and the settings of its search."""

    def __init__(self, model: TranslationModel, subwords: tuple[Subwords, Subwords], search: schema.Search):
        super().__init__()
        self.model = model
        self.source_subwords, self.target_subwords = subwords
        self.search = search
        dictionary = search.unknown_dictionary
        self.dictionary = load_dictionary(located(dictionary)) if dictionary is not None else None

    @property
    def silent(self) -> list[int]:
        """Words that say nothing by themselves: a translation of nothing else is none (model.search.beam)."""
        is_dropped = self.search.unknown_words == "copy" and not self.model.attends
        return self.target_subwords.silent + is_dropped * [UNKNOWN_ID]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def translate(self, texts: tf.Tensor) -> Translated:
        """The best translation of each of string [batch]."""
        sentences = self._source(texts)
        return self._best(self.hypotheses(sentences), sentences)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def n_best(self, texts: tf.Tensor) -> Translated:
        """All of the beam, best first: text and score are [batch, k]. Of hypotheses that are one text, written with
        other subwords, the best is there. A beam that found fewer ends in empty texts with a score of minus infinity;
        of a blank text, and of one that is too long, there is one."""
        sentences = self._source(texts)
        return without_copies(self._translated(self.hypotheses(sentences), sentences))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([None], tf.int32)], autograph=False)
    def n_best_with(self, texts: tf.Tensor, beam_size: tf.Tensor) -> Translated:
        """``n_best`` of a beam of ``beam_size`` hypotheses for each, int32 [batch]: at most as many as that of
        ``search`` has, without groups. With less than 1 nothing is found."""
        sentences = self._source(texts)
        longest = self._most_words(sentences)
        found = beam_search(self.model, sentences.ids, longest, self.search, self.silent, beam_size)
        return without_copies(self._translated(found, sentences))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)] * 2, autograph=False)
    def alternatives(self, texts: tf.Tensor, prefix: tf.Tensor) -> Alternatives:
        """The words that may follow ``prefix``, string [batch], in a translation of each of string [batch].

        A prefix that ends in white space ends a word; of another, the last word is one that may go on, and one that the
        vocabulary does not know goes on with none. None of a blank text, and where text or prefix are too long.
        """
        source, subwords, pieces = self._source(texts), self.target_subwords, self._pieces.in_graph()
        begin, too_long = prefix_of(prefix, subwords, pieces, self._longest(self.search.max_source_length))
        edges = Edges.of(subwords.written)
        found = alternatives(self.model, source.ids, begin, pieces, edges, self.search, self.silent)
        words = tf.reshape(found.words, [-1, tf.shape(found.words)[2]])
        word = tf.reshape(tf.strings.strip(subwords.texts(words)), tf.shape(found.scores))
        last = tf.gather(begin.head, tf.maximum(0, begin.head_length - 1), batch_dims=1)
        goes_on = (begin.tail_length > 0) | (begin.head_length == 0) | tf.gather(edges.is_after, last)
        is_there = ((source.lengths > 0) & ~too_long & goes_on)[:, None] & (word != "")
        return together(Alternatives(word, tf.where(is_there, tf.exp(found.scores), 0.0)))

    def sample(self, texts: tf.Tensor, seeds: tf.Tensor) -> Translated:
        """``sample_with`` the distribution of ``search``."""
        search = self.search
        values = search.sampling_temperature, search.sampling_top_k, search.sampling_top_p
        return self.sample_with(texts, seeds, Distribution(*(tf.fill(tf.shape(seeds), value) for value in values)))

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string),
            tf.TensorSpec([None], tf.int64),
            Distribution(*(tf.TensorSpec([None], dtype) for dtype in (tf.float32, tf.int32, tf.float32))),
        ],
        autograph=False,
    )
    def sample_with(self, texts: tf.Tensor, seeds: tf.Tensor, distribution: Distribution) -> Translated:
        """``search.samples`` translations of each of string [batch], drawn with the ``seeds``, int64 [batch]: text and
        score are [batch, samples], in no order. Those of a blank text are empty, with score 0; those of one that is too
        long, or has a distribution that is none, are empty, with minus infinity."""
        is_one, sentences = is_distribution(distribution), self._source(texts)
        sentences = sentences._replace(
            lengths=tf.where(is_one, sentences.lengths, 0), too_long=sentences.too_long | ~is_one
        )
        temperature, top_k, top_p = distribution
        samples = sample(
            self.model,
            sentences.ids,
            self._most_words(sentences),
            seeds,
            Distribution(tf.where(is_one, temperature, 1), tf.where(is_one, top_k, 0), tf.where(is_one, top_p, 1)),
            self.search.samples,
            self.search,
            self.silent,
        )
        translated = self._translated(samples, sentences)
        is_blank = (sentences.lengths == 0) & ~sentences.too_long
        return translated._replace(score=tf.where(is_blank[:, None], 0.0, translated.score))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def align(self, texts: tf.Tensor) -> Aligned:
        """The best translation of each of string [batch], with its alignment (the paper's figure 3)."""
        sentences = self._source(texts)
        hypotheses = self.hypotheses(sentences)
        target = hypotheses.words[:, 0]
        return Aligned(
            self._best(hypotheses, sentences),
            self._source_pieces(sentences),
            self._without_unknown(target, self.target_subwords.pieces(target), self._pieces_anew, sentences),
            self._forced(sentences.ids, target).alignment,
        )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)] * 2, autograph=False)
    def score(self, texts: tf.Tensor, translations: tf.Tensor) -> tf.Tensor:
        """The score of a translation of each text, as the search has it: string [batch] to float32 [batch].

        A text can be written in several ways with subwords. One that the search finds is scored as it was written
        there, so that a translation has the score that came with it; any other as SentencePiece writes it.

        Minus infinity where the source has more than ``search.max_source_length`` subwords, or the translation twice as
        many as the search gives at most.
        """
        return self.score_subwords(texts, translations).score

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)] * 2, autograph=False)
    def score_subwords(self, texts: tf.Tensor, translations: tf.Tensor) -> Scored:
        """``score``, and what it is made of."""
        source = self._source(texts)
        given = self.target_subwords.ids(translations, 2 * self._longest(self.search.max_source_length))
        hypotheses = self.hypotheses(source)
        found = self._translated(hypotheses, source)
        is_found = (found.text == translations[:, None]) & (found.score > IMPOSSIBLE)
        best = tf.math.top_k(tf.where(is_found, found.score, IMPOSSIBLE), 1)
        is_found = tf.reduce_any(is_found, axis=1)
        is_scored = ~source.too_long & (is_found | ~given.too_long)
        as_found = tf.gather(hypotheses.words, best.indices[:, 0], batch_dims=1)
        length = tf.maximum(tf.shape(as_found)[1], tf.shape(given.ids)[1])
        as_found, as_given = (
            tf.pad(words, [[0, 0], [0, length - tf.shape(words)[1]]], constant_values=PADDING_ID)
            for words in (as_found, given.ids)
        )
        words = tf.where(is_found[:, None], as_found, as_given)
        words = tf.where(is_scored[:, None], words, PADDING_ID)
        forced = self._forced(source.ids, words)
        lengths = tf.math.count_nonzero(words != PADDING_ID, axis=1, dtype=tf.int32)
        score = forced.log_probability / length_power(tf.maximum(1, lengths), self.search)
        if self.search.coverage_penalty:
            padding = tf.cast(source.ids == PADDING_ID, tf.float32)
            score += coverage_penalty(tf.reduce_sum(forced.alignment, axis=1) + padding, self.search)
        score = tf.where(is_found, best.values[:, 0], score)
        # Nothing is surely the translation of nothing.
        is_sure = is_found & (source.lengths == 0)
        return Scored(
            tf.where(is_scored, score, IMPOSSIBLE),
            self.target_subwords.pieces(words),
            tf.where(is_sure[:, None], 0.0, forced.of_words),
            self.source_subwords.pieces(source.ids),
            forced.alignment,
        )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)] * 4, autograph=False)
    def constrained(self, texts: tf.Tensor, prefix: tf.Tensor, required: tf.Tensor, forbidden: tf.Tensor) -> Translated:
        """The best translation of each of string [batch] that begins with ``prefix``, has the phrases of ``required``
        as whole words, and none of ``forbidden``; all string [batch], phrases one a line, "" where nothing is asked.

        The prefix may end in the middle of a word; white space at its end says that it does not. An empty translation,
        with a score of minus infinity, where the search finds none.
        """
        source, subwords, pieces = self._source(texts), self.target_subwords, self._pieces.in_graph()
        begin, too_long = prefix_of(prefix, subwords, pieces, self._longest(self.search.max_source_length))
        wanted = Constraints(
            begin,
            self._phrases(required, as_letters=tf.constant(True)),
            self._phrases(forbidden, as_letters=tf.constant(False)),
        )
        plain = self.hypotheses(source)
        found = self._best(plain, source)
        begins = tf.strings.substr(found.text, tf.zeros_like(source.lengths), tf.strings.length(prefix)) == prefix
        keeps_to = begins & keep_to(plain.words[:, 0], wanted, pieces)

        # Only where the best translation does not keep to them anyway is another searched for.
        others = tf.where((source.lengths > 0) & ~keeps_to)[:, 0]
        left = Sentences(*(tf.gather(values, others) for values in source))
        of, longest = tf.cast(others, tf.int32), self._most_words(left)
        hypotheses = constrained_search(self.model, left.ids, longest, of, wanted, pieces, self.search, self.silent)
        best, begin = self._best(hypotheses, left), Prefix(*(tf.gather(values, others) for values in begin))
        # As it is in the translation, with its unknown words replaced.
        is_of_head = tf.sequence_mask(begin.head_length, tf.shape(hypotheses.words)[2])[:, None]
        words = tf.where(is_of_head, hypotheses.words[:, :1], PADDING_ID)
        heads = self._best(Hypotheses(words, best.score[:, None]), left).text
        text = beginning_so(tf.gather(prefix, others), begin, heads, best.text)
        text, score = (
            tf.tensor_scatter_nd_update(values, others[:, None], new)
            for values, new in ((found.text, text), (found.score, best.score))
        )
        is_found = (score > IMPOSSIBLE) & ~too_long
        return Translated(tf.where(is_found, text, ""), tf.where(is_found, score, IMPOSSIBLE))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)] * 2, autograph=False)
    def log_probability(self, texts: tf.Tensor, translations: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """log p of a translation of each text, float32 [batch], however long, and how many words it has, int32 [batch]:
        its subwords and the end of sentence."""
        target = self.target_subwords.ids(translations)
        forced = self._forced(self.source_subwords.ids(texts).ids, target.ids)
        return forced.log_probability, target.lengths + 1

    # What several signatures need is a function of its own, which all of them call: what a model has of functions is
    # gone through before the first answer of each.
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def _source(self, texts: tf.Tensor) -> Sentences:
        return self.source_subwords.ids(texts, self.search.max_source_length)

    @functools.cached_property
    def _pieces(self) -> Pieces:
        return Pieces.of(self.target_subwords.written)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([], tf.bool)], autograph=False)
    def _phrases(self, lines: tf.Tensor, as_letters: tf.Tensor) -> Phrases:
        return phrases_of(lines, self.target_subwords, self._pieces.in_graph(), as_letters)

    def hypotheses(self, sentences: Sentences) -> Hypotheses:
        return self._hypotheses(sentences.ids, self._most_words(sentences))

    @tf.function(
        input_signature=[tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)], autograph=False
    )
    def _hypotheses(self, source: tf.Tensor, longest: tf.Tensor) -> Hypotheses:
        return beam_search(self.model, source, longest, self.search, self.silent)

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)] * 2, autograph=False)
    def _forced(self, source: tf.Tensor, words: tf.Tensor) -> Forced:
        return forced_decoding(self.model, source, words)

    def _most_words(self, sentences: Sentences) -> tf.Tensor:
        """That a translation of each may have, the end among them: int32 [batch]."""
        longest = tf.cast(tf.cast(sentences.lengths, tf.float32) * self.search.max_length_ratio, tf.int32)
        longest += self.search.max_length_extra + 1
        # Of a word and the end at least; of the end alone where there is nothing to translate.
        return tf.where(sentences.lengths > 0, tf.maximum(2, longest), 1)

    def _longest(self, source_length: int) -> int:
        """The most subwords, without the end, of a translation of so many."""
        return max(1, int(source_length * self.search.max_length_ratio) + self.search.max_length_extra)

    def _best(self, hypotheses: Hypotheses, sentences: Sentences) -> Translated:
        best = Hypotheses(*(tensor[:, :1] for tensor in hypotheses))
        return Translated(*(tensor[:, 0] for tensor in self._translated(best, sentences)))

    def _translated(self, hypotheses: Hypotheses, sentences: Sentences) -> Translated:
        """text and score: [batch, k]."""
        words, nothing = hypotheses.words, (sentences.lengths == 0)[:, None]
        flat = tf.reshape(words, [-1, tf.shape(words)[2]])
        texts = self.target_subwords.texts(flat)
        texts = self._without_unknown(flat, texts, self._texts_anew, sentences)
        is_blank = nothing & ~sentences.too_long[:, None] & (tf.range(words.shape[1]) == 0)
        return Translated(
            tf.where(nothing, "", tf.reshape(texts, tf.shape(words)[:2])),
            tf.where(nothing, tf.where(is_blank, 0.0, IMPOSSIBLE), hypotheses.scores),
        )

    def _without_unknown(
        self,
        words: tf.Tensor,
        values: tf.Tensor,
        anew: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor],
        sentences: Sentences,
    ) -> tf.Tensor:
        """``values`` of hypotheses, int32 [batch * k, length]; of those with unknown words what ``anew`` makes of the
        text, the source, and the hypothesis."""
        if self.search.unknown_words == "keep":
            return values
        rows = tf.where(tf.reduce_any(words == UNKNOWN_ID, axis=1))[:, 0]

        def made_anew() -> tf.Tensor:
            of_sentences = rows // tf.cast(tf.shape(words)[0] // tf.shape(sentences.ids)[0], tf.int64)
            texts, source = (tf.gather(of_each, of_sentences) for of_each in (sentences.texts, sentences.ids))
            return tf.tensor_scatter_nd_update(values, rows[:, None], anew(texts, source, tf.gather(words, rows)))

        return tf.cond(tf.size(rows) > 0, made_anew, lambda: values)

    # Functions of their own, which are traced once for all signatures, and not made ready to run before they have to.
    @tf.function(input_signature=_OF_HYPOTHESES, autograph=False, experimental_attributes=_APART)
    def _texts_anew(self, texts: tf.Tensor, source: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
        return self.target_subwords.texts_with(words, self._in_place_of_unknown(texts, source, words))

    @tf.function(input_signature=_OF_HYPOTHESES, autograph=False, experimental_attributes=_APART)
    def _pieces_anew(self, texts: tf.Tensor, source: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
        return self.target_subwords.pieces_with(words, self._in_place_of_unknown(texts, source, words))

    @tf.function(input_signature=_OF_HYPOTHESES, autograph=False, experimental_attributes=_APART)
    def _in_place_of_unknown(self, texts: tf.Tensor, source: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
        """What stands in place of each unknown word: string, of the shape of ``words``; "" elsewhere."""
        if not self.model.attends:
            return tf.fill(tf.shape(words), "")
        alignment = self._forced(source, words).alignment
        replacements = attended(words_of(self.source_subwords, texts), alignment, words)
        return replacements if self.dictionary is None else looked_up(self.dictionary, replacements)

    def _source_pieces(self, sentences: Sentences) -> tf.Tensor:
        pieces = self.source_subwords.pieces(sentences.ids)
        if self.search.unknown_words == "keep":
            return pieces
        return tf.cond(
            tf.reduce_any(sentences.ids == UNKNOWN_ID),
            lambda: self._pieces_as_written(tf.where(sentences.too_long, "", sentences.texts), sentences.ids),
            lambda: pieces,
        )

    @tf.function(input_signature=_OF_HYPOTHESES[:2], autograph=False, experimental_attributes=_APART)
    def _pieces_as_written(self, texts: tf.Tensor, source: tf.Tensor) -> tf.Tensor:
        written = words_of(self.source_subwords, texts).subwords
        written = tf.pad(written, [[0, 0], [0, tf.shape(source)[1] - tf.shape(written)[1]]], constant_values="")
        return self.source_subwords.pieces_with(source, written)


def best_translator(work: WorkDirectory, recipe: schema.Recipe) -> TextTranslator:
    """With the weights of the best dev score, or with an ensemble. Raises UserError where nothing is prepared or
    trained."""
    subwords = load_subwords(work, recipe.subwords.joint)
    return TextTranslator(trained_model(work, recipe, subwords), subwords, recipe.search)
