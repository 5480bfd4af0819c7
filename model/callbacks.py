"""What happens around the training loop, as Keras callbacks: progress, history, TensorBoard.

To a callback an epoch is the stretch between two dev evaluations, and its logs are those of
``model.train``: loss (nats a target word), dev_bleu, learning_rate, target_words_per_second, step.
"""

from __future__ import annotations

import json
import time
from typing import Any

import keras
import tensorflow as tf

from recipes.layout import WorkDirectory
from recipes.progress import progress_bar

Logs = dict[str, Any]


class Progress(keras.callbacks.Callback):
    """A bar over the updates, with loss and speed; a line for every dev evaluation."""

    def __init__(self, done: int, total: int):
        super().__init__()
        self._bar = progress_bar(total, "training", "step", initial=done)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        self._bar.set_postfix_str(
            f"loss {logs['loss']:.3f}, {logs['target_words_per_second']:.0f} words/s", refresh=False
        )
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        self._bar.write(f"step {logs['step']:.0f}: loss {logs['loss']:.3f}, dev BLEU {logs['dev_bleu']:.2f} (greedy)")

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._bar.close()


class History(keras.callbacks.Callback):
    """One line a dev evaluation in training/history.jsonl; lines after the step resumed from are dropped."""

    def __init__(self, work: WorkDirectory, step: int):
        super().__init__()
        self._path = work.history
        kept = [line for line in read_history(work) if line["step"] <= step]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({name: float(value) for name, value in (logs or {}).items()}) + "\n")


class TensorBoard(keras.callbacks.Callback):
    """Scalars for TensorBoard, by update: every tenth update's loss and speed, every dev evaluation's BLEU."""

    def __init__(self, work: WorkDirectory):
        super().__init__()
        self._writer = tf.summary.create_file_writer(str(work.tensorboard), filename_suffix=f".{int(time.time())}")

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if logs and batch % 10 == 0:
            self._write(batch, {name: logs[name] for name in ("loss", "learning_rate", "target_words_per_second")})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs:
            self._write(int(logs["step"]), {"dev_bleu": logs["dev_bleu"]})
            self._writer.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._writer.close()

    def _write(self, step: int, values: Logs) -> None:
        with self._writer.as_default():
            for name, value in values.items():
                tf.summary.scalar(name, value, step=step)


def read_history(work: WorkDirectory) -> list[Logs]:
    """Every dev evaluation so far, oldest first."""
    if not work.history.is_file():
        return []
    return [json.loads(line) for line in work.history.read_text(encoding="utf-8").splitlines()]
