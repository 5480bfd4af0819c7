"""Which updates a training makes of which batches, how many at a time, and how the devices take a batch.

An update is of ``accumulate`` batches, but the last one of an epoch takes what batches are left: so every epoch
begins with an update of its own, and the number of updates says where in the data to go on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import tensorflow as tf

from model.data.batches import batches_per_epoch, shares, training_batches
from model.data.subword_sampling import sampled_batches, samplers_of
from model.devices.cores import parts_of_batch
from model.devices.strategies import has_fixed_shapes
from model.training.update import Batches, UpdateFunctions
from recipes import schema
from workspace.layout import WorkDirectory
from workspace.marks import Manifest


class Plan(NamedTuple):
    """How far a training goes, and how its batches come to the devices.

    epoch_batches: batches of an epoch; accumulate: batches of an update; last_step: the number of the last update;
    evaluate_every: updates from one dev evaluation to the next. fixed_shapes: whether batches have one of a few shapes;
    parts: into how many a replica cuts its share of a batch, to compute them side by side.
    """

    epoch_batches: int
    accumulate: int
    last_step: int
    evaluate_every: int
    fixed_shapes: bool = False
    parts: int = 1

    @property
    def epoch_steps(self) -> int:
        """Updates of an epoch, the last of which takes what batches are left."""
        return math.ceil(self.epoch_batches / self.accumulate)

    def evaluations(self, step: int, count: int) -> list[int]:
        """The last ``count`` updates up to the ``step``th that a dev evaluation comes after, in their order."""
        regular = range(self.evaluate_every, step + 1, self.evaluate_every)[-count:]
        return [*regular, *([step] if step == self.last_step and step not in regular else [])][-count:]

    def batches_of(self, step: int) -> tuple[int, range]:
        """The epoch of the update that is the ``step``th, the first is 1, and its batches in the epoch, from 0."""
        epoch, before = divmod(step - 1, self.epoch_steps)
        first = before * self.accumulate
        return epoch, range(first, min(first + self.accumulate, self.epoch_batches))


def plan_of(manifest: Manifest, settings: schema.Training, strategy: tf.distribute.Strategy) -> Plan:
    """The plan for the pairs of ``manifest``."""
    lengths = manifest.lengths["train"]
    batches = batches_per_epoch(lengths, settings)
    epoch_steps = math.ceil(batches / settings.accumulate)
    last_step = settings.epochs * epoch_steps
    fixed = has_fixed_shapes(strategy, settings)
    return Plan(
        batches,
        settings.accumulate,
        min(last_step, settings.max_steps or last_step),
        settings.evaluate_every or epoch_steps,
        fixed,
        parts_of_batch(strategy, sum(lengths.values()) / batches, fixed),
    )


def endless_epochs(
    strategy: tf.distribute.Strategy,
    work: WorkDirectory,
    manifest: Manifest,
    settings: schema.Training,
    plan: Plan,
    step: int = 0,
) -> Iterator[Batches]:
    """The batches of the updates after the ``step``th, epoch after epoch, each shared out among the replicas."""
    samplers = samplers_of(work, manifest.subwords.joint, settings.subword_sampling)
    longest = max(manifest.lengths["train"]) + 1
    epoch, batches_of_next = plan.batches_of(step + 1)
    done = batches_of_next.start

    @tf.autograph.experimental.do_not_convert
    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        # Every worker reads all pairs, and takes its part of every batch.
        batches = training_batches(work, manifest, settings, epoch, plan.fixed_shapes).skip(done)
        if samplers:
            batches = sampled_batches(batches, samplers, (settings.seed, epoch), done, longest, plan.fixed_shapes)
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
