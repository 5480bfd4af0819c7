"""Checkpoints: a training killed at any moment ends as if it never was, and what is damaged is passed over."""

from __future__ import annotations

import functools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model.network.checkpoint import read_weights
from model.training.loop import train
from model.training.optimizer import Optimizer
from model.training.plan import Plan
from model.training.state import TrainingState, newest_step
from recipes import schema
from tests.model.shards import recipe_for, write_data
from tests.model.support import SignalAt, history_but_for_times, small_network
from tests.requirements import EXHAUSTIVE
from workspace.errors import UserError
from workspace.history import read_history
from workspace.layout import WorkDirectory
from workspace.storage import read_json

ENVIRONMENT = {**os.environ, "CI": "true"}


# Without pictures of alignments, as in these tests all else is trained.
TRAIN = """
import sys
from model import train
from model.training import tensorboard
from workspace.command import run_command
tensorboard.PICTURES = 0
run_command(train.main, sys.argv[1:])
"""


def start_training(work: WorkDirectory[Path]) -> subprocess.Popen:
    command = [sys.executable, "-c", TRAIN, "--work", str(work.root)]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_until(condition: Callable[[], bool], process: subprocess.Popen, seconds_between: float = 0.001) -> None:
    while not condition():
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(seconds_between)


def goes_beyond(work: WorkDirectory[Path], step: int) -> bool:
    return newest_step(work) > step


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_as_if_it_never_was(tmp_path: Path) -> None:
    """kill -9, anywhere and in the middle of writing a checkpoint; bit for bit weights, and the history too."""
    recipe = recipe_for(epochs=3, evaluate_every=15, checkpoint_seconds=0, ema_decay=0.9, subword_sampling=0.2)
    whole, killed = (write_data(tmp_path / name, recipe) for name in ("whole", "killed"))
    train(whole, recipe)
    moments, reached = random.Random(3), []
    for while_writing in (False, True) if EXHAUSTIVE else (True,):
        process, before = start_training(killed), newest_step(killed)
        wait_until(functools.partial(goes_beyond, killed, before), process, 0.02)
        time.sleep(moments.uniform(0, 0.7))
        if while_writing:
            wait_until(lambda: any(killed.checkpoints.glob(".*.partial")), process)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        reached.append(newest_step(killed))
    assert before < reached[-1]
    assert not killed.training_mark.exists()
    train(killed, recipe)
    ours, theirs = read_json(killed.training_mark), read_json(whole.training_mark)
    assert ours.pop("seconds") != theirs.pop("seconds")
    # The time is in the state, and with it its size may be another.
    assert ours.pop("left").keys() == theirs.pop("left").keys()
    assert ours == theirs
    assert len(read_history(whole)) == 3
    assert history_but_for_times(killed) == history_but_for_times(whole)
    assert not list(killed.checkpoints.glob(".*"))


@pytest.mark.slow
def test_interrupted_it_keeps_the_last_update(tmp_path: Path) -> None:
    recipe = recipe_for(checkpoint_seconds=3600, evaluate_every=100)
    work = write_data(tmp_path / "run", recipe)
    for step, number in ((3, signal.SIGTERM), (5, signal.SIGINT)):
        before = signal.getsignal(number)
        with pytest.raises(KeyboardInterrupt):
            train(work, recipe, callbacks=(SignalAt(step, number),))
        assert newest_step(work) == step
        assert signal.getsignal(number) is before


class Training:
    """A training of a small network, whose weights and optimizer are made up: after n updates they are all n."""

    def __init__(self, work: WorkDirectory[Path]):
        self.network = small_network()
        self.optimizer = Optimizer(schema.Training(batch_tokens=1), 100, self.network.trainable_variables)
        self.state = TrainingState(work, self.network, self.optimizer)

    def update(self, step: int) -> None:
        self.state.step.assign(step)
        for variable in self.state.numbers.values():
            variable.assign(np.full(variable.shape, step))

    def is_at(self, step: int) -> bool:
        values = [np.asarray(variable) for variable in self.state.numbers.values()]
        return int(self.state.step) == step and all((value == step).all() for value in values)


@pytest.fixture
def work(tmp_path: Path) -> WorkDirectory[Path]:
    return WorkDirectory(tmp_path)


def checkpoints_after(work: WorkDirectory[Path], steps: dict[int, float | None]) -> Training:
    """A training with a checkpoint after each of these steps, and a dev evaluation where there is a BLEU."""
    training = Training(work)
    for step, bleu in steps.items():
        training.update(step)
        if bleu is not None:
            training.state.keep_best(bleu)
        training.state.save()
    return training


def names_in(work: WorkDirectory[Path]) -> set[str]:
    return {path.name for path in work.checkpoints.iterdir()}


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[0] ^= 4
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip_a_bit, Path.unlink], ids=["cut off", "a bit flipped", "missing"])
@pytest.mark.parametrize("name", ["state.data-00000-of-00001", "state.index", "checkpoint.json"])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(
    name: str, damage: Callable[[Path], None], work: WorkDirectory[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints_after(work, {10: 1.0, 20: None, 30: None})
    damage(work.checkpoint(30) / name)
    training = Training(work)
    assert training.state.restore()
    assert training.is_at(20)
    warning = f"warning: {work.checkpoint(30) / name} is missing or damaged; trying the checkpoint before it\n"
    assert capsys.readouterr().err == warning


def test_no_flipped_bit_goes_unnoticed(work: WorkDirectory[Path]) -> None:
    """Whichever bit of whichever file: what is restored is one of the two checkpoints, never something between."""
    training, bits = checkpoints_after(work, {10: 1.0, 20: None}), random.Random(5)
    for file in sorted(work.checkpoint(20).iterdir()):
        content = file.read_bytes()
        for _ in range(12 if EXHAUSTIVE else 4):
            flipped = bytearray(content)
            flipped[bits.randrange(len(content))] ^= 1 << bits.randrange(8)
            file.write_bytes(flipped)
            training.update(99)
            assert training.state.restore()
            # White space in the JSON, if anything, is none of the checkpoint's meaning.
            assert training.is_at(10) or (file.suffix == ".json" and training.is_at(20))
            assert int(training.state.best_step) == 10
        file.write_bytes(content)


def test_when_all_are_damaged_it_is_said_what_to_do(work: WorkDirectory[Path]) -> None:
    checkpoints_after(work, {10: None, 20: None})
    for step in (10, 20):
        cut(work.checkpoint(step) / "state.index")
    message = (
        rf"no checkpoint in .* is whole \(.*20/state.index is missing or damaged\); remove {work.training} to train"
    )
    with pytest.raises(UserError, match=message):
        Training(work).state.restore()


def test_a_damaged_best_checkpoint_takes_those_with_it_that_name_it(
    work: WorkDirectory[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints_after(work, {10: 5.0, 20: 4.0, 30: 6.0, 40: None})
    flip_a_bit(work.checkpoint(30) / "state.index")
    training = Training(work)
    assert training.state.restore()
    assert training.is_at(20)
    assert int(training.state.best_step) == 10
    assert "30/state.index is missing or damaged" in capsys.readouterr().err


def test_the_newest_and_the_best_are_kept(work: WorkDirectory[Path]) -> None:
    checkpoints_after(work, {1: 1.0, 2: 9.0, 3: None, 4: 2.0})
    assert names_in(work) == {"2", "3", "4"}
    training = checkpoints_after(work, {5: None, 6: None, 7: None})
    assert names_in(work) == {"5", "6", "7"}
    assert not training.state.out_of_patience(1)


def test_the_best_is_kept_as_long_as_it_is_the_best(work: WorkDirectory[Path]) -> None:
    training = checkpoints_after(work, {1: 1.0, 2: 9.0, 3: None, 4: 2.0, 5: None, 6: None})
    assert names_in(work) == {"2", "4", "5", "6"}
    training.state.restore_best()
    assert all((np.asarray(variable) == 2).all() for variable in training.network.trainable_variables)


@pytest.mark.parametrize("score", [0.0, 7.5, -2.0])
def test_of_equal_scores_the_later_is_kept_but_patience_ends(work: WorkDirectory[Path], score: float) -> None:
    """As all are 0 where BLEU finds no words: what is trained longer is likelier the better."""
    training = checkpoints_after(work, {1: score - 1, 2: score, 3: score, 4: score})
    assert int(training.state.best_step) == 4
    assert not training.state.out_of_patience(3)
    assert training.state.out_of_patience(2)
    again = Training(work)
    assert again.state.restore()
    assert (int(again.state.best_step), int(again.state.better_step)) == (4, 2)
    again.update(5)
    again.state.keep_best(score - 0.5)
    assert int(again.state.best_step) == 4


def test_scores_next_to_nothing_are_equal_and_patience_begins_after_them(work: WorkDirectory[Path]) -> None:
    """sacreBLEU smooths, so that BLEU is never the same twice where nothing is right."""
    training = Training(work)
    for step, bleu in enumerate([0.31, 0.07, 0.02, 0.05], 1):
        training.update(step)
        training.state.keep_best(bleu, 0.5)
        assert (int(training.state.best_step), float(training.state.best_score)) == (step, bleu)
        assert not training.state.out_of_patience(1)
    for step, bleu, best in [(5, 0.9, 5), (6, 0.8, 5), (7, 0.1, 5), (8, 0.9, 8)]:
        training.update(step)
        training.state.keep_best(bleu, 0.5)
        assert int(training.state.best_step) == best
    assert float(training.state.best_score) == 0.9
    assert training.state.out_of_patience(3)


def test_a_better_evaluation_counts_only_with_its_checkpoint(work: WorkDirectory[Path]) -> None:
    """Killed after the best was found and before it was written: the one before is the best, and is there."""
    training = checkpoints_after(work, {50: 3.0, 90: None})
    training.update(100)
    training.state.keep_best(8.0)
    again = Training(work)
    assert again.state.restore()
    assert (int(again.state.step), int(again.state.best_step), float(again.state.best_score)) == (90, 50, 3.0)
    again.state.restore_best()
    assert all((np.asarray(variable) == 50).all() for variable in again.network.trainable_variables)


@pytest.mark.parametrize("count", [1, 3])
def test_checkpoints_of_the_last_dev_evaluations_are_kept(work: WorkDirectory[Path], count: int) -> None:
    """Beside the newest and the best; and each is read though what was the best before it is gone."""
    plan = Plan(epoch_batches=30, accumulate=1, last_step=34, evaluate_every=5)
    training = Training(work)
    for step in range(1, 35):
        training.update(step)
        evaluates = step % 5 == 0 or step == 34
        if evaluates:
            training.state.keep_best({5: 8.0, 10: 9.0}.get(step, float(step > 20) * 10))
        training.state.save(plan.evaluations(step, count))
        if step == 23:
            assert names_in(work) == {"10", "21", "22", "23", *{1: ["20"], 3: ["10", "15", "20"]}[count]}
    assert names_in(work) == {"32", "33", "34", *{1: ["30"], 3: ["25", "30"]}[count]}


def test_a_checkpoint_is_read_though_what_was_best_then_is_gone(work: WorkDirectory[Path]) -> None:
    training = Training(work)
    for step, bleu in [(1, 5.0), (2, 4.0), (3, 6.0), (4, 6.0), (5, 6.0), (6, 6.0)]:
        training.update(step)
        training.state.keep_best(bleu)
        training.state.save([2])
    assert names_in(work) == {"2", "4", "5", "6"}
    read_weights(training.network, work, 2)
    assert all((np.asarray(variable) == 2).all() for variable in training.network.trainable_variables)


def test_what_a_killed_process_left_is_cleared_away(work: WorkDirectory[Path]) -> None:
    training = checkpoints_after(work, {1: None})
    for name in (f".2.{os.getpid()}.partial", ".2.99.partial", ".1.99.before"):
        shutil.copytree(work.checkpoint(1), work.checkpoints / name)
    training.update(2)
    training.state.save()
    assert names_in(work) == {"1", "2"}
    again = Training(work)
    assert again.state.restore()
    assert again.is_at(2)


def test_checkpoints_after_a_damaged_one_take_its_place(work: WorkDirectory[Path]) -> None:
    checkpoints_after(work, {10: None, 20: None})
    cut(work.checkpoint(20) / "state.index")
    training = Training(work)
    training.state.restore()
    training.update(11)
    training.state.save()
    assert names_in(work) == {"10", "11"}


def test_a_checkpoint_of_another_network_is_a_sentence(work: WorkDirectory[Path]) -> None:
    checkpoints_after(work, {10: None})
    other = small_network(architecture="rnnencdec")
    optimizer = Optimizer(schema.Training(batch_tokens=1), 100, other.trainable_variables)
    with pytest.raises(UserError, match="checkpoints/10 holds a network that this version of the project does not"):
        TrainingState(work, other, optimizer).restore()


def test_damaged_best_weights_are_not_translated_with(work: WorkDirectory[Path]) -> None:
    training = checkpoints_after(work, {1: 1.0})
    flip_a_bit(work.checkpoint(1) / "state.data-00000-of-00001")
    message = r"1/state.data-00000-of-00001 is missing or damaged; remove .*/training and train again"
    for read in (training.state.restore_best, lambda: read_weights(training.network, work, 1)):
        with pytest.raises(UserError, match=message):
            read()
