"""What happens around the training loop, as Keras callbacks: progress and history; model.tensorboard has another.

To a callback an epoch is the stretch between two dev evaluations, and its logs are those of ``model.train``:
loss (nats a target word) and target_words_per_second since the last dev evaluation; gradient_norm (before
clipping), padding (share of positions) and learning_rate of the last update; step, epoch; and at the end of an
epoch dev_bleu and seconds.
"""

from __future__ import annotations

import json
from typing import Any

import keras

from recipes.files import replacing
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
        self._lines = [line for line in read_history(work) if line["step"] <= step]
        self._write()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._lines.append({name: float(value) for name, value in (logs or {}).items()})
        self._write()

    def _write(self) -> None:
        """All of it, for a line that is added may be cut off in the middle."""
        with replacing(self._path) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in self._lines), encoding="utf-8")


def read_history(work: WorkDirectory) -> list[Logs]:
    """Every dev evaluation so far, oldest first."""
    if not work.history.is_file():
        return []
    return [json.loads(line) for line in work.history.read_text(encoding="utf-8").splitlines()]
