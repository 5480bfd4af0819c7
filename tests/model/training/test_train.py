"""Training: early stopping, and what it leaves behind."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from model.data.references import References, read_references
from model.data.subwords import load_subwords
from model.devices.strategies import choose_strategy
from model.evaluation.measures import Measure, dev_scores, loss
from model.network.checkpoint import digest_of, load_best
from model.network.network import Network
from model.search.translator import TextTranslator
from model.training.loop import make_room, train
from model.training.measure import kept_measure
from model.training.plan import plan_of
from model.training.state import newest_step
from recipes import schema
from recipes.schema import BestBy
from recipes.stages import TRAIN
from tests import marks
from tests.model.shards import recipe_for, write_data
from tests.model.support import SignalAt, history_but_for_times
from workspace.errors import UserError
from workspace.history import read_history
from workspace.layout import WorkDirectory
from workspace.marks import read_manifest
from workspace.storage import read_json

pytestmark = pytest.mark.slow


def bleu(score: float) -> dict[str, float]:
    """What a dev evaluation finds where nothing else matters."""
    return {"dev_bleu": score, "dev_chrf": 0.0, "dev_loss": 0.0}


def values_of(network: Network) -> list[np.ndarray]:
    return [variable.numpy() for variable in network.trainable_variables]


def test_training_learns_and_leaves_its_results(tmp_path: Path) -> None:
    recipe = recipe_for(epochs=3)
    work = write_data(tmp_path / "run", recipe)
    network = train(work, recipe)
    history = read_history(work)
    assert len(history) == 3
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]
    mark = read_json(work.training_mark)
    assert mark["made_from"] == TRAIN.made_from(recipe, work)
    assert mark["best_dev_score"] == max(line["dev_bleu"] for line in history)
    assert (mark["best_by"], mark["tokenize"]) == ("bleu", "13a")
    assert list(work.tensorboard.glob("events.*"))
    loaded = load_best(work, recipe, load_subwords(work, joint=True))
    for ours, theirs in zip(values_of(loaded), values_of(network), strict=True):
        np.testing.assert_array_equal(ours, theirs)


class WeightsAfterUpdates(keras.callbacks.Callback):
    """Remembers the weights that are trained, before the first update and after each."""

    def on_train_begin(self, logs: Any = None) -> None:
        self.found = [values_of(self.model)]

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.found.append(values_of(self.model))


def test_the_average_of_the_weights_is_evaluated_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated = []

    def seen(translator: TextTranslator, dev: References, measure: Measure) -> dict[str, float]:
        assert isinstance(translator.model, Network)
        evaluated.append(digest_of(translator.model))
        return dev_scores(translator, dev, measure)

    monkeypatch.setattr("model.training.loop.dev_scores", seen)
    recipe = recipe_for(max_steps=3, ema_decay=0.2)
    # Which the greedy translations of the dev set cannot have.
    recipe = recipe.model_copy(update={"search": schema.Search(beam_groups=2, group_diversity=1.0)})
    work = write_data(tmp_path / "run", recipe)
    weights = WeightsAfterUpdates()
    network = train(work, recipe, callbacks=(weights,))
    expected = weights.found[0]
    for decay, after in zip([2 / 11, 0.2, 0.2], weights.found[1:], strict=True):
        expected = [decay * average + (1 - decay) * weight for average, weight in zip(expected, after, strict=True)]
    loaded = load_best(work, recipe, load_subwords(work, joint=True))
    for average, ours, theirs in zip(expected, values_of(loaded), values_of(network), strict=True):
        np.testing.assert_allclose(ours, average, atol=1e-6)
        np.testing.assert_array_equal(ours, theirs)
    assert evaluated == [digest_of(loaded)] == [read_json(work.training_mark)["weights"]]


def test_training_stops_when_patience_is_at_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([1.0, 5.0, 4.0, 3.0])
    monkeypatch.setattr("model.training.loop.dev_scores", lambda *_: bleu(next(scores)))
    recipe = recipe_for(epochs=50, evaluate_every=2, patience=2)
    work = write_data(tmp_path / "run", recipe)
    train(work, recipe)
    mark = read_json(work.training_mark)
    assert (mark["steps"], mark["best_step"], mark["best_dev_score"]) == (8, 4, 5.0)


def test_noise_next_to_nothing_neither_ends_a_training_nor_is_its_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = iter([0.4, 0.05])
    monkeypatch.setattr("model.training.loop.dev_scores", lambda *_: bleu(next(scores)))
    recipe = recipe_for(max_steps=4, evaluate_every=2, patience=1)
    work = write_data(tmp_path / "run", recipe)
    train(work, recipe)
    mark = read_json(work.training_mark)
    assert (mark["steps"], mark["best_step"], mark["best_dev_score"]) == (4, 4, 0.05)
    assert "warning: dev BLEU 0.05 after 2 dev evaluations is next to nothing" in capsys.readouterr().err


def test_dev_loss_is_that_of_the_references(tmp_path: Path) -> None:
    """In nats a subword, the end of sentence counted: what forced decoding gives, and lower at the end than before."""
    recipe = recipe_for(epochs=2, best_by="loss")
    work = write_data(tmp_path / "run", recipe)
    network = train(work, recipe)
    history = read_history(work)
    assert history[1]["dev_loss"] < history[0]["dev_loss"] < np.log(90)
    assert read_json(work.training_mark)["best_dev_score"] == history[1]["dev_loss"]
    subwords = load_subwords(work, joint=True)
    translator = TextTranslator(network, subwords, recipe.search.model_copy(update={"length_normalization": 1.0}))
    dev = read_references(work, read_manifest(work), "dev")
    means = translator.score(tf.constant(dev.sources), tf.constant(dev.targets)).numpy()
    words = subwords[1].ids(tf.constant(dev.targets)).lengths.numpy() + 1
    assert history[1]["dev_loss"] == pytest.approx(-(means * words).sum() / words.sum(), rel=1e-5)
    assert loss(translator, dev) == pytest.approx(history[1]["dev_loss"], rel=1e-6)


def test_a_training_goes_on_with_the_measure_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Though the tokenizer of the language has come to be there in between."""
    recipe = recipe_for().model_copy(update={"corpus": schema.Corpora(target_language="ja_JP")})
    work = WorkDirectory(tmp_path)
    monkeypatch.setattr("model.evaluation.measures.missing_for", lambda _: "its packages are not installed")
    assert kept_measure(work, recipe) == Measure("char", "chrf")
    assert "warning: BLEU counts characters (tok:char), and chrF chooses the best" in capsys.readouterr().err
    monkeypatch.setattr("model.evaluation.measures.missing_for", lambda _: None)
    assert kept_measure(work, recipe) == Measure("char", "chrf")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("best_by", "best"), [("bleu", 1), ("chrf", 0), ("loss", 2)])
def test_the_best_is_chosen_by_what_the_recipe_says(best_by: BestBy, best: int) -> None:
    """Of a loss the lowest."""
    found = [(1.0, 9.0, 3.0), (5.0, 2.0, 2.8), (4.0, 7.0, 2.5)]
    evaluations = [dict(zip(("dev_bleu", "dev_chrf", "dev_loss"), values, strict=True)) for values in found]
    scores = [Measure("13a", best_by).score_of(evaluation) for evaluation in evaluations]
    assert scores.index(max(scores)) == best


class RatesOfUpdates(keras.callbacks.Callback):
    """Remembers the learning rate of every update by its step."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[int, float] = {}

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.found[batch] = logs["learning_rate"]


def test_on_a_plateau_the_rate_is_lowered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two evaluations after the best and two after that, though stopped between them; a better one begins anew."""
    scores = iter([1.0, 5.0, 4.0, 5.0, 3.0, 3.0, 6.0, 1.0])
    monkeypatch.setattr("model.training.loop.dev_scores", lambda *_: bleu(next(scores)))
    recipe = recipe_for(
        schedule="plateau",
        learning_rate=0.01,
        plateau_factor=0.1,
        plateau_patience=2,
        patience=6,
        evaluate_every=2,
        max_steps=16,
        epochs=50,
    )
    work = write_data(tmp_path / "run", recipe)
    rates = RatesOfUpdates()
    with pytest.raises(KeyboardInterrupt):
        train(work, recipe, callbacks=(rates, SignalAt(11, signal.SIGTERM)))
    train(work, recipe, callbacks=(rates,))
    expected = [0.01] * 8 + [0.001] * 4 + [0.0001] * 4
    assert rates.found == pytest.approx(dict(enumerate(expected, 1)))


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 4))
def test_the_updates_of_an_epoch_have_each_of_its_batches(batches: int, accumulate: int, epochs: int) -> None:
    settings = schema.Training(batch_pairs=1, accumulate=accumulate, epochs=epochs)
    plan = plan_of(marks.manifest({5: batches}), settings, choose_strategy("one"))
    taken: list[list[int]] = [[] for _ in range(epochs)]
    for step in range(1, plan.last_step + 1):
        epoch, numbers = plan.batches_of(step)
        taken[epoch] += numbers
        assert len(numbers) == accumulate or numbers.stop == batches
        assert len(numbers) > 0
    assert taken == [list(range(batches))] * epochs


def test_of_several_batches_newly_segmented_it_goes_on_as_if_never_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an epoch, and between the two; their last updates have fewer batches."""
    monkeypatch.setattr("model.training.loop.dev_scores", lambda *_: bleu(1.0))
    recipe = recipe_for(accumulate=4, subword_sampling=0.2, evaluate_every=100, checkpoint_seconds=3600)
    works = [write_data(tmp_path / name, recipe) for name in ("whole", "stopped")]
    plan = plan_of(read_manifest(works[0]), recipe.training, choose_strategy("one"))
    assert plan.epoch_batches % 4 in (1, 2, 3)
    assert plan.epoch_steps > 3
    for step in (2, plan.epoch_steps):
        with pytest.raises(KeyboardInterrupt):
            train(works[1], recipe, callbacks=(SignalAt(step, signal.SIGTERM),))
    for work in works:
        train(work, recipe)
    whole, stopped = (read_json(work.training_mark) for work in works)
    assert whole["steps"] == 2 * plan.epoch_steps
    assert (stopped["steps"], stopped["weights"]) == (whole["steps"], whole["weights"])


def test_several_updates_a_call_are_the_same_training(tmp_path: Path) -> None:
    """Bit for bit, with all that callbacks hear: calls end with evaluations and epochs, in which they do not fit."""
    every = {"accumulate": 2, "evaluate_every": 5, "checkpoint_seconds": 3600, "max_steps": 12}
    one, three = (recipe_for(**every, updates_per_call=number) for number in (1, 3))
    works = [write_data(tmp_path / name, recipe) for name, recipe in (("one", one), ("three", three))]
    epoch_steps = plan_of(read_manifest(works[0]), one.training, choose_strategy("one")).epoch_steps
    assert 6 < epoch_steps < 10
    rates = [RatesOfUpdates(), RatesOfUpdates()]
    with pytest.raises(KeyboardInterrupt):
        train(works[1], three, callbacks=(rates[1], SignalAt(2, signal.SIGTERM)))
    assert newest_step(works[1]) == 3
    for work, recipe, callback in zip(works, (one, three), rates, strict=True):
        train(work, recipe, callbacks=(callback,))
    assert list(rates[0].found) == list(range(1, 13))
    assert rates[0].found == rates[1].found
    marks = [read_json(work.training_mark) for work in works]
    histories = [history_but_for_times(work) for work in works]
    for mark in marks:
        # The time is in the state, and with it its size may be another.
        del mark["seconds"], mark["left"]
    assert marks[0] == marks[1]
    assert histories[0] == histories[1]
    assert [line["step"] for line in histories[0]] == [5, 10, 12]


def test_other_settings_put_the_training_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.training.loop.dev_scores", lambda *_: bleu(1.0))
    recipe = recipe_for(max_steps=2)
    work = write_data(tmp_path / "run", recipe)
    train(work, recipe)
    before = read_json(work.training_mark)
    other = recipe_for(max_steps=3)
    train(work, other)
    assert read_json(work.training_mark)["steps"] == 3
    assert read_json(work.root / "training.previous" / "training.json") == before


def test_settings_that_are_refused_put_no_training_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.evaluation.measures._MODULES", {"ja-mecab": ("nonesuch",)})
    recipe = recipe_for(max_steps=2)
    work = write_data(tmp_path / "run", recipe)
    make_room(work, recipe)
    work.checkpoint(5).mkdir(parents=True)
    evaluation = recipe.evaluation.model_copy(update={"tokenize": "ja-mecab"})
    with pytest.raises(UserError, match=r"evaluation\.tokenize is ja-mecab, but its packages are not installed"):
        train(work, recipe.model_copy(update={"evaluation": evaluation}))
    assert read_json(work.training_start) == TRAIN.made_from(recipe, work)
    assert work.checkpoint(5).is_dir()


def test_a_training_that_came_to_nothing_takes_no_better_ones_place(tmp_path: Path) -> None:
    work = write_data(tmp_path / "run", recipe_for())
    make_room(work, recipe_for())
    work.checkpoint(5).mkdir(parents=True)
    make_room(work, recipe_for())
    assert work.checkpoint(5).is_dir()
    for rate in (0.1, 0.01):
        make_room(work, recipe_for(learning_rate=rate))
        assert [path.name for path in work.training.iterdir()] == ["started.json"]
        assert (work.root / "training.previous" / "checkpoints" / "5").is_dir()


def test_unprepared_corpus_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no prepared corpus; make one with make prepare"):
        train(WorkDirectory(tmp_path), recipe_for())
