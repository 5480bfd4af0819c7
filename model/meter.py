"""The sums of a training since its last dev evaluation, as variables, so that a checkpoint holds them."""

from __future__ import annotations

import time

import tensorflow as tf


class Meter(tf.Module):
    """Averages since the last reset: loss in nats a target word, and target words per second.

    The seconds are those of all sessions, from start() on.
    """

    def __init__(self) -> None:
        super().__init__()
        # Loss in nats, target words, seconds.
        self._sums = tf.Variable([0.0, 0.0, 0.0], dtype=tf.float64)
        self.start()

    def start(self) -> None:
        """The clock runs from now on."""
        self._now = time.monotonic()

    def add(self, loss: float, words: float) -> None:
        """One update with the mean ``loss`` over ``words`` target words."""
        before, self._now = self._now, time.monotonic()
        self._sums.assign_add([loss * words, words, self._now - before])

    def averages(self) -> dict[str, float]:
        loss, words, seconds = self._sums.numpy()
        return {"loss": float(loss / words), "target_words_per_second": float(words / seconds)}

    def reset(self) -> None:
        self._sums.assign([0.0, 0.0, 0.0])
        self.start()
