"""Which updates a training makes of which batches, and how many it makes at a time.

An update is of ``accumulate`` batches, but the last one of an epoch takes what batches are left: so every epoch
begins with an update of its own, and the number of updates says where in the data to go on.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from model.data.batches import batches_per_epoch, shares, training_batches
from model.data.subword_sampling import sampled_batches, samplers_of
from model.devices.strategies import has_fixed_shapes
from model.training.update import Batches, UpdateFunctions
from recipes import schema
from workspace.layout import WorkDirectory
from workspace.marks import Manifest


class Plan(NamedTuple):
    """How far a training goes: the batches of an epoch and the pairs in one on average; the batches of an update; the
    number of the last update, and those from one dev evaluation to the next."""

    epoch_batches: int
    batch_pairs: float
    accumulate: int
    last_step: int
    evaluate_every: int

    @property
    def epoch_steps(self) -> int:
        """Updates of an epoch, the last of which takes what batches are left."""
        return math.ceil(self.epoch_batches / self.accumulate)

    def batches_of(self, step: int) -> tuple[int, range]:
        """The epoch of the update that is the ``step``th, the first is 1, and its batches in the epoch, from 0."""
        epoch, before = divmod(step - 1, self.epoch_steps)
        first = before * self.accumulate
        return epoch, range(first, min(first + self.accumulate, self.epoch_batches))


def plan_of(manifest: Manifest, settings: schema.Training) -> Plan:
    """The plan for the pairs of ``manifest``."""
    lengths = manifest.lengths["train"]
    batches = batches_per_epoch(lengths, settings)
    plan = Plan(batches, sum(lengths.values()) / batches, settings.accumulate, 0, 0)
    last_step = settings.epochs * plan.epoch_steps
    return plan._replace(
        last_step=min(last_step, settings.max_steps or last_step),
        evaluate_every=settings.evaluate_every or plan.epoch_steps,
    )


def endless_epochs(
    strategy: tf.distribute.Strategy,
    work: WorkDirectory,
    manifest: Manifest,
    settings: schema.Training,
    epoch: int = 0,
    done: int = 0,
) -> Iterator[Batches]:
    """The batches of one epoch after another, the first ``done`` left out, each shared out among the replicas."""
    fixed = has_fixed_shapes(strategy, settings)
    samplers = samplers_of(work, manifest.subwords.joint, settings.subword_sampling)
    longest = max(manifest.lengths["train"]) + 1

    @tf.autograph.experimental.do_not_convert
    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        # Every worker reads all pairs, and takes its part of every batch.
        batches = training_batches(work, manifest, settings, epoch, fixed).skip(done)
        if samplers:
            batches = sampled_batches(batches, samplers, (settings.seed, epoch), done, longest, fixed)
        here = context.num_replicas_in_sync // context.num_input_pipelines
        first = context.input_pipeline_id * here
        return shares(batches, context.num_replicas_in_sync, range(first, first + here))

    while True:
        yield iter(strategy.distribute_datasets_from_function(of_worker))
        epoch, done = epoch + 1, 0


def endless_calls(
    functions: UpdateFunctions, epochs: Iterator[Batches], plan: Plan, updates_per_call: int, step: int
) -> Iterator[list[list[float]]]:
    """Makes the updates after the ``step``th, of ``epochs`` that begin with the first of their batches.

    They come ``updates_per_call`` at a time, or as many as there are before the next dev evaluation or the end of
    the epoch; of each its Update.
    """
    for batches in epochs:
        epoch_end = (step // plan.epoch_steps + 1) * plan.epoch_steps
        while step < epoch_end:
            evaluation = min(plan.last_step, (step // plan.evaluate_every + 1) * plan.evaluate_every)
            end = min(step + updates_per_call, evaluation, epoch_end)
            sizes = [len(plan.batches_of(number)[1]) for number in range(step + 1, end + 1)]
            yield functions.make(batches, sizes)
            step = end


def pairs_of_update(
    step: int, work: WorkDirectory, manifest: Manifest, settings: schema.Training, plan: Plan
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The sources and the targets, int32 [length] each, of all batches of the ``step``th update, made again.

    They are segmented as in the shards, where the pairs are to be found, whatever was drawn for the update.
    """
    epoch, numbers = plan.batches_of(step)
    batches = training_batches(work, manifest, settings, epoch).skip(numbers.start).take(len(numbers))
    sources, targets = zip(*batches.as_numpy_iterator(), strict=True)
    return list(itertools.chain(*sources)), list(itertools.chain(*targets))
