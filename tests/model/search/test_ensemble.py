"""Ensembles against the mean of their members in NumPy, float64, and against exhaustive enumeration."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from model.data.references import read_references
from model.data.subwords import load_subwords
from model.exported import version
from model.exported.int8 import in_int8
from model.network.checkpoint import load_last, read_weights
from model.network.folded import fold
from model.network.network import Network
from model.search.beam import beam_search
from model.search.ensemble import Ensemble, trained_model, with_mean_weights
from model.search.forced import forced_decoding
from model.search.translator import TextTranslator, best_translator
from model.training.loop import train
from recipes.loading import load_recipe
from recipes.schema import Recipe, Search
from recipes.stages import EXPORT
from tests.model import reference
from tests.model.search.test_search import Toy, assert_same, every_sentence, found, plain_beam
from tests.model.shards import recipe_for, write_data
from tests.model.support import TEXTS, TINY, padded, random_pairs, small_network
from workspace.errors import UserError
from workspace.layout import END_ID, WorkDirectory
from workspace.marks import read_manifest, read_training_mark, write_mark


def log_mean(log_p: list[np.ndarray], of_logs: bool) -> np.ndarray:
    """log of the mean of probabilities [..., words], or of their geometric mean, which is made to sum to 1."""
    return log_softmax(np.mean(log_p, axis=0) if of_logs else np.log(np.mean(np.exp(log_p), axis=0)))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("of_logs", [False, True])
def test_an_ensemble_of_one_is_the_model(network: Network, of_logs: bool) -> None:
    source = padded([source for source, _ in random_pairs(6, seed=8)])
    longest, settings = tf.fill([6], 7), Search(beam_size=3)
    alone = beam_search(network, source, longest, settings)
    together = beam_search(Ensemble([network], of_logs), source, longest, settings)
    np.testing.assert_array_equal(together.words, alone.words)
    np.testing.assert_allclose(together.scores, alone.scores, rtol=1e-5)
    ours, theirs = (forced_decoding(model, source, alone.words[:, 0]) for model in (Ensemble([network]), network))
    np.testing.assert_allclose(ours.log_probability, theirs.log_probability, rtol=1e-5)
    np.testing.assert_array_equal(ours.alignment, theirs.alignment)


@pytest.mark.parametrize("of_logs", [False, True])
def test_probabilities_are_the_mean_of_the_members(of_logs: bool) -> None:
    """Of three sizes, of which one has a vocabulary that is filled up, and one no attention."""
    sizes: list[dict[str, Any]] = [
        {},
        {"decoder_units": 9, "encoder_layers": 2, "decoder_layers": 3, "layer_norm": True},
        {"architecture": "rnnencdec"},
    ]
    networks = [small_network(**size) for size in sizes]
    ensemble = Ensemble([fold(network, 3) for network in networks], of_logs)
    assert ensemble.attends
    sources, targets = zip(*random_pairs(6, seed=4), strict=True)
    forced = forced_decoding(ensemble, padded(list(sources)), padded(list(targets)))
    for index, (source, target) in enumerate(zip(sources, targets, strict=True)):
        members = [
            reference.logits(reference.weights_of(network), source, target, network.settings) for network in networks
        ]
        mean = log_mean([log_softmax(logits) for logits, _ in members], of_logs)
        expected = mean[range(len(target)), target].sum()
        assert float(forced.log_probability[index]) == pytest.approx(expected, rel=1e-4)
        alignment = np.mean([alignment for _, alignment in members[:2]], axis=0)
        np.testing.assert_allclose(forced.alignment[index, : len(target), : len(source)], alignment, atol=1e-5)


@pytest.mark.parametrize("of_logs", [False, True])
def test_search_finds_what_enumeration_and_a_plain_beam_find(of_logs: bool) -> None:
    members = [Toy(seed, sentences=4) for seed in range(3)]
    mixed = Toy(0, sentences=4)
    mixed.table = log_mean([log_softmax(member.table.astype(np.float64)) for member in members], of_logs)
    ensemble, source, longest = Ensemble(members, of_logs), tf.fill([4, 2], END_ID), [4, 2, 3, 1]
    wide, narrow = (
        beam_search(ensemble, source, tf.constant(longest), Search(beam_size=k, length_normalization=0.7))
        for k in (120, 2)
    )
    for sentence, most in enumerate(longest):
        assert_same(found(wide, sentence), every_sentence(mixed, sentence, most, 0.7))
        assert_same(found(narrow, sentence), plain_beam(mixed, sentence, most, 2, 0.7))


def test_the_mean_of_weights() -> None:
    networks = [small_network() for _ in range(3)]
    for number, network in enumerate(networks):
        for weight in network.trainable_variables:
            weight.assign(np.random.default_rng(number).normal(size=weight.shape))
    values = [[weight.numpy().astype(np.float64) for weight in network.trainable_variables] for network in networks]
    mean = with_mean_weights(networks)
    for weight, *members in zip(mean.trainable_variables, *values, strict=True):
        np.testing.assert_allclose(weight.numpy(), sum(members) / 3, atol=1e-6)


def together(work: WorkDirectory[Path], **ensemble: Any) -> Recipe:
    """The recipe of a work directory, with an ensemble."""
    kept = {"keep_checkpoints": ensemble.get("checkpoints", 1)}
    return load_recipe(str(work.recipe), {"ensemble": ensemble, "training": kept})


@pytest.fixture(scope="module")
def runs(
    trained: WorkDirectory[Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[WorkDirectory[Path], WorkDirectory[Path]]:
    """The training of TINY, and a smaller one of the same subwords that keeps three checkpoints."""
    root = tmp_path_factory.mktemp("runs")
    shutil.copytree(trained.root, root / "a", ignore=shutil.ignore_patterns("export", "evaluation"))
    recipe = recipe_for(max_steps=5, evaluate_every=1, keep_checkpoints=3)
    other = write_data(root / "b", recipe)
    train(other, recipe)
    return WorkDirectory(root / "a"), other


@pytest.mark.slow
def test_a_saved_ensemble_answers_as_the_translator(
    runs: tuple[WorkDirectory[Path], WorkDirectory[Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of two trainings of different sizes; a translation alone: all signatures take a minute to make."""
    work, other = runs
    recipe = together(work, runs=str(other.root))
    translator = best_translator(work, recipe)
    assert isinstance(translator.model, Ensemble)
    texts = tf.constant(TEXTS)
    expected = translator.translate(texts)
    saved = tf.Module()
    saved.weights = list(translator.translate.get_concrete_function().graph.variables)
    saved.subwords, saved.translate = translator.target_subwords, translator.translate
    tf.saved_model.save(saved, str(tmp_path / "1"))
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    text, score = loaded.translate(texts)
    np.testing.assert_array_equal(text, expected.text)
    np.testing.assert_allclose(score, expected.score, rtol=1e-5)

    made_from = EXPORT.made_from(recipe, work)
    own, others = (read_training_mark(run).weights for run in runs)
    assert made_from["ensemble"] == {"average": "probability", "own": own, str(other.root): others}
    assert made_from["weights"] not in {own, others}

    dev = read_references(work, read_manifest(work), "dev")
    assert version._write_engine_if_as_good(translator, recipe, dev, tmp_path / "engine") is None
    assert "note: an ensemble has no engine for CPUs; TensorFlow translates in its place" in capsys.readouterr().err
    assert not (tmp_path / "engine").exists()
    with pytest.raises(UserError, match="an ensemble has no engine for CPUs; leave int8 out"):
        in_int8(translator, tmp_path)


@pytest.mark.slow
def test_checkpoints_of_one_training(runs: tuple[WorkDirectory[Path], WorkDirectory[Path]]) -> None:
    """Those of the last dev evaluations, as members or as one network of their mean weights."""
    _, work = runs
    recipe = together(work, checkpoints=3)
    subwords = load_subwords(work, joint=True)
    networks = load_last(work, recipe, subwords, 3)
    for network, step in zip(networks, (3, 4, 5), strict=True):
        same = small_of(work, recipe, subwords)
        read_weights(same, work, step)
        for ours, theirs in zip(network.trainable_variables, same.trainable_variables, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    ensemble = trained_model(work, recipe, subwords)
    assert isinstance(ensemble, Ensemble)
    texts = tf.constant(TEXTS)
    source, target = (subwords[0].ids(texts).ids for _ in range(2))
    log_p = forced_decoding(Ensemble(networks), source, target).log_probability
    np.testing.assert_allclose(forced_decoding(ensemble, source, target).log_probability, log_p, rtol=1e-4)
    mean = trained_model(work, together(work, checkpoints=3, average="weights"), subwords)
    log_p = forced_decoding(with_mean_weights(networks), source, target).log_probability
    np.testing.assert_allclose(forced_decoding(mean, source, target).log_probability, log_p, rtol=1e-4)
    assert not isinstance(mean, Ensemble)  # so that it has an engine for CPUs


def small_of(work: WorkDirectory[Path], recipe: Recipe, subwords: Any) -> Network:
    return Network(recipe.model, subwords[0].vocabulary, subwords[1].vocabulary, seed=0)


@pytest.mark.slow
def test_what_cannot_translate_together(runs: tuple[WorkDirectory[Path], WorkDirectory[Path]], tmp_path: Path) -> None:
    work, other = runs
    stranger = WorkDirectory(tmp_path / "stranger")
    shutil.copytree(other.root, stranger.root)
    manifest = read_manifest(stranger)
    subwords = manifest.subwords.model_copy(update={"files": {"subwords.model": "another"}})
    write_mark(stranger.manifest, manifest.model_copy(update={"subwords": subwords}))
    untrained = write_data(tmp_path / "untrained", TINY)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"runs": [str(tmp_path / "none")]}, "none holds no run"),
        ({"runs": [str(untrained.root)]}, "untrained/training holds no finished training; make one with make train"),
        ({"runs": [str(stranger.root)]}, "stranger has other subwords than .*/a, so their words are not the same; tra"),
        ({"runs": [str(other.root)] * 2}, "b is in the ensemble already; leave it out"),
        ({"runs": [str(work.root / ".." / "a")]}, "a is in the ensemble already; leave it out"),
        ({"checkpoints": 2}, "checkpoints is 2, and .*/a/training keeps those of 1 dev evaluations; remove it and"),
    ]
    for ensemble, sentence in refused:
        with pytest.raises(UserError, match=sentence):
            best_translator(work, together(work, **ensemble))
    assert isinstance(best_translator(work, TINY), TextTranslator)
