"""The training: shards in, the checkpoint with the best dev score out.

The loop is ours, under tf.distribute, because Keras 3's ``fit`` fails under MultiWorkerMirroredStrategy; its callbacks
are Keras's. Interrupted and started again, a training goes on from the newest checkpoint.

However many replicas and workers share the training (model.devices.strategies), it is the same training: the same
batches, and the loss, gradient and clipping of the whole batch. All workers run this loop in step, but only the chief
evaluates and writes.
"""

from __future__ import annotations

import time

import keras
import tensorflow as tf

from model.devices.strategies import is_chief, naming_lost_workers, sum_over_workers, wait_for_all
from model.evaluation.measures import dev_scores
from model.network.checkpoint import digest_of
from model.network.network import Network
from model.training.callbacks import History, Logs, ProgressBar
from model.training.divergence import DivergenceError, check_state, check_update, diverged
from model.training.finetuning import checked_initial_work
from model.training.measure import check_tokenizer
from model.training.state import newest_step
from model.training.tensorboard import TensorBoard
from model.training.training import Training
from recipes import schema
from recipes.stages import TRAIN
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.listing import entries, exists
from workspace.marks import TrainingMark, check_prepared, read_manifest, write_mark
from workspace.signals import interruption_put_off
from workspace.storage import move, read_json, remove, write_json


def train(
    work: WorkDirectory,
    recipe: schema.Recipe,
    strategy: tf.distribute.Strategy | None = None,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
) -> Network:
    """Trains to the end and returns the network with the best weights; ``callbacks`` join the project's own.

    Raises UserError where the data is not prepared or damaged, no checkpoint is whole, the training diverges, or
    another worker is gone; and KeyboardInterrupt after Ctrl-C or SIGTERM, with a checkpoint of the last update.
    """
    manifest = read_manifest(work)
    check_prepared(work, manifest, "train")
    initial = checked_initial_work(work, recipe)
    strategy = strategy or tf.distribute.get_strategy()
    with naming_lost_workers(strategy):
        if is_chief(strategy):
            check_tokenizer(recipe)
            make_room(work, recipe)
        wait_for_all(strategy)  # Nobody looks for checkpoints before there is room.
        training = Training(work, recipe, manifest, strategy)
        training.go_on_or_begin(initial)
        watchers = keras.callbacks.CallbackList([*own_callbacks(training), *callbacks], model=training.network)
        watchers.on_train_begin()
        try:
            run_updates(training, watchers)
        except DivergenceError as what:
            raise divergence_error(training, what) from what
        finally:
            watchers.on_train_end({"is_over": training.is_over()})
        wait_for_all(strategy)  # The chief may not have written yet what all read now.
        training.state.restore_best()
        if training.chief:
            leave_mark(training)
        wait_for_all(strategy)  # Nobody leaves before all is written: the others would miss him.
    return training.averaged


def run_updates(training: Training, watchers: keras.callbacks.CallbackList) -> None:
    """Makes updates until the training is over, with dev evaluations and checkpoints; ``watchers`` hear of each.

    All workers do so in step: what only one of them knows, they tell each other after every call.

    Raises DivergenceError, and no checkpoint holds what diverged; and KeyboardInterrupt after Ctrl-C or SIGTERM, with a
    checkpoint of the last update.
    """
    state, plan, network = training.state, training.plan, training.network
    began, saved = time.monotonic() - float(state.seconds), time.monotonic()
    calls = training.calls()
    state.meter.start()
    with interruption_put_off() as interruption:
        while not training.is_over():
            for numbers in next(calls):
                logs = counted(training, numbers)
                watchers.on_train_batch_end(logs["step"], logs)
            step: int = logs["step"]
            evaluate_now = step % plan.evaluate_every == 0 or step == plan.last_step
            due = time.monotonic() - saved >= training.settings.checkpoint_seconds
            interrupted, due, network.stop_training = training.agree(interruption.is_set(), due, network.stop_training)
            if not (evaluate_now or interrupted or due):
                continue
            check_state(state.numbers)
            if evaluate_now:
                evaluation = evaluate(training)
                of_evaluation = {**evaluation, "seconds": time.monotonic() - began}
                watchers.on_epoch_end(step // plan.evaluate_every, {**logs, **of_evaluation})
                state.meter.reset()
            state.seconds.assign(time.monotonic() - began)
            state.save(training.evaluated())
            saved = time.monotonic()
            state.meter.start()  # Speed is that of the updates alone.
            if interrupted:
                raise KeyboardInterrupt


def counted(training: Training, numbers: list[float]) -> Logs:
    """Counts one more update, of which ``numbers`` are those of its Update; gives the logs of it.

    Raises DivergenceError where they show it.
    """
    state = training.state
    loss, words, gradient_norm, padding, learning_rate = numbers
    step = int(state.step) + 1
    state.step.assign(step)
    state.meter.add(loss, words)
    check_update(loss, gradient_norm, training.network)
    return {
        **state.meter.averages(),
        "step": step,
        "epoch": step / training.plan.epoch_steps,
        "learning_rate": learning_rate,
        "gradient_norm": gradient_norm,
        "padding": padding,
        "target_words": words,
    }


def evaluate(training: Training) -> dict[str, float]:
    """The dev evaluation after the last update; keeps its weights where they are the best, and lowers the learning rate
    where it is time to. Gives those of the logs whose names begin with dev_, and evaluation_seconds."""
    asked, state = time.monotonic(), training.state
    ours: dict[str, float] = {}
    if training.measure:
        ours = dev_scores(training.greedy, training.dev, training.measure)
        ours["score"] = training.measure.score_of(ours)
        ours["next_to_nothing"] = training.measure.next_to_nothing
    # What the others do not know, they bring as 0.
    names = ["dev_bleu", "dev_chrf", *(["dev_loss"] if training.settings.best_by == "loss" else [])]
    names += ["score", "next_to_nothing"]
    values = sum_over_workers(training.strategy, [ours.get(name, 0.0) for name in names])
    found = dict(zip(names, values, strict=True))
    seconds = time.monotonic() - asked
    state.keep_best(found.pop("score"), found.pop("next_to_nothing"))
    patience = training.settings.plateau_patience * training.plan.evaluate_every
    training.optimizer.reduce_on_plateau(int(state.better_step), patience)
    return {**found, "evaluation_seconds": seconds}


def own_callbacks(training: Training) -> list[keras.callbacks.Callback]:
    """Bar, history and curves: on the chief only, who has the measure."""
    if training.measure is None:
        return []
    step = int(training.state.step)
    history = History(training.work, step)
    tensorboard = TensorBoard(training.work, training.greedy, training.dev.sources)
    bar = ProgressBar(step, training.plan, history.lines, training.measure)
    return [bar, history, tensorboard]


def divergence_error(training: Training, what: DivergenceError) -> UserError:
    """The error to raise for ``what`` after the last update; the chief's names the pairs of that update."""
    error = UserError(str(what))
    if training.chief:
        pairs = training.pairs_of_last_update()
        error = diverged(what, int(training.state.step), training.work, training.manifest, *pairs)
    wait_for_all(training.strategy)  # Who leaves first is the one whose error is shown.
    return error


def leave_mark(training: Training) -> None:
    """Writes training.json: the training is complete, and its best weights are those of ``averaged``."""
    state, measure, work = training.state, training.measure, training.work
    if measure is None:
        raise ValueError("only the chief leaves a mark")
    # Fewer than are wanted, where some were made while fewer were to be kept.
    kept = sorted({*training.evaluated()} & {*work.steps()})
    mark = TrainingMark(
        made_from=TRAIN.made_from(training.recipe, work),
        weights=digest_of(training.averaged),
        parameters=training.averaged.count_params(),
        steps=int(state.step),
        best_step=int(state.best_step),
        best_by=measure.best_by,
        best_dev_score=abs(float(state.best_score)),
        tokenize=measure.tokenize,
        seconds=round(float(state.seconds), 1),
        checkpoints=tuple(kept),
    )
    needed = {mark.best_step, *kept}
    write_mark(work.training_mark, mark, (file for step in needed for file in entries(work.checkpoint(step))))


def make_room(work: WorkDirectory, recipe: schema.Recipe) -> None:
    """Puts a training made from something else aside, as training.previous; one of the same kind is gone on with."""
    made_from = TRAIN.made_from(recipe, work)
    if exists(work.training):
        if read_json(work.training_start) == made_from:
            return
        previous = work.training.with_name(f"{work.training.name}.previous")
        # One that came to nothing takes no better one's place.
        if newest_step(work) and exists(work.training_start):
            move(work.training, previous, last=work.training_start.name)
            print(f"the training of other settings or data is kept as {previous}")
        else:
            remove(work.training)
    write_json(work.training_start, made_from)
