"""The training: shards in, the checkpoint with the best dev BLEU out.

The loop is ours, under tf.distribute, because Keras 3's ``fit`` fails under MultiWorkerMirroredStrategy;
Keras callbacks are kept. Interrupted and started again, it goes on from the newest checkpoint.

However many replicas and workers share the training (model.devices.strategies), it is the same training: the same
batches, and loss, gradient and clipping of the whole batch. All workers run the same loop in step, but only the chief
evaluates and writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import sacrebleu
import tensorflow as tf

from model.data.references import References, read_references
from model.data.subwords import load_subwords
from model.devices.cores import parts_of_batch
from model.devices.strategies import is_chief, naming_lost_workers, sum_over_workers, wait_for_all
from model.network.checkpoint import digest_of
from model.network.network import Network
from model.search.translator import TextTranslator, translate_all
from model.training.callbacks import History, ProgressBar
from model.training.divergence import DivergenceError, check_state, check_update, diverged
from model.training.finetuning import check_fits, start_from
from model.training.optimizer import Optimizer
from model.training.plan import Plan, endless_calls, endless_epochs, pairs_of_update, plan_of
from model.training.state import TrainingState, newest_step
from model.training.tensorboard import TensorBoard
from model.training.update import update_functions
from recipes import schema
from recipes.stages import TRAIN
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.marks import Manifest, TrainingMark, read_manifest, write_mark
from workspace.signals import interruption_put_off
from workspace.storage import read_json, remove, replacing, write_json

STARTED = "started.json"


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
    manifest = read_manifest(work)
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
    manifest: Manifest,
    strategy: tf.distribute.Strategy,
    callbacks: tuple[keras.callbacks.Callback, ...],
) -> Network:
    chief = is_chief(strategy)
    settings = recipe.training
    subwords = load_subwords(work, recipe.subwords.joint)
    plan = plan_of(manifest, settings)
    with strategy.scope():
        sizes = recipe.model, subwords[0].vocabulary, subwords[1].vocabulary, settings.seed
        network = Network(*sizes, settings.precision)
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

    greedy = TextTranslator(averaged, subwords, recipe.search.model_copy(update={"beam_size": 1}))
    dev = read_references(work, manifest, "dev")
    epoch, batches_of_next = plan.batches_of(step + 1)
    epochs = endless_epochs(strategy, work, manifest, settings, epoch, batches_of_next.start)
    parts = parts_of_batch(strategy, settings, plan.batch_pairs)
    functions = update_functions(strategy, network, optimizer, settings, parts)
    ours: list[keras.callbacks.Callback] = []
    if chief:
        history = History(work, step)
        ours = [ProgressBar(step, plan, history.lines), history, TensorBoard(work, greedy, dev.sources)]
    watchers = keras.callbacks.CallbackList([*ours, *callbacks], model=network)

    def evaluate() -> float:
        (bleu,) = sum_over_workers(strategy, [dev_bleu(greedy, dev) if chief else 0.0])
        return bleu

    watchers.on_train_begin()
    try:
        calls = endless_calls(functions, epochs, plan, settings.updates_per_call, step)
        run_updates(strategy, calls, state, network, optimizer, settings, plan, evaluate, watchers)
    except DivergenceError as what:
        error = UserError(str(what))
        if chief:
            pairs = pairs_of_update(int(state.step), work, manifest, settings, plan)
            error = diverged(what, int(state.step), work, manifest, *pairs)
        wait_for_all(strategy)  # Who leaves first is the one whose error is shown.
        raise error from what
    finally:
        watchers.on_train_end()
    wait_for_all(strategy)  # The chief may not have written yet what all read now.
    state.restore_best()
    if chief:
        leave_mark(work, recipe, averaged, state)
    return averaged


def run_updates(
    strategy: tf.distribute.Strategy,
    calls: Iterator[list[list[float]]],
    state: TrainingState,
    network: Network,
    optimizer: Optimizer,
    settings: schema.Training,
    plan: Plan,
    evaluate: Callable[[], float],
    watchers: keras.callbacks.CallbackList,
) -> None:
    """Makes updates until the last, or until there is no more patience, with dev evaluations and checkpoints.

    calls: the updates, some at a time (``endless_calls``); the watchers hear of each, when all of a call are made.

    All workers do so in step: what only one of them knows, they tell each other after every call.

    Raises DivergenceError, and nothing of it is in a checkpoint; and KeyboardInterrupt after Ctrl-C or SIGTERM, with
    a checkpoint of the last update.
    """
    step, patience = int(state.step), settings.patience * plan.evaluate_every
    began, saved = time.monotonic() - float(state.seconds), time.monotonic()
    state.meter.start()
    with interruption_put_off() as interruption:
        while step < plan.last_step and not network.stop_training and not state.out_of_patience(patience):
            for loss, words, gradient_norm, padding, learning_rate in next(calls):
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
                    "target_words": words,
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
                asked = time.monotonic()
                bleu = evaluate()
                evaluation_seconds = time.monotonic() - asked
                state.keep_best(bleu)
                optimizer.reduce_on_plateau(int(state.best_step), settings.plateau_patience * plan.evaluate_every)
                of_evaluation = {
                    "dev_bleu": bleu,
                    "evaluation_seconds": evaluation_seconds,
                    "seconds": time.monotonic() - began,
                }
                watchers.on_epoch_end(step // plan.evaluate_every, {**logs, **of_evaluation})
                state.meter.reset()
            state.seconds.assign(time.monotonic() - began)
            state.save()
            saved = time.monotonic()
            state.meter.start()  # Speed is that of the updates alone.
            if interrupted:
                raise KeyboardInterrupt


def check_same_step(strategy: tf.distribute.Strategy, step: int, work: WorkDirectory) -> None:
    """Raises UserError, on every worker, where not all of them go on from the same step."""
    steps, workers = sum_over_workers(strategy, [step, 1])
    if steps != step * workers:
        raise UserError(f"not all workers see the same checkpoints; {work.training} must be one shared directory")


def dev_bleu(translator: TextTranslator, dev: References) -> float:
    """sacreBLEU's BLEU of the dev set, 0 to 100."""
    translations = [text for text, _ in translate_all(translator, dev.sources)]
    return sacrebleu.corpus_bleu(translations, [dev.targets]).score


def initial_work(recipe: schema.Recipe) -> WorkDirectory | None:
    """The work directory whose weights a training starts from, if it does."""
    return WorkDirectory(Path(recipe.training.init_from)) if recipe.training.init_from else None


def leave_mark(work: WorkDirectory, recipe: schema.Recipe, network: Network, state: TrainingState) -> None:
    """Writes training.json: the training is complete, with ``network`` holding its best weights."""
    mark = TrainingMark(
        made_from=TRAIN.made_from(recipe, work),
        weights=digest_of(network),
        parameters=network.count_params(),
        steps=int(state.step),
        best_step=int(state.best_step),
        best_dev_bleu=float(state.best_bleu),
        seconds=round(float(state.seconds), 1),
    )
    write_mark(work.training_mark, mark)


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
