"""Several models that translate together: the next word's probability is the mean of what they give it.

They have one vocabulary, and each its own sizes. Which ones a recipe wants is its section ``ensemble``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from model.data.subwords import Subwords
from model.network.checkpoint import load_best, load_last
from model.network.folded import fold
from model.network.network import Network, Next
from model.search.model import TranslationModel
from recipes import schema
from recipes.stages import resolved_recipe
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.locations import address_of, located
from workspace.marks import read_manifest


class EnsembleRead(NamedTuple):
    """What every member has read of a batch; initial_state: theirs side by side, [batch, units of all members]."""

    members: tuple[Any, ...]
    initial_state: tf.Tensor


class Ensemble(tf.Module):
    """Models of one vocabulary as one, for ``model.search``.

    Its probability of a word is the mean of its members' (Hansen and Salamon 1990), or with ``of_logs`` their geometric
    mean, scaled to sum to 1. Its alignment is the mean of those of the members that have one.
    """

    def __init__(self, members: Sequence[TranslationModel], of_logs: bool = False):
        super().__init__(name="ensemble")
        self.members, self._of_logs = list(members), of_logs
        self.attends = any(member.attends for member in members)

    def read(self, source: tf.Tensor) -> EnsembleRead:
        """What the members see of the sentences ``source``, int32 [batch, source length]."""
        reads = tuple(member.read(source) for member in self.members)
        return EnsembleRead(reads, tf.concat([read.initial_state for read in reads], axis=1))

    def output_kernel(self) -> tuple[tf.Tensor, ...]:
        """Those of all members."""
        return tuple(member.output_kernel() for member in self.members)

    def step(
        self, read: EnsembleRead, state: tf.Tensor, previous: tf.Tensor, output_kernel: tuple[tf.Tensor, ...]
    ) -> Next:
        """As ``Network.step``; the logits are log-probabilities but for a number that is the same for all words."""
        states = tf.split(state, [of_member.initial_state.shape[1] for of_member in read.members], axis=1)
        steps = [
            member.step(of_member, its_state, previous, kernel)
            for member, of_member, its_state, kernel in zip(
                self.members, read.members, states, output_kernel, strict=True
            )
        ]
        return Next(
            self._mean([step.logits for step in steps]),
            tf.concat([step.state for step in steps], axis=1),
            self._mean_alignment([step.alignment for step in steps]),
        )

    def _mean(self, logits: list[tf.Tensor]) -> tf.Tensor:
        """Of their probabilities or logarithms, [rows, vocabulary]."""
        # Some members' vocabulary is filled up with words that never follow.
        most = max(each.shape[1] for each in logits)
        logits = [_filled_up(each, most) for each in logits]
        if self._of_logs:
            # What makes the logarithms of probabilities of logits is one number for all words.
            return tf.add_n(logits) / len(logits)
        return tf.reduce_logsumexp(tf.stack([tf.nn.log_softmax(each) for each in logits]), axis=0)

    def _mean_alignment(self, alignments: list[tf.Tensor]) -> tf.Tensor:
        attending = [alignment for member, alignment in zip(self.members, alignments, strict=True) if member.attends]
        return tf.add_n(attending) / len(attending) if attending else alignments[0]


def _filled_up(logits: tf.Tensor, vocabulary: int) -> tf.Tensor:
    """With words that never follow: [rows, vocabulary]."""
    missing = vocabulary - logits.shape[1]
    return tf.pad(logits, [[0, 0], [0, missing]], constant_values=-math.inf) if missing else logits


def trained_model(work: WorkDirectory, recipe: schema.Recipe, subwords: tuple[Subwords, Subwords]) -> TranslationModel:
    """What ``recipe`` translates with, after the training in ``work``: the best network, or an ensemble with it.

    Raises UserError where a training is missing or damaged, or has other subwords, or too few checkpoints.
    """
    wanted = recipe.ensemble
    members: list[Network] = []
    for run, of_run in [(work, recipe), *_other_runs(work, recipe)]:
        if wanted.checkpoints == 1:
            members.append(load_best(run, of_run, subwords))
            continue
        networks = load_last(run, of_run, subwords, wanted.checkpoints)
        members += [with_mean_weights(networks)] if wanted.average == "weights" else networks
    folded = [fold(network, recipe.search.beam_size) for network in members]
    return folded[0] if len(folded) == 1 else Ensemble(folded, of_logs=wanted.average == "log_probability")


def with_mean_weights(networks: Sequence[Network]) -> Network:
    """The first of ``networks``, all checkpoints of one training, with the mean of their weights."""
    for weights in zip(*(network.trainable_variables for network in networks), strict=True):
        weights[0].assign(np.mean([weight.numpy() for weight in weights], axis=0, dtype=np.float64))
    return networks[0]


def _other_runs(work: WorkDirectory, recipe: schema.Recipe) -> list[tuple[WorkDirectory, schema.Recipe]]:
    """Those that join ``work``, with their recipes."""
    runs: list[tuple[WorkDirectory, schema.Recipe]] = []
    known = {address_of(work.root)}
    for root in recipe.ensemble.runs:
        run: WorkDirectory = WorkDirectory(located(root))
        if address_of(run.root) in known:
            raise UserError(f"ensemble.runs: {root} is in the ensemble already; leave it out")
        known.add(address_of(run.root))
        of_run = resolved_recipe(run)
        if read_manifest(run).subwords != read_manifest(work).subwords:
            raise UserError(
                f"ensemble.runs: {root} has other subwords than {work.root}, so their words are not the same; train it "
                f"with subwords.from_work={work.root}, or leave it out"
            )
        runs.append((run, of_run))
    return runs
