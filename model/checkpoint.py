"""What is kept of a training: the newest states to go on from, and the weights of the best dev BLEU.

A checkpoint holds weights, optimizer, the number of updates, what early stopping remembers, and the
state of dropout's random numbers, which Keras does not count among the things to be saved. The order of
batches is a function of seed and epoch (model.batches), so the number of updates also says where in the
data to go on.
"""

from __future__ import annotations

import hashlib

import tensorflow as tf

from model.network import Network
from model.optimizer import Optimizer
from model.subwords import Subwords
from recipes import schema
from recipes.errors import UserError
from recipes.layout import WorkDirectory

CHECKPOINTS_KEPT = 3


class TrainingState:
    """The checkpoints of one training.

    step: updates made; best_bleu, best_step: the best dev evaluation so far (-1 before the first); seconds:
    time spent training, over all sessions. Every worker of a training has them in memory; the ``chief`` alone writes.
    """

    def __init__(self, work: WorkDirectory, network: Network, optimizer: Optimizer, chief: bool = True):
        self._chief = chief
        self.step = tf.Variable(0, dtype=tf.int64)
        self.best_bleu = tf.Variable(-1.0, dtype=tf.float64)
        self.best_step = tf.Variable(0, dtype=tf.int64)
        self.seconds = tf.Variable(0.0, dtype=tf.float64)
        everything = tf.train.Checkpoint(
            network=network,
            random=[variable.value for variable in network.non_trainable_variables],
            optimizer=optimizer,
            step=self.step,
            best_bleu=self.best_bleu,
            best_step=self.best_step,
            seconds=self.seconds,
        )
        self._newest = tf.train.CheckpointManager(everything, str(work.checkpoints), max_to_keep=CHECKPOINTS_KEPT)
        best = tf.train.Checkpoint(network=network)
        self._best = tf.train.CheckpointManager(best, str(work.best_checkpoint), max_to_keep=1)

    def restore(self) -> bool:
        """Goes back to the newest checkpoint; whether there was one."""
        return self._newest.restore_or_initialize() is not None

    def save(self) -> None:
        if self._chief:
            self._newest.save(checkpoint_number=self.step)

    def keep_best(self, bleu: float) -> None:
        """Keeps the present weights in place of the best so far, if ``bleu``, their dev BLEU, is better."""
        if bleu <= float(self.best_bleu):
            return
        self.best_bleu.assign(bleu)
        self.best_step.assign(self.step)
        if self._chief:
            self._best.save(checkpoint_number=self.step)

    def out_of_patience(self, steps: int) -> bool:
        """Whether the last ``steps`` updates brought no better dev BLEU."""
        return int(self.best_step) > 0 and int(self.step) - int(self.best_step) >= steps

    def restore_best(self, network: Network) -> None:
        # As it is on the disk: a manager knows only what it wrote itself, and the chief writes.
        path = tf.train.latest_checkpoint(self._best.directory)
        tf.train.Checkpoint(network=network).restore(path).expect_partial()


def newest_step(work: WorkDirectory) -> int:
    """Updates made up to the newest checkpoint, or 0 where there is none."""
    path = tf.train.latest_checkpoint(str(work.checkpoints))
    return int(path.rpartition("-")[2]) if path else 0


def load_best(work: WorkDirectory, recipe: schema.Recipe, subwords: tuple[Subwords, Subwords]) -> Network:
    """The network with the weights of the best dev BLEU. Raises UserError where nothing has been trained."""
    path = tf.train.latest_checkpoint(str(work.best_checkpoint))
    if path is None or not work.training_mark.is_file():
        raise UserError(f"{work.training} holds no finished training; make one with make train")
    source, target = subwords
    network = Network(recipe.model, source.vocabulary, target.vocabulary, recipe.training.seed)
    tf.train.Checkpoint(network=network).restore(path).expect_partial()
    return network


def digest_of(network: Network) -> str:
    """SHA-256 over all weights in the order they were made, in hexadecimal."""
    digest = hashlib.sha256()
    for weight in network.trainable_variables:
        digest.update(weight.numpy().tobytes())
    return digest.hexdigest()
