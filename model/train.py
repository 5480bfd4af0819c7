"""Trains the network: shards in, the checkpoint with the best dev BLEU out.

The loop is ours, under tf.distribute, because Keras 3's ``fit`` fails under MultiWorkerMirroredStrategy;
Keras callbacks are kept. Interrupted and started again, it goes on from the newest checkpoint.

    python -m model.train --work work/bible [--strategy mirrored | --workers 2]

However many replicas and workers share the training (model.strategies), it is the same training: the same batches,
and loss, gradient and clipping of the whole batch. All workers run the same loop in step, but only the chief
evaluates and writes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import sacrebleu
import tensorflow as tf

from model.batches import batches_per_epoch, shares, training_batches
from model.callbacks import History, Progress
from model.checkpoint import TrainingState, digest_of, newest_step
from model.divergence import DivergenceError, check_state, check_update, diverged
from model.finetuning import check_fits, start_from
from model.interruption import interruption_put_off
from model.loss import summed_cross_entropy
from model.network import Network
from model.optimizer import Optimizer
from model.references import References, read_references
from model.strategies import STRATEGIES, choose_strategy, is_chief, naming_lost_workers, sum_over_workers, wait_for_all
from model.subwords import load_subwords
from model.tensorboard import TensorBoard
from model.translator import Translator, translate_all
from model.workers import WorkerError, run_workers
from recipes import schema
from recipes.errors import UserError, run_command
from recipes.files import read_json, remove, replacing, write_json
from recipes.layout import PADDING_ID, WorkDirectory
from recipes.stages import TRAIN, resolved_recipe

STARTED = "started.json"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m model.train", description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="work directory, with data/ prepared")
    parser.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default="auto",
        help="how it is spread: over the devices of this machine (mirrored), the machines that TF_CONFIG names "
        "(multi_worker), the TPU that TPU_NAME names (tpu), or not (one); default: by the first of these that is there",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="spread it over N processes on this machine's cores")
    options = parser.parse_args(arguments)
    work = WorkDirectory(options.work)
    recipe = resolved_recipe(work)
    if options.workers is None:
        train(work, recipe, choose_strategy(options.strategy))
        return
    if options.strategy not in ("auto", "multi_worker"):
        raise UserError(f"--workers and --strategy {options.strategy} exclude one another; give one of them")
    try:
        run_workers(options.workers, "model.train", ["--work", str(work.root), "--strategy", "multi_worker"])
    except WorkerError as error:
        raise UserError(f"{error}; start the same command to go on from step {newest_step(work)}") from error


def train(
    work: WorkDirectory,
    recipe: schema.Recipe,
    strategy: tf.distribute.Strategy | None = None,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
) -> Network:
    """Trains to the end and returns the network with the best weights; ``callbacks`` join the project's own.

    Raises UserError where the data is not prepared, no checkpoint is whole, the training diverges, or another worker
    is gone; and KeyboardInterrupt after Ctrl-C or SIGTERM, with a checkpoint of the last update.
    """
    manifest = read_json(work.manifest)
    if manifest is None:
        raise UserError(f"{work.data} holds no prepared corpus; make one with make prepare")
    if other := initial_work(recipe):
        check_fits(other, work, recipe)
    strategy = strategy or tf.distribute.get_strategy()
    with naming_lost_workers(strategy):
        if is_chief(strategy):
            make_room(work, recipe)
        wait_for_all(strategy)  # Nobody looks for checkpoints before there is room.
        network = _train(work, recipe, manifest, strategy, callbacks)
        wait_for_all(strategy)  # Nobody leaves before all is written: the others would miss him.
    return network


def _train(
    work: WorkDirectory,
    recipe: schema.Recipe,
    manifest: Mapping,
    strategy: tf.distribute.Strategy,
    callbacks: tuple[keras.callbacks.Callback, ...],
) -> Network:
    chief = is_chief(strategy)
    settings = recipe.training
    subwords = load_subwords(work, recipe.subwords.joint)
    plan = plan_of(manifest, settings)
    with strategy.scope():
        sizes = recipe.model, subwords[0].vocabulary, subwords[1].vocabulary, settings.seed
        network = Network(*sizes)
        # Of the same seed: the average begins as the weights do.
        averaged = Network(*sizes) if settings.ema_decay else network
        averages = averaged.trainable_variables if settings.ema_decay else ()
        optimizer = Optimizer(settings, plan.last_step, network.trainable_variables, averages)
    state = TrainingState(work, averaged, optimizer, chief, trained=network)
    if state.restore():
        if chief:
            print(f"training goes on at step {int(state.step)} of {plan.last_step}")
    elif other := initial_work(recipe):
        start_from(other, network, averaged)
    step = int(state.step)
    check_same_step(strategy, step, work)

    greedy = Translator(averaged, subwords, recipe.search.model_copy(update={"beam_size": 1}))
    dev = read_references(work, manifest, "dev")
    batches = endless_batches(strategy, work, manifest, settings, step, plan.epoch_steps)
    update = update_function(strategy, network, optimizer, settings)
    ours = (
        [Progress(step, plan.last_step), History(work, step), TensorBoard(work, greedy, dev.sources)] if chief else []
    )
    watchers = keras.callbacks.CallbackList([*ours, *callbacks], model=network)

    def evaluate() -> float:
        (bleu,) = sum_over_workers(strategy, [dev_bleu(greedy, dev) if chief else 0.0])
        return bleu

    watchers.on_train_begin()
    try:
        updates = (update(*batch) for batch in batches)
        run_updates(strategy, updates, state, network, optimizer, settings, plan, evaluate, watchers)
    except DivergenceError as what:
        error = UserError(str(what))
        if chief:
            batch = batch_of_update(int(state.step), work, manifest, settings, plan.epoch_steps)
            error = diverged(what, int(state.step), work, manifest, batch)
        wait_for_all(strategy)  # Who leaves first is the one whose error is shown.
        raise error from what
    finally:
        watchers.on_train_end()
    wait_for_all(strategy)  # The chief may not have written yet what all read now.
    state.restore_best()
    if chief:
        leave_mark(work, recipe, averaged, state)
    return averaged


class Plan(NamedTuple):
    """How far a training goes, in updates: an epoch's, the last, and those from one dev evaluation to the next."""

    epoch_steps: int
    last_step: int
    evaluate_every: int


def plan_of(manifest: Mapping, settings: schema.Training) -> Plan:
    """The plan for the pairs of ``manifest``."""
    epoch_steps = batches_per_epoch(manifest["lengths"]["train"], settings)
    last_step = min(settings.epochs * epoch_steps, settings.max_steps or settings.epochs * epoch_steps)
    return Plan(epoch_steps, last_step, settings.evaluate_every or epoch_steps)


def run_updates(
    strategy: tf.distribute.Strategy,
    updates: Iterator[Update],
    state: TrainingState,
    network: Network,
    optimizer: Optimizer,
    settings: schema.Training,
    plan: Plan,
    evaluate: Callable[[], float],
    watchers: keras.callbacks.CallbackList,
) -> None:
    """Makes updates until the last, or until there is no more patience, with dev evaluations and checkpoints.

    All workers do so in step: what only one of them knows, they tell each other after every update.

    Raises DivergenceError, and nothing of it is in a checkpoint; and KeyboardInterrupt after Ctrl-C or SIGTERM, with
    a checkpoint of the last update.
    """
    step, patience = int(state.step), settings.patience * plan.evaluate_every
    began, saved = time.monotonic() - float(state.seconds), time.monotonic()
    state.meter.start()
    with interruption_put_off() as interruption:
        while step < plan.last_step and not network.stop_training and not state.out_of_patience(patience):
            loss, words, gradient_norm, padding, learning_rate = (float(value) for value in next(updates))
            step += 1
            state.step.assign(step)
            state.meter.add(loss, words)
            check_update(loss, gradient_norm, network)
            logs = {
                **state.meter.averages(),
                "step": step,
                "epoch": step / plan.epoch_steps,
                "learning_rate": learning_rate,
                "gradient_norm": gradient_norm,
                "padding": padding,
            }
            watchers.on_train_batch_end(step, logs)
            evaluate_now = step % plan.evaluate_every == 0 or step == plan.last_step
            due = time.monotonic() - saved >= settings.checkpoint_seconds
            interrupted, due, stopped = map(
                bool, sum_over_workers(strategy, [interruption.is_set(), due, network.stop_training])
            )
            network.stop_training = stopped
            if not (evaluate_now or interrupted or due):
                continue
            check_state(state.numbers)
            if evaluate_now:
                bleu = evaluate()
                state.keep_best(bleu)
                optimizer.reduce_on_plateau(int(state.best_step), settings.plateau_patience * plan.evaluate_every)
                watchers.on_epoch_end(
                    step // plan.evaluate_every, {**logs, "dev_bleu": bleu, "seconds": time.monotonic() - began}
                )
                state.meter.reset()
            state.seconds.assign(time.monotonic() - began)
            state.save()
            saved = time.monotonic()
            if interrupted:
                raise KeyboardInterrupt


class Update(NamedTuple):
    """Of one update, float32 scalars: the loss in nats a target word, the target words, the norm of the gradient
    before it was clipped, the share of both sides' positions that are padding, and the learning rate."""

    loss: tf.Tensor
    words: tf.Tensor
    gradient_norm: tf.Tensor
    padding: tf.Tensor
    learning_rate: tf.Tensor


def update_function(
    strategy: tf.distribute.Strategy, network: Network, optimizer: Optimizer, settings: schema.Training
) -> Callable[[tf.Tensor, tf.Tensor], Update]:
    """One update of all weights for a batch (source, target).

    Loss and gradient are those of the whole batch, however many replicas share it: the sum over its words,
    divided by their number, clipped to ``clip_norm``.
    """
    replicas = strategy.num_replicas_in_sync
    weights = network.trainable_variables

    def sums_of_share(source: tf.Tensor, target: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = network(source, target, training=True)
            total, words = summed_cross_entropy(logits, target, settings.label_smoothing)
        gradients = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(total, [w.value for w in weights])]
        padded = tf.concat([tf.reshape(side, [-1]) == PADDING_ID for side in (source, target)], axis=0)
        return [
            total,
            words,
            tf.reduce_sum(tf.cast(padded, tf.float32)),
            tf.cast(tf.size(padded), tf.float32),
            *gradients,
        ]

    if settings.jit_compile:
        sums_of_share = tf.function(sums_of_share, jit_compile=True)

    def on_replica(source: tf.Tensor, target: tf.Tensor) -> Update:
        sums = sums_of_share(source, target)
        if replicas > 1:
            sums = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, sums)
        total, words, padding, positions, *gradients = sums
        norm = tf.linalg.global_norm(gradients) / words
        factor = tf.minimum(1.0, settings.clip_norm / norm) / words
        rate = optimizer.apply([gradient * factor for gradient in gradients])
        return Update(total / words, words, norm, padding / positions, rate)

    @tf.function(input_signature=None if has_fixed_shapes(strategy, settings) else batches_of_any_shape(strategy))
    def update(source: tf.Tensor, target: tf.Tensor) -> Update:
        results = strategy.run(on_replica, args=(source, target))
        return Update(*(strategy.experimental_local_results(result)[0] for result in results))

    return update


def has_fixed_shapes(strategy: tf.distribute.Strategy, settings: schema.Training) -> bool:
    """Whether batches have one of a few shapes, because XLA compiles the update for each."""
    return settings.jit_compile or isinstance(strategy, tf.distribute.TPUStrategy)


def batches_of_any_shape(strategy: tf.distribute.Strategy) -> tuple[tf.TypeSpec, tf.TypeSpec]:
    """The types of source and target as the replicas of ``strategy`` get them.

    Of any shape, so that one graph serves all: a graph made for the shapes met so far rounds otherwise than one
    made for others, and a training that is gone on with meets them in another order.
    """
    one = tf.TensorSpec([None, None], tf.int32)
    batches = tf.data.Dataset.from_generator(lambda: iter(()), output_signature=(one, one))
    return strategy.distribute_datasets_from_function(lambda _: batches).element_spec


def check_same_step(strategy: tf.distribute.Strategy, step: int, work: WorkDirectory) -> None:
    """Raises UserError, on every worker, where not all of them go on from the same step."""
    steps, workers = sum_over_workers(strategy, [step, 1])
    if steps != step * workers:
        raise UserError(f"not all workers see the same checkpoints; {work.training} must be one shared directory")


def endless_batches(
    strategy: tf.distribute.Strategy,
    work: WorkDirectory,
    manifest: Mapping,
    settings: schema.Training,
    step: int,
    epoch_steps: int,
) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    """The batches from ``step`` on, epoch after epoch, each shared out among the replicas."""

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        # Every worker reads all pairs, and takes its part of every batch.
        batches = training_batches(work, manifest, settings, epoch, has_fixed_shapes(strategy, settings)).skip(done)
        here = context.num_replicas_in_sync // context.num_input_pipelines
        first = context.input_pipeline_id * here
        return shares(batches, context.num_replicas_in_sync, range(first, first + here))

    epoch, done = divmod(step, epoch_steps)
    while True:
        yield from strategy.distribute_datasets_from_function(of_worker)
        epoch, done = epoch + 1, 0


def batch_of_update(
    step: int, work: WorkDirectory, manifest: Mapping, settings: schema.Training, epoch_steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """The whole batch of the update that is the ``step``th, made again."""
    epoch, before = divmod(step - 1, epoch_steps)
    batches = training_batches(work, manifest, settings, epoch)
    return next(batches.skip(before).as_numpy_iterator())


def dev_bleu(translator: Translator, dev: References) -> float:
    """sacreBLEU's BLEU of the dev set, 0 to 100."""
    translations = [text for text, _ in translate_all(translator, dev.sources)]
    return sacrebleu.corpus_bleu(translations, [dev.targets]).score


def initial_work(recipe: schema.Recipe) -> WorkDirectory | None:
    """The work directory whose weights a training starts from, if it does."""
    return WorkDirectory(Path(recipe.training.init_from)) if recipe.training.init_from else None


def leave_mark(work: WorkDirectory, recipe: schema.Recipe, network: Network, state: TrainingState) -> None:
    """Writes training.json: the training is complete, with ``network`` holding its best weights."""
    result = {
        "made_from": TRAIN.made_from(recipe, work),
        "weights": digest_of(network),
        "parameters": network.count_params(),
        "steps": int(state.step),
        "best_step": int(state.best_step),
        "best_dev_bleu": float(state.best_bleu),
        "seconds": round(float(state.seconds), 1),
    }
    write_json(work.training_mark, result)


def make_room(work: WorkDirectory, recipe: schema.Recipe) -> None:
    """Puts a training made from something else aside, as training.previous; one of the same kind is gone on with."""
    made_from = TRAIN.made_from(recipe, work)
    if work.training.exists():
        if read_json(work.training / STARTED) == made_from:
            return
        previous = work.training.with_suffix(".previous")
        # One that came to nothing takes no better one's place.
        if newest_step(work):
            remove(previous)
            work.training.rename(previous)
            print(f"the training of other settings or data is kept as {previous}")
        else:
            remove(work.training)
    with replacing(work.training) as temporary:
        write_json(temporary / STARTED, made_from)


if __name__ == "__main__":
    run_command(main)
