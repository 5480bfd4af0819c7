"""Text to text: translations, n best, alignments and scores."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.data.subwords import load_subwords
from model.network.network import Network
from model.search.sampling import Distribution
from model.search.translator import TextTranslator
from tests.model import reference
from tests.model.support import TEXTS, TINY, best
from workspace.layout import END_ID, PADDING_ID, WorkDirectory

pytestmark = pytest.mark.slow

ALL_OPTIONS: dict[str, Any] = {
    "beam_size": 6,
    "max_source_length": 30,
    "length_penalty": "gnmt",
    "length_normalization": 0.8,
    "coverage_penalty": 0.3,
    "min_length_ratio": 0.5,
    "no_repeat_ngram": 3,
    "beam_groups": 2,
    "group_diversity": 0.5,
}


def untrained(work: WorkDirectory[Path], beam_size: int = 3) -> TextTranslator:
    subwords = load_subwords(work, joint=True)
    network = Network(TINY.model, subwords[0].vocabulary, subwords[1].vocabulary, seed=1)
    return TextTranslator(network, subwords, TINY.search.model_copy(update={"beam_size": beam_size}))


@pytest.fixture(scope="module")
def translators(trained: WorkDirectory[Path]) -> dict[int, TextTranslator]:
    """By their beam. Not to be changed: their graphs, which take seconds to make, serve all tests."""
    return {beam_size: untrained(trained, beam_size) for beam_size in (1, 3)}


@pytest.fixture(scope="module")
def with_best_weights(trained: WorkDirectory[Path]) -> TextTranslator:
    """Not to be changed, likewise."""
    return TextTranslator(best(trained), load_subwords(trained, joint=True), TINY.search)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_translation_alone_is_that_in_a_batch(translators: dict[int, TextTranslator], beam_size: int) -> None:
    translator = translators[beam_size]
    together = translator.translate(tf.constant(TEXTS))
    for index, text in enumerate(TEXTS):
        alone = translator.translate(tf.constant([text]))
        assert alone.text[0] == together.text[index]
        np.testing.assert_allclose(alone.score[0], together.score[index], rtol=1e-5)


def test_blank_text_has_an_empty_translation(translators: dict[int, TextTranslator]) -> None:
    translator = translators[3]
    translated = translator.translate(tf.constant(["", TEXTS[0], " \t "]))
    assert [text == b"" for text in translated.text.numpy()] == [True, False, True]
    assert [score == 0 for score in translated.score.numpy()] == [True, False, True]


@pytest.mark.parametrize("beam_size", [1, 3])
def test_no_other_text_has_an_empty_translation(trained: WorkDirectory[Path], beam_size: int) -> None:
    """Though the network finds its end, and a mere space, likelier than any word, and there is place for one only."""
    translator = untrained(trained, beam_size)
    assert isinstance(translator.model, Network)
    subwords, bias = translator.target_subwords, translator.model.readout.vocabulary_bias
    pieces = subwords.pieces(tf.range(subwords.vocabulary)).numpy().tolist()
    favoured = np.zeros(subwords.vocabulary, np.float32)
    favoured[END_ID], favoured[pieces.index("\u2581".encode())] = 30.0, 15.0
    bias.assign(bias + favoured)
    shortest = translator.search.model_copy(update={"max_length_ratio": 0.01, "max_length_extra": 0})
    for made in (translator, TextTranslator(translator.model, (subwords, subwords), shortest)):
        translated = made.n_best(tf.constant([*TEXTS, "one", ".", "?", "zzz"]))
        found = translated.score.numpy() > -np.inf
        assert found[:, 0].all()
        assert all(text.decode().strip() for text in translated.text.numpy()[found])


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_text_that_is_too_long_is_not_translated(
    trained: WorkDirectory[Path], translators: dict[int, TextTranslator], beam_size: int
) -> None:
    """And takes nothing from the others: they are translated as without it."""
    translator = untrained(trained, beam_size)
    lengths = translator.source_subwords.ids(tf.constant(TEXTS)).lengths.numpy()
    longest = int(sorted(lengths)[-2])
    translator.search = translator.search.model_copy(update={"max_source_length": longest})
    fits = lengths <= longest
    assert sum(fits) == len(TEXTS) - 1
    unlimited, texts = translators[beam_size], tf.constant(TEXTS)
    for found, expected in (
        (translator.translate(texts), unlimited.translate(texts)),
        (translator.n_best(texts), unlimited.n_best(texts)),
        (translator.align(texts).translated, unlimited.translate(texts)),
    ):
        assert np.all(found.text[~fits] == b"")
        assert np.all(found.score[~fits] == -np.inf)
        np.testing.assert_array_equal(found.text[fits], expected.text[fits])
        np.testing.assert_allclose(found.score[fits], expected.score[fits], rtol=1e-5)
    np.testing.assert_array_equal(np.isneginf(translator.score(texts, tf.fill([len(TEXTS)], "one"))), ~fits)
    far_too_long = " ".join(TEXTS * 10)
    assert np.all(np.isneginf(translator.score(tf.fill([2], "one"), tf.fill([2], far_too_long))))


def test_samples_of_what_cannot_be_drawn(translators: dict[int, TextTranslator]) -> None:
    """Blank and too long texts, and distributions that are none, have empty ones, and take nothing from the others."""
    translator = translators[3]
    far_too_long = " ".join(TEXTS * 100)
    cases = [(" ", 1.0, 0, 1.0, 0.0), (far_too_long, 1.0, 0, 1.0, -np.inf), ("", 0.0, 0, 1.0, -np.inf)]
    cases += [(TEXTS[0], *wrong, -np.inf) for wrong in ((0.0, 0, 1.0), (1.0, -1, 1.0), (1.0, 0, 1.5), (np.nan, 0, 1.0))]
    texts, temperature, top_k, top_p, scores = zip(*cases, strict=True)
    more = [*texts, *TEXTS]
    ones = (1.0,) * len(TEXTS)
    distribution = Distribution(
        tf.constant(temperature + ones), tf.constant(top_k + (0,) * len(TEXTS)), tf.constant(top_p + ones)
    )
    found = translator.sample_with(tf.constant(more), tf.fill([len(more)], tf.constant(3, tf.int64)), distribution)
    assert found.text.shape == found.score.shape == [len(more), translator.search.samples]
    np.testing.assert_array_equal(found.score[: len(cases)], np.repeat([scores], translator.search.samples, axis=0).T)
    assert np.all(found.text[: len(cases)] == b"")
    alone = translator.sample(tf.constant(TEXTS), tf.fill([len(TEXTS)], tf.constant(3, tf.int64)))
    np.testing.assert_array_equal(found.text[len(cases) :], alone.text)
    np.testing.assert_allclose(found.score[len(cases) :], alone.score, rtol=1e-5)
    assert all(text.decode().strip() for row in alone.text.numpy() for text in row)


def test_no_texts_at_all(translators: dict[int, TextTranslator]) -> None:
    translator = translators[3]
    nothing = tf.constant([], tf.string)
    assert translator.translate(nothing).text.shape == translator.score(nothing, nothing).shape == [0]
    assert translator.n_best(nothing).text.shape == [0, 3]
    assert translator.sample(nothing, tf.constant([], tf.int64)).text.shape == [0, translator.search.samples]
    assert translator.score_subwords(nothing, nothing).log_probability.shape == [0, 1]
    assert translator.align(nothing).translated.score.shape == [0]


@pytest.mark.parametrize("beam_size", [1, 3])
def test_the_best_of_the_n_best_is_the_translation(translators: dict[int, TextTranslator], beam_size: int) -> None:
    translator = translators[beam_size]
    texts = tf.constant([*TEXTS, " "])
    best, all_of_them = translator.translate(texts), translator.n_best(texts)
    assert all_of_them.text.shape == all_of_them.score.shape == [len(TEXTS) + 1, beam_size]
    np.testing.assert_array_equal(all_of_them.text[:, 0], best.text)
    np.testing.assert_array_equal(all_of_them.score[:, 0], best.score)
    assert np.all(all_of_them.score[:, 1:] <= all_of_them.score[:, :-1])
    np.testing.assert_array_equal(all_of_them.text[-1], [b""] * beam_size)
    np.testing.assert_array_equal(all_of_them.score[-1], [0.0] + [-np.inf] * (beam_size - 1))


def test_alignment_is_a_distribution_over_the_source_for_every_subword(with_best_weights: TextTranslator) -> None:
    translator = with_best_weights
    aligned = translator.align(tf.constant(TEXTS))
    np.testing.assert_array_equal(aligned.translated.text, translator.translate(tf.constant(TEXTS)).text)
    sides = zip(
        aligned.source_subwords.numpy(), aligned.target_subwords.numpy(), aligned.alignment.numpy(), strict=True
    )
    for (source, target, alignment), text, translation in zip(
        sides, TEXTS, aligned.translated.text.numpy(), strict=True
    ):
        for pieces, said in ((source, text), (target, translation.decode())):
            written = [piece.decode() for piece in pieces if piece]
            assert written[-1] == "</s>"
            assert "".join(written[:-1]).replace("\u2581", " ").strip() == said
            assert list(pieces[len(written) :]) == [b""] * (len(pieces) - len(written))
        words, read = np.sum(target != b""), np.sum(source != b"")
        np.testing.assert_allclose(alignment.sum(axis=1), [1.0] * words + [0.0] * (len(target) - words), rtol=1e-5)
        assert np.all(alignment[:, read:] == 0)


@pytest.fixture(scope="module")
def asked_for_all(trained: WorkDirectory[Path]) -> TextTranslator:
    """With all options of the search, as one graph for several tests."""
    return TextTranslator(best(trained), load_subwords(trained, joint=True), TINY.search.model_copy(update=ALL_OPTIONS))


@pytest.mark.parametrize("exponent", [0.0, 1.0, None])
def test_score_of_a_translation_is_what_the_search_gave_it(
    trained: WorkDirectory[Path], asked_for_all: TextTranslator, exponent: float | None
) -> None:
    """However the search wrote it: a text may be written in several ways with subwords, and the best of them counts.

    Without an exponent: with all options.
    """
    translator = asked_for_all
    if exponent is not None:
        search = TINY.search.model_copy(update={"length_normalization": exponent, "max_source_length": 30})
        translator = TextTranslator(best(trained), load_subwords(trained, joint=True), search)
    texts = tf.constant([*TEXTS, "", "zzz"])
    found = translator.n_best(texts)
    hypotheses = translator.hypotheses(translator.source_subwords.ids(texts))
    written_otherwise = 0
    for slot in range(found.text.shape[1]):
        scores = translator.score(texts, found.text[:, slot])
        again = translator.target_subwords.ids(found.text[:, slot]).ids
        for row in range(len(texts)):
            if found.score[row, slot] > -np.inf:
                assert float(scores[row]) == pytest.approx(float(found.score[row, slot]), rel=1e-5)
                written = translator.target_subwords.texts(hypotheses.words[row]).numpy().tolist()
                best_of_text = hypotheses.words[row, written.index(found.text[row, slot].numpy())]
                ours, theirs = ([w for w in words.numpy() if w != PADDING_ID] for words in (best_of_text, again[row]))
                written_otherwise += ours != theirs
    assert written_otherwise > 0


def test_no_text_is_twice_among_the_n_best(trained: WorkDirectory[Path]) -> None:
    """Of hypotheses that are one text the best is there, and the others come closer: here a network likes a subword,
    and also the two that it can be written with."""
    translator = untrained(trained, beam_size=12)
    assert isinstance(translator.model, Network)
    subwords, bias = translator.target_subwords, translator.model.readout.vocabulary_bias
    pieces = subwords.pieces(tf.range(subwords.vocabulary)).numpy().tolist()
    first, second = next(pair for pair in itertools.permutations(pieces, 2) if b"".join(pair) in pieces)
    bias.assign(bias + 8.0 * np.isin(pieces, [first, second, first + second]))
    settings = {"max_length_ratio": 0.01, "max_length_extra": 3, "unknown_words": "keep"}
    translator.search = translator.search.model_copy(update=settings)
    texts = tf.constant(TEXTS)
    n_best, hypotheses = translator.n_best(texts), translator.hypotheses(translator.source_subwords.ids(texts))
    copies = 0
    for row in range(len(TEXTS)):
        expected: dict[bytes, float] = {}
        written = translator.target_subwords.texts(hypotheses.words[row]).numpy()
        for text, score in zip(written, hypotheses.scores[row].numpy(), strict=True):
            if score > -np.inf:
                copies += text in expected
                expected.setdefault(text, score)
        left = 12 - len(expected)
        assert n_best.text[row].numpy().tolist() == [*expected, *[b""] * left]
        np.testing.assert_allclose(n_best.score[row], [*expected.values(), *[-np.inf] * left], rtol=1e-5)
    assert copies > 0


def test_score_of_other_translations_is_that_of_the_equations(asked_for_all: TextTranslator) -> None:
    """GNMT's, with what each position of the source has had of the attention, both with their ends."""
    network, subwords = asked_for_all.model, asked_for_all.source_subwords
    assert isinstance(network, Network)
    translations = [text.upper() for text in reversed(TEXTS)]
    scores = asked_for_all.score(tf.constant(TEXTS), tf.constant(translations))
    weights = reference.weights_of(network)
    for text, translation, score in zip(TEXTS, translations, scores, strict=True):
        source, target = ([int(word) for word in subwords.ids([said]).ids[0]] for said in (text, translation))
        logits, alignment = reference.logits(weights, source, target, network.settings)
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        length = ((5 + len(target)) / 6) ** ALL_OPTIONS["length_normalization"]
        coverage = np.log(np.minimum(alignment.sum(axis=0), 1)).sum()
        expected = log_p[range(len(target)), target].sum() / length + ALL_OPTIONS["coverage_penalty"] * coverage
        assert float(score) == pytest.approx(expected, rel=1e-4)


def test_the_subwords_of_a_translation_make_its_score(trained: WorkDirectory[Path]) -> None:
    """Those that the search wrote, or SentencePiece's of what it did not find; of what is too long there are none."""
    search = TINY.search.model_copy(update={"length_normalization": 0.7, "max_source_length": 30})
    translator = TextTranslator(best(trained), load_subwords(trained, joint=True), search)
    texts = tf.constant([*TEXTS, "", "", "one", "one " * 31])
    found = translator.n_best(texts)
    hypotheses = translator.hypotheses(translator.source_subwords.ids(texts, 30))
    written, aligned = translator.target_subwords.pieces(hypotheses.words).numpy(), translator.align(texts)
    for place in range(found.text.shape[1]):
        scored = translator.score_subwords(texts, found.text[:, place])
        np.testing.assert_array_equal(scored.score, translator.score(texts, found.text[:, place]))
        for row in np.flatnonzero(found.score[:, place] > -np.inf):
            log_p, pieces = scored.log_probability[row].numpy(), scored.target_subwords[row].numpy()
            length = sum(pieces != b"")
            assert float(scored.score[row]) == pytest.approx(log_p.sum() / length**0.7, rel=1e-4)
            assert not log_p[length:].any()
            best_place = found.text[row].numpy().tolist().index(found.text[row, place].numpy())
            assert pieces[:length].tolist() == [piece for piece in written[row, best_place] if piece]
            if place == 0:
                assert scored.score[row] == found.score[row, 0]
                ours, theirs = scored.alignment[row].numpy(), aligned.alignment[row].numpy()
                np.testing.assert_allclose(ours[:length], theirs[:length], atol=1e-5)
    others = translator.score_subwords(texts, tf.fill([len(texts)], "un zzz"))
    lengths = np.sum(others.target_subwords != b"", axis=1)
    assert lengths[0] == lengths[len(TEXTS)] > 2  # of a blank text, too
    np.testing.assert_allclose(others.score[:-1], np.sum(others.log_probability, axis=1)[:-1] / lengths[0] ** 0.7, 1e-5)
    too_long = translator.score_subwords(texts, tf.fill([len(texts)], "un " * 200))
    for scored, rows in ((others, slice(-1, None)), (too_long, slice(None))):
        assert np.all(scored.score[rows] == -np.inf)
        assert np.all(scored.target_subwords[rows] == b"")
        assert not np.any(scored.log_probability[rows])
        assert not np.any(scored.alignment[rows])


def test_the_longest_of_translations_is_scored(translators: dict[int, TextTranslator]) -> None:
    """One of an untrained network, which never ends: more subwords than a source may have."""
    longest = translators[3].search.model_copy(update={"max_source_length": 12, "max_length_ratio": 3.0})
    translator = TextTranslator(translators[3].model, (translators[3].source_subwords,) * 2, longest)
    texts = tf.constant(["one two three"])
    best = translator.translate(texts)
    assert int(translator.target_subwords.ids(best.text).lengths[0]) > 12
    np.testing.assert_allclose(translator.score(texts, best.text), best.score, rtol=1e-5)
    other = tf.strings.join([best.text, " one"])
    assert np.isfinite(translator.score(texts, other)).all()


def constrained(translator: TextTranslator, asked: list[tuple[str, str, str, str]]) -> list[tuple[str, float]]:
    """(translation, score) for each (text, prefix, required, forbidden)."""
    found = translator.constrained(*(tf.constant(column) for column in zip(*asked, strict=True)))
    return [(text.decode(), float(score)) for text, score in zip(found.text.numpy(), found.score.numpy(), strict=True)]


def test_where_nothing_is_asked_constrained_search_translates(translators: dict[int, TextTranslator]) -> None:
    for translator in translators.values():
        texts = [*TEXTS, "", " "]
        expected = translator.translate(tf.constant(texts))
        found = constrained(translator, [(text, "", " \n", "\n") for text in texts])
        assert [text.encode() for text, _ in found] == expected.text.numpy().tolist()
        np.testing.assert_allclose([score for _, score in found], expected.score, rtol=1e-5)


def test_a_translation_that_keeps_to_what_is_asked_is_left_as_it_is(with_best_weights: TextTranslator) -> None:
    found = with_best_weights.translate(tf.constant(TEXTS))
    translations = [text.decode() for text in found.text.numpy()]
    asked = [
        (text, translation[: len(translation) // 2], translation.split()[-1], "dix mille")
        for text, translation in zip(TEXTS, translations, strict=True)
    ]
    assert [text for text, _ in constrained(with_best_weights, asked)] == translations


def test_a_translation_is_completed_from_any_place(with_best_weights: TextTranslator) -> None:
    """A beginning stays as it was typed, whatever it is."""
    translator = with_best_weights
    for text in TEXTS[:2]:
        found = translator.translate(tf.constant([text]))
        translation, score = found.text[0].numpy().decode(), float(found.score[0])
        begins = [translation[:place] for place in range(len(translation) + 1)]
        completed = constrained(translator, [(text, begin, "", "") for begin in begins])
        assert all(one.startswith(begin) for (one, _), begin in zip(completed, begins, strict=True))
        assert completed[0] == (translation, pytest.approx(score, rel=1e-4))
        assert all(other > -np.inf for _, other in completed)
    odd = ["  zwölf \u4f60 mil", "trois ", "neuf\tcent", "trente-et-"]
    completed = constrained(translator, [(TEXTS[2], begin, "", "") for begin in odd])
    for (one, other), begin in zip(completed, odd, strict=True):
        assert one.startswith(begin)
        assert other > -np.inf


def test_phrases_are_there_or_not_as_whole_words(with_best_weights: TextTranslator) -> None:
    translator = with_best_weights
    asked = [
        (text, "", required, forbidden)
        for text in TEXTS
        for required, forbidden in (
            ("sept", "cent"),
            ("quatre\n mille ", "six\nun"),
            ("deux cent", "deux cents"),
            ("\u4f60", ""),
            ("un " * 40, ""),
            ("cent", "cent"),
        )
    ]
    found = constrained(translator, asked)
    alone = [constrained(translator, [one])[0] for one in asked]
    assert [text for text, _ in found] == [text for text, _ in alone]
    np.testing.assert_allclose([score for _, score in found], [score for _, score in alone], rtol=1e-4)
    for number, ((_, _, required, forbidden), (text, score)) in enumerate(zip(asked, found, strict=True)):
        assert (score > -np.inf) == bool(text) == (number % 6 < 3)
        if text:
            words = f" {text} ".replace("-", " ")
            assert all(f" {phrase.strip()} " in words for phrase in required.split("\n"))
            assert not any(f" {phrase} " in words for phrase in forbidden.split("\n"))
