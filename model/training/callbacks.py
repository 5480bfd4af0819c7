"""What happens around the training loop, as Keras callbacks: progress and history; ``tensorboard`` has another.

To a callback an epoch is the stretch between two dev evaluations, and its logs are those of ``model.train``:
loss (nats a target word) and target_words_per_second since the last dev evaluation; gradient_norm (before
clipping), padding (share of positions), target_words and learning_rate of the last update; step, epoch; and at the
end of an epoch dev_bleu and dev_chrf, dev_loss where the best is chosen by it, evaluation_seconds (of this dev
evaluation) and seconds (of the training so far).
"""

from __future__ import annotations

import collections
import json
import math
import sys
import time
from typing import Any

import keras

from model.evaluation.measures import NAMES, Measure
from model.training.plan import Plan
from workspace.history import read_history
from workspace.layout import WorkDirectory
from workspace.progress import progress_bar
from workspace.storage import write_text

Logs = dict[str, Any]

SECONDS_OF_SPEED = 30.0
# A few updates of a small network are made in less, for their batches lay ready.
LEAST_SECONDS_OF_SPEED = 0.5
SECONDS_WITHIN_A_CALL = 0.001
# How many dev evaluations it may take to be more than next to nothing.
EVALUATIONS_TO_LEARN = 3


class ProgressBar(keras.callbacks.Callback):
    """A bar over the updates, with loss, speed and time left; a line for every dev evaluation, and a warning where the
    first few, or all there are, are next to nothing.

    Speed is that of the last half minute of updates: neither dev evaluations nor the first update of a session, which
    compiles the others, count. The time left has the dev evaluations to come in it, each as long as the last one.
    """

    def __init__(self, done: int, plan: Plan, history: list[Logs], measure: Measure):
        """done: updates made before this session, in which ``history`` was written."""
        super().__init__()
        self._plan, self._measure = plan, measure
        self._key = f"dev_{measure.best_by}"
        self._scores = [line[self._key] for line in history if self._key in line]
        self._evaluation_seconds = history[-1].get("evaluation_seconds", 0.0) if history else 0.0
        self._clock = time.monotonic()
        # Seconds of updates, target words and updates of this session, at the end of recent calls.
        self._seconds, self._words = 0.0, 0.0
        self._ends: collections.deque[tuple[float, float, int]] = collections.deque()
        self._bar = progress_bar(plan.last_step, "training", "step", initial=done)
        self._bar.seconds_left = math.inf

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        now = time.monotonic()
        self._seconds += now - self._clock
        self._clock = now
        self._words += logs["target_words"]
        postfix = f", loss {logs['loss']:.3f}"
        if speed := self._speed(batch):
            words_per_second, self._bar.rate_now = speed
            postfix += f", {words_per_second:,.0f} words/s"
            self._bar.seconds_left = self._seconds_left(batch, self._bar.rate_now)
        self._bar.set_postfix_str(postfix.removeprefix(", "), refresh=False)
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        self._clock = time.monotonic()
        self._evaluation_seconds = logs["evaluation_seconds"]
        of = "" if self._measure.best_by == "loss" else " (greedy)"
        self._scores.append(logs[self._key])
        self._bar.write(f"step {logs['step']:.0f}: loss {logs['loss']:.3f}, {self._last_score()}{of}")
        if len(self._scores) == EVALUATIONS_TO_LEARN:
            self._warn_of_next_to_nothing()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """logs: with ``is_over``, which is false where the training is to be gone on with."""
        if logs and logs["is_over"] and len(self._scores) < EVALUATIONS_TO_LEARN:
            self._warn_of_next_to_nothing()
        self._bar.close()

    def _warn_of_next_to_nothing(self) -> None:
        if max(self._scores, default=math.inf) >= self._measure.next_to_nothing:
            return
        count = len(self._scores)
        self._bar.write(
            f"warning: {self._last_score()} after {count} dev evaluation{'s' if count > 1 else ''} is next to nothing; "
            "look at whether the loss falls, whether line n of one dev file is the translation of line n of the other, "
            f"and whether BLEU's tokenizer ({self._measure.tokenize}; evaluation.tokenize) is that of the target "
            "language",
            file=sys.stderr,
        )

    def _last_score(self) -> str:
        return f"dev {NAMES[self._measure.best_by]} {self._scores[-1]:.2f}"

    def _speed(self, step: int) -> tuple[float, float] | None:
        """Target words and updates a second, up to now; None while little but the first call is made."""
        ends = self._ends
        # Of the updates of one call all are heard of when the last is made.
        if ends and self._seconds - ends[-1][0] < SECONDS_WITHIN_A_CALL:
            ends.pop()
        ends.append((self._seconds, self._words, step))
        while len(ends) > 2 and self._seconds - ends[1][0] > SECONDS_OF_SPEED:
            ends.popleft()
        seconds, words, steps = (now - before for now, before in zip(ends[-1], ends[0], strict=True))
        return (words / seconds, steps / seconds) if seconds >= LEAST_SECONDS_OF_SPEED else None

    def _seconds_left(self, step: int, steps_per_second: float) -> float:
        last, every = self._plan.last_step, self._plan.evaluate_every
        evaluations = math.ceil(last / every) - step // every
        return (last - step) / steps_per_second + evaluations * self._evaluation_seconds


class History(keras.callbacks.Callback):
    """One line a dev evaluation in training/history.jsonl; lines after the step resumed from are dropped."""

    def __init__(self, work: WorkDirectory, step: int):
        super().__init__()
        self._path = work.history
        self.lines = [line for line in read_history(work) if line["step"] <= step]
        self._write()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.lines.append({name: float(value) for name, value in (logs or {}).items()})
        self._write()

    def _write(self) -> None:
        """All of it, for a line that is added may be cut off in the middle."""
        write_text(self._path, "".join(json.dumps(line) + "\n" for line in self.lines))
