"""The bar over a training: its speed and time left after the first update, an evaluation, and a resumption."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from model.evaluation.measures import Measure
from model.training import callbacks
from model.training.callbacks import ProgressBar
from model.training.plan import Plan
from recipes.schema import BestBy

PLAN = Plan(epoch_batches=100, accumulate=1, last_step=400, evaluate_every=100)


class Training:
    """A training that takes as long as it is told, seen through its bar."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        done: int = 0,
        history: list[callbacks.Logs] | None = None,
        best_by: BestBy = "bleu",
    ):
        self._now = time.monotonic()
        monkeypatch.setattr(callbacks, "time", SimpleNamespace(monotonic=lambda: self._now))
        self._step = done
        self._callback = ProgressBar(done, PLAN, history or [], Measure("13a", best_by))
        self.bar = self._callback._bar

    def update(self, *, seconds: float, count: int = 1, words: float = 500.0, per_call: int = 1) -> None:
        for index in range(count):
            self._step += 1
            self._now += seconds * per_call if index % per_call == 0 else 0.0
            self._callback.on_train_batch_end(self._step, {"loss": 2.5, "target_words": words})

    def evaluate(self, seconds: float, bleu: float = 30.0, chrf: float = 40.0, loss: float = 2.0) -> None:
        self._now += seconds
        scores = {"dev_bleu": bleu, "dev_chrf": chrf, "dev_loss": loss}
        logs = {"step": self._step, "loss": 2.5, **scores, "evaluation_seconds": seconds}
        self._callback.on_epoch_end(self._step // PLAN.evaluate_every, logs)

    def end(self, is_over: bool) -> None:
        self._callback.on_train_end({"is_over": is_over})


@pytest.fixture(autouse=True)
def closed_bars() -> Iterator[None]:
    yield
    for bar in list(callbacks.progress_bar.__globals__["Bar"]._instances):
        bar.close()


def test_the_first_update_which_compiles_is_no_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(monkeypatch)
    training.update(seconds=40.0)
    assert training.bar.postfix == "loss 2.500"
    assert re.search(r"\[\d\d:\d\d, \? left, \?, loss 2.500\]", str(training.bar))
    training.update(seconds=0.5, count=9)
    assert training.bar.postfix == "loss 2.500, 1,000 words/s"
    assert training.bar.seconds_left == pytest.approx(390 * 0.5)


def test_an_evaluation_is_no_update_but_those_to_come_count(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(monkeypatch)
    training.update(seconds=0.5, count=100)
    training.evaluate(seconds=60.0)
    training.update(seconds=0.5)
    assert training.bar.postfix == "loss 2.500, 1,000 words/s"
    assert training.bar.seconds_left == pytest.approx(299 * 0.5 + 3 * 60.0)
    shown = training.bar.format_dict
    assert (shown["total"] - shown["n"]) / shown["rate"] == pytest.approx(299 * 0.5 + 3 * 60.0)
    assert shown["speed"] == "2.0 steps/s"


def test_a_resumed_training_knows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(monkeypatch, done=350, history=[{"evaluation_seconds": 20.0}])
    training.update(seconds=30.0)
    training.update(seconds=0.25, count=2)
    assert training.bar.postfix == "loss 2.500, 2,000 words/s"
    assert training.bar.seconds_left == pytest.approx(47 * 0.25 + 20.0)


def test_a_moment_is_no_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The batches of the first updates lay ready."""
    training = Training(monkeypatch, done=100)
    training.update(seconds=3.0)
    training.update(seconds=0.002, count=3)
    assert training.bar.postfix == "loss 2.500"
    training.update(seconds=0.1, count=97)
    assert training.bar.postfix == f"loss 2.500, {100 * 500 / 9.706:,.0f} words/s"


def test_several_updates_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(monkeypatch)
    training.update(seconds=5.0, count=10, per_call=10)
    training.update(seconds=0.5, count=50, per_call=10)
    assert training.bar.postfix == "loss 2.500, 1,000 words/s"
    assert training.bar.seconds_left == pytest.approx(340 * 0.5)


def test_speed_is_that_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(monkeypatch)
    training.update(seconds=2.0, count=50)
    training.update(seconds=0.5, count=80)
    assert training.bar.postfix == "loss 2.500, 1,000 words/s"


@pytest.mark.parametrize(
    ("best_by", "line"),
    [("bleu", "dev BLEU 30.00 (greedy)"), ("chrf", "dev chrF 40.00 (greedy)"), ("loss", "dev loss 2.00")],
)
def test_an_evaluation_is_a_line_with_what_the_best_is_chosen_by(
    best_by: BestBy, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Training(monkeypatch, done=7, best_by=best_by).evaluate(seconds=1.0)
    assert capsys.readouterr().out == f"step 7: loss 2.500, {line}\n"


@pytest.mark.parametrize(
    ("best_by", "scores", "warned"),
    [
        ("bleu", [{"bleu": 0.0}] * 3, True),
        ("bleu", [{"bleu": 0.0}] * 2, False),
        ("bleu", [{"bleu": 0.0}, {"bleu": 0.1}, {"bleu": 2.0}], False),
        ("bleu", [{"bleu": 2.0}, {"bleu": 0.0}, {"bleu": 0.0}], False),
        ("chrf", [{"bleu": 0.0, "chrf": 20.0}] * 3, False),
        ("chrf", [{"bleu": 0.0, "chrf": 1.0}] * 3, True),
        ("loss", [{"bleu": 0.0, "chrf": 1.0, "loss": 0.01}] * 3, False),
    ],
)
def test_scores_next_to_nothing_are_a_warning(
    best_by: BestBy,
    scores: list[dict[str, float]],
    warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Once, and that in whichever session the third of them is."""
    training = Training(monkeypatch, best_by=best_by)
    for each in scores:
        training.evaluate(seconds=1.0, **each)
    said = capsys.readouterr().err
    assert said.count("warning: dev ") == warned
    if warned:
        for words in (
            "after 3 dev evaluations is next to nothing",
            "line n of one dev file",
            "(13a; evaluation.tokenize)",
        ):
            assert words in said
        training.evaluate(seconds=1.0, **scores[0])
        assert "warning" not in capsys.readouterr().err
        history = [{"dev_bleu": 0.0, "dev_chrf": 0.0, "evaluation_seconds": 1.0}] * 2
        Training(monkeypatch, history=history, best_by=best_by).evaluate(seconds=1.0, **scores[0])
        assert "warning: dev " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("scores", "is_over", "warned"),
    [
        ([], True, None),
        ([0.1], True, "dev BLEU 0.10 after 1 dev evaluation is next to nothing"),
        ([0.1, 0.0], True, "dev BLEU 0.00 after 2 dev evaluations is next to nothing"),
        ([0.1, 0.0], False, None),
        ([0.1, 0.7], True, None),
    ],
)
def test_scores_next_to_nothing_are_a_warning_at_the_end_at_the_latest(
    scores: list[float],
    is_over: bool,
    warned: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    training = Training(monkeypatch)
    for bleu in scores:
        training.evaluate(seconds=1.0, bleu=bleu)
    assert "warning" not in capsys.readouterr().err
    training.end(is_over)
    said = capsys.readouterr().err
    assert said.count("warning") == (warned is not None)
    assert (warned or "") in said


def test_what_is_said_of_next_to_nothing_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    training = Training(monkeypatch)
    for _ in range(4):
        training.evaluate(seconds=1.0, bleu=0.02)
    training.end(is_over=True)
    assert capsys.readouterr().err.count("warning") == 1
