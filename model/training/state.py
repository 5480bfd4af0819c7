"""What is kept of a training: the newest states to go on from, the one of the best dev score, and those of the last
dev evaluations, as many as the recipe wants.

    training/checkpoints/<step>/    state.index, state.data-*, and checkpoint.json with the SHA-256 of both

A checkpoint holds weights, and their moving average where there is one, optimizer, the number of updates, the best
dev evaluation, the sums since the last one, and the state of dropout's random numbers, which Keras does not
count among the things to be saved. The order of batches is a function of seed and epoch (model.data.batches),
so the number of updates also says where in the data to go on.

A checkpoint appears whole or not at all. There is one after every dev evaluation, so the best weights are in
one of the checkpoints: what the newest says is the best, and what is kept as the best, cannot differ.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence

import tensorflow as tf

from model.network.checkpoint import MARK, STATE, CheckpointMark, damaged_file, read_into, read_mark, read_weights
from model.network.network import Network
from model.training.optimizer import Optimizer
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.listing import entries
from workspace.locations import Location
from workspace.storage import make_directory, remove, replacing, sha256_of, write_json

CHECKPOINTS_KEPT = 3


class TrainingState:
    """What a training goes on from.

    network: whose weights are evaluated and kept; trained: the one that is trained, where that is another because
    those of ``network`` are a moving average of its weights.

    step: updates made; best_score, best_step: the best dev evaluation so far, the larger the better, and of equal ones
    the last (minus infinity and 0 before the first); better_step: the last that was better than those before it, or
    worth nothing like them; meter: sums since the last one;
    seconds: time spent training, over all sessions; numbers: by their names all that must stay finite, weights and
    optimizer. Every worker of a training has them in memory; the ``chief`` alone writes.
    """

    def __init__(
        self,
        work: WorkDirectory,
        network: Network,
        optimizer: Optimizer,
        chief: bool = True,
        trained: Network | None = None,
    ):
        trained = trained or network
        self.step = tf.Variable(0, dtype=tf.int64)
        self.best_score = tf.Variable(-math.inf, dtype=tf.float64)
        self.best_step = tf.Variable(0, dtype=tf.int64)
        self.better_step = tf.Variable(0, dtype=tf.int64)
        self.seconds = tf.Variable(0.0, dtype=tf.float64)
        self.meter = Meter()
        self._work = work
        self._network = network
        self._chief = chief
        self.numbers = {weight.path: weight.value for weight in trained.trainable_variables}
        self.numbers |= {slot.name: slot for slots in optimizer.slots for slot in slots}
        self._everything = tf.train.Checkpoint(
            network=network,
            trained=trained,
            random=[variable.value for variable in trained.non_trainable_variables],
            optimizer=optimizer,
            step=self.step,
            best_score=self.best_score,
            best_step=self.best_step,
            better_step=self.better_step,
            meter=self.meter,
            seconds=self.seconds,
        )

    def restore(self) -> bool:
        """Goes back to the newest checkpoint that is whole, with a warning for each that is not; whether there was one.

        Raises UserError where there are checkpoints, but none is whole or fits the network.
        """
        damaged: list[Location] = []
        for step in reversed(self._work.steps()):
            file = damaged_file(self._work, step)
            if file is None:
                read_into(self._everything, self._work, step)
                return True
            damaged.append(file)
            print(f"warning: {file} is missing or damaged; trying the checkpoint before it", file=sys.stderr)
        if damaged:
            raise UserError(
                f"no checkpoint in {self._work.checkpoints} is whole ({damaged[0]} is missing or damaged); "
                f"remove {self._work.training} to train from the beginning"
            )
        return False

    def save(self, evaluated: Sequence[int] = ()) -> None:
        """Writes a checkpoint of this moment, and removes those that are no longer needed: not those of the steps
        ``evaluated``."""
        if not self._chief:
            return
        step = int(self.step)
        with replacing(self._work.checkpoint(step), last=MARK) as temporary:
            make_directory(temporary)
            self._everything.write(str(temporary / STATE))
            files = {path.name: sha256_of(path) for path in sorted(temporary.iterdir())}
            write_json(temporary / MARK, CheckpointMark(int(self.best_step), files)._asdict())
        self._remove_all_but_needed(step, evaluated)

    def keep_best(self, score: float, next_to_nothing: float = -math.inf) -> None:
        """Takes the present weights for the best so far unless ``score``, of their dev evaluation, is worse; save()
        keeps them. Of equal scores the weights that are trained longer are likelier the better.

        Below ``next_to_nothing`` scores are noise, and equal; patience begins where they end.
        """
        worth, best = (max(each, next_to_nothing) for each in (score, float(self.best_score)))
        if worth > best or best == next_to_nothing:
            self.better_step.assign(self.step)
        if worth >= best:
            self.best_score.assign(score)
            self.best_step.assign(self.step)

    def out_of_patience(self, steps: int) -> bool:
        """Whether the last ``steps`` updates brought no better dev score."""
        return int(self.better_step) > 0 and int(self.step) - int(self.better_step) >= steps

    def restore_best(self) -> None:
        """Gives the network the weights of the best dev score. Raises UserError where they are damaged."""
        read_weights(self._network, self._work, int(self.best_step))

    def _remove_all_but_needed(self, step: int, evaluated: Sequence[int]) -> None:
        """Keeps the newest checkpoints up to ``step``, those that they name as the best, and ``evaluated``.

        Later ones are damaged, or this would not be the newest.
        """
        newest = [earlier for earlier in self._work.steps() if earlier <= step][-CHECKPOINTS_KEPT:]
        marks = [read_mark(self._work.checkpoint(kept)) for kept in newest]
        needed = {*newest, *evaluated, *(mark.best_step for mark in marks if mark)}
        for unneeded in set(self._work.steps()) - needed:
            # A checkpoint disappears whole, too.
            remove(self._work.checkpoint(unneeded), last=MARK)
        # What a killed process left behind.
        for found in entries(self._work.checkpoints):
            if found.name.startswith("."):
                remove(found)


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


def newest_step(work: WorkDirectory) -> int:
    """Updates made up to the newest checkpoint, or 0 where there is none."""
    return max(work.steps(), default=0)
