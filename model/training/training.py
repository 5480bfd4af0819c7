"""A training as one object: what is trained, on what, how far, and how far it is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from model.data.batches import training_batches
from model.data.references import read_references
from model.data.subwords import load_subwords
from model.devices.strategies import is_chief, sum_over_workers
from model.network.network import Network
from model.search.translator import TextTranslator
from model.training.finetuning import start_from
from model.training.measure import kept_measure
from model.training.optimizer import Optimizer
from model.training.plan import endless_calls, endless_epochs, plan_of
from model.training.state import TrainingState
from model.training.update import Batches, update_functions
from recipes import schema
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.marks import Manifest


class Training:
    """One worker's share of a training; every worker has its own, and all of them stay in step.

    strategy: over which devices and workers it is spread; chief: whether this worker is the one that evaluates and
    writes. plan: the updates to make, and of which batches. network: what is trained; averaged: what is evaluated and
    kept, a moving average of the network's weights, or the network itself where the recipe wants no average. optimizer,
    functions: what changes the weights, and makes updates by it. state: what checkpoints hold of all this. greedy, dev,
    measure: the translator and the sentences of dev evaluations, and what those are measured by, which only the chief
    does.

    Raises UserError where a subword model is missing, or what the measure needs.
    """

    def __init__(
        self, work: WorkDirectory, recipe: schema.Recipe, manifest: Manifest, strategy: tf.distribute.Strategy
    ):
        self.work, self.recipe, self.manifest, self.strategy = work, recipe, manifest, strategy
        self.settings = settings = recipe.training
        self.chief = is_chief(strategy)
        self.plan = plan = plan_of(manifest, settings, strategy)
        subwords = load_subwords(work, recipe.subwords.joint)
        with strategy.scope():
            sizes = recipe.model, subwords[0].vocabulary, subwords[1].vocabulary, settings.seed
            self.network = Network(*sizes, settings.precision)
            # Of the same seed: the average begins as the weights do.
            self.averaged = Network(*sizes) if settings.ema_decay else self.network
            averages = self.averaged.trainable_variables if settings.ema_decay else ()
            self.optimizer = Optimizer(settings, plan.last_step, self.network.trainable_variables, averages)
        self.state = TrainingState(work, self.averaged, self.optimizer, self.chief, trained=self.network)
        self.functions = update_functions(
            strategy, self.network, self.optimizer, settings, plan.parts, plan.fixed_shapes
        )
        greedy = recipe.search.model_copy(update={"beam_size": 1, "beam_groups": 1})
        self.greedy = TextTranslator(self.averaged, subwords, greedy)
        self.dev = read_references(work, manifest, "dev")
        self.measure = kept_measure(work, recipe, self.dev.targets) if self.chief else None

    def go_on_or_begin(self, initial: WorkDirectory | None) -> None:
        """Goes back to the newest checkpoint, or begins: with the best weights of ``initial``, where there is one.

        Raises UserError where there are checkpoints but none is whole, or the workers see different ones.
        """
        if self.state.restore():
            if self.chief:
                print(f"training goes on at step {int(self.state.step)} of {self.plan.last_step}")
        elif initial:
            start_from(initial, self.network, self.averaged)
        step = int(self.state.step)
        steps, workers = sum_over_workers(self.strategy, [step, 1])
        if steps != step * workers:
            raise UserError(
                f"not all workers see the same checkpoints; {self.work.training} must be one shared directory"
            )

    def is_over(self) -> bool:
        """Whether the last update is made, a callback has stopped the training, or there is no more patience."""
        if int(self.state.step) >= self.plan.last_step or self.network.stop_training:
            return True
        return self.state.out_of_patience(self.settings.patience * self.plan.evaluate_every)

    def evaluated(self) -> list[int]:
        """The updates before the last dev evaluations, as many as are kept (``training.keep_checkpoints``)."""
        return self.plan.evaluations(int(self.state.step), self.settings.keep_checkpoints)

    def epochs(self) -> Iterator[Batches]:
        """The batches of the updates to come, an iterator for every epoch, without end."""
        step = int(self.state.step)
        return endless_epochs(self.strategy, self.work, self.manifest, self.settings, self.plan, step)

    def calls(self) -> Iterator[list[list[float]]]:
        """Makes the updates to come, some at a time: when asked for the next ones, gives the numbers of each Update."""
        return endless_calls(
            self.functions, self.epochs(), self.plan, self.settings.updates_per_call, int(self.state.step)
        )

    def agree(self, *found: bool) -> list[bool]:
        """For each of some things, whether any of the workers has found it; all must ask, at the same point."""
        return [bool(count) for count in sum_over_workers(self.strategy, found)]

    def pairs_of_last_update(self) -> tuple[Sequence[np.ndarray], Sequence[np.ndarray]]:
        """The sources and the targets, int32 [length] each, of all batches of the last update, which are made again.

        They are segmented as in the shards, where the pairs are to be found, whatever was drawn for the update.
        """
        epoch, numbers = self.plan.batches_of(int(self.state.step))
        batches = training_batches(self.work, self.manifest, self.settings, epoch)
        sides = batches.skip(numbers.start).take(len(numbers)).as_numpy_iterator()
        sources, targets = zip(*sides, strict=True)
        return list(itertools.chain(*sources)), list(itertools.chain(*targets))
