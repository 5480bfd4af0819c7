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
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import keras
import sacrebleu
import tensorflow as tf

from model.batches import batches_per_epoch, shares, training_batches
from model.callbacks import History, Progress, TensorBoard
from model.checkpoint import TrainingState, digest_of, newest_step
from model.loss import summed_cross_entropy
from model.network import Network
from model.optimizer import Optimizer
from model.references import References, read_references
from model.strategies import STRATEGIES, choose_strategy, is_chief, naming_lost_workers, sum_over_workers
from model.subwords import load_subwords
from model.translator import Translator, translate_all
from model.workers import WorkerError, run_workers
from recipes import schema
from recipes.errors import UserError, run_command
from recipes.files import read_json, remove, write_json
from recipes.layout import WorkDirectory
from recipes.stages import TRAIN, resolved_recipe

SECONDS_BETWEEN_CHECKPOINTS = 60.0


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

    Raises UserError where the data is not prepared, the loss is no longer a number, or another worker is gone.
    """
    manifest = read_json(work.manifest)
    if manifest is None:
        raise UserError(f"{work.data} holds no prepared corpus; make one with make prepare")
    strategy = strategy or tf.distribute.get_strategy()
    with naming_lost_workers(strategy):
        if is_chief(strategy):
            make_room(work, recipe)
        sum_over_workers(strategy, [0.0])  # Nobody looks for checkpoints before there is room.
        network = _train(work, recipe, manifest, strategy, callbacks)
        sum_over_workers(strategy, [0.0])  # Nobody leaves before all is written: the others would miss him.
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
    epoch_steps = batches_per_epoch(manifest["lengths"]["train"], settings)
    last_step = min(settings.epochs * epoch_steps, settings.max_steps or settings.epochs * epoch_steps)
    evaluate_every = settings.evaluate_every or epoch_steps
    with strategy.scope():
        network = Network(recipe.model, subwords[0].vocabulary, subwords[1].vocabulary, settings.seed)
        optimizer = Optimizer(settings, last_step, network.trainable_variables)
    state = TrainingState(work, network, optimizer, chief)
    if state.restore() and chief:
        print(f"training goes on at step {int(state.step)} of {last_step}")
    step = int(state.step)
    check_same_step(strategy, step, work)

    greedy = Translator(network, subwords, recipe.search.model_copy(update={"beam_size": 1}))
    dev = read_references(work, manifest, "dev")
    batches = endless_batches(strategy, work, manifest, settings, step, epoch_steps)
    update = update_function(strategy, network, optimizer, settings)
    ours = (Progress(step, last_step), History(work, step), TensorBoard(work)) if chief else ()
    watchers = keras.callbacks.CallbackList([*ours, *callbacks], model=network)

    watchers.on_train_begin()
    began, saved, meter = time.monotonic() - float(state.seconds), time.monotonic(), Meter()
    while (
        step < last_step and not network.stop_training and not state.out_of_patience(settings.patience * evaluate_every)
    ):
        loss, words = (float(value) for value in update(*next(batches)))
        step += 1
        if not math.isfinite(loss):
            watchers.on_train_end()
            raise UserError(f"the loss became {loss} at step {step}; lower training.learning_rate and train again")
        state.step.assign(step)
        meter.add(loss, words)
        logs = {
            **meter.averages(),
            "step": step,
            "epoch": step / epoch_steps,
            "learning_rate": float(optimizer.learning_rate),
        }
        watchers.on_train_batch_end(step, logs)
        evaluate_now = step % evaluate_every == 0 or step == last_step
        if evaluate_now:
            (bleu,) = sum_over_workers(strategy, [dev_bleu(greedy, dev) if chief else 0.0])
            state.keep_best(bleu)
            watchers.on_epoch_end(
                step // evaluate_every, {**logs, "dev_bleu": bleu, "seconds": time.monotonic() - began}
            )
            meter = Meter()
        if evaluate_now or time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
            state.seconds.assign(time.monotonic() - began)
            state.save()
            saved = time.monotonic()
        (wishes_to_stop,) = sum_over_workers(strategy, [float(network.stop_training)])
        network.stop_training = wishes_to_stop > 0
    watchers.on_train_end()

    state.restore_best(network)
    if chief:
        leave_mark(work, recipe, network, state)
    return network


class Meter:
    """Averages since it was made: loss in nats a target word, and target words per second."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._loss = self._words = 0.0

    def add(self, loss: float, words: float) -> None:
        """One update with the mean ``loss`` over ``words`` target words."""
        self._loss += loss * words
        self._words += words

    def averages(self) -> dict[str, float]:
        seconds = time.monotonic() - self._began
        return {"loss": self._loss / self._words, "target_words_per_second": self._words / seconds}


def update_function(
    strategy: tf.distribute.Strategy, network: Network, optimizer: Optimizer, settings: schema.Training
) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """One update of all weights for a batch (source, target): gives the loss in nats a word, and the words.

    Loss and gradient are those of the whole batch, however many replicas share it: the sum over its words,
    divided by their number, clipped to ``clip_norm``.
    """
    replicas = strategy.num_replicas_in_sync
    weights = network.trainable_variables

    def on_replica(source: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = network(source, target, training=True)
            total, words = summed_cross_entropy(logits, target, settings.label_smoothing)
        gradients = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(total, [w.value for w in weights])]
        sums = [total, words, *gradients]
        if replicas > 1:
            sums = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, sums)
        total, words, *gradients = sums
        norm = tf.linalg.global_norm(gradients) / words
        factor = tf.minimum(1.0, settings.clip_norm / norm) / words
        optimizer.apply([gradient * factor for gradient in gradients])
        return total / words, words

    # One graph for all shapes, so that a batch has the same result whichever came first.
    side = tf.TensorSpec([None, None], tf.int32)
    any_batch = tf.data.Dataset.from_generator(lambda: iter(()), output_signature=(side, side))

    @tf.function(input_signature=strategy.distribute_datasets_from_function(lambda _: any_batch).element_spec)
    def update(source: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        results = strategy.run(on_replica, args=(source, target))
        return tuple(strategy.experimental_local_results(result)[0] for result in results)

    return update


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
        batches = training_batches(work, manifest, settings, epoch).skip(done)
        here = context.num_replicas_in_sync // context.num_input_pipelines
        first = context.input_pipeline_id * here
        return shares(batches, context.num_replicas_in_sync, range(first, first + here))

    epoch, done = divmod(step, epoch_steps)
    while True:
        yield from strategy.distribute_datasets_from_function(of_worker)
        epoch, done = epoch + 1, 0


def dev_bleu(translator: Translator, dev: References) -> float:
    """sacreBLEU's BLEU of the dev set, 0 to 100."""
    translations = [text for text, _ in translate_all(translator, dev.sources)]
    return sacrebleu.corpus_bleu(translations, [dev.targets]).score


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
    started = work.training / "started.json"
    made_from = TRAIN.made_from(recipe, work)
    if work.training.exists() and read_json(started) != made_from:
        previous = work.training.with_suffix(".previous")
        remove(previous)
        work.training.rename(previous)
        print(f"the training of other settings or data is kept as {previous}")
    write_json(started, made_from)


if __name__ == "__main__":
    run_command(main)
