"""The curves of a training: what is drawn is what was written, once."""

from __future__ import annotations

import json
from pathlib import Path

import tensorflow as tf

from model.evaluation.training_curves import curves_of, training_curves
from tests.pages import Page
from workspace.layout import WorkDirectory
from workspace.marks import TrainingMark

MARK = TrainingMark(
    made_from={},
    weights="0",
    parameters=1,
    steps=60,
    best_step=30,
    best_by="bleu",
    best_dev_score=12.5,
    tokenize="13a",
    seconds=1.0,
)
HISTORY = [
    {
        "step": 30.0,
        "loss": 3.0,
        "learning_rate": 0.1,
        "dev_bleu": 12.5,
        "dev_chrf": 30.0,
        "target_words_per_second": 9.0,
    },
    {
        "step": 60.0,
        "loss": 2.0,
        "learning_rate": 0.2,
        "dev_bleu": 11.0,
        "dev_chrf": 31.0,
        "target_words_per_second": 8.0,
    },
]


def training(directory: Path) -> WorkDirectory[Path]:
    work = WorkDirectory(directory / "run")
    work.training.mkdir(parents=True)
    work.history.write_text("".join(json.dumps(line) + "\n" for line in HISTORY), encoding="utf-8")
    return work


def test_what_an_interrupted_session_wrote_is_not_drawn_twice(tmp_path: Path) -> None:
    """Updates 10 to 50, then on from a checkpoint after update 20."""
    work = training(tmp_path)
    for session, steps in enumerate((range(10, 60, 10), range(30, 70, 10))):
        with tf.summary.create_file_writer(str(work.tensorboard), filename_suffix=f".{session}").as_default():
            for step in steps:
                tf.summary.scalar("loss", step + session / 2, step=step)
    curves = curves_of(work, MARK)
    assert curves["loss"] == [(10, 10.0), (20, 20.0), (30, 30.5), (40, 40.5), (50, 50.5), (60, 60.5)]
    # Of what TensorBoard has nothing of, the dev evaluations.
    assert curves["learning_rate"] == [(30.0, 0.1), (60.0, 0.2)]


def test_there_is_a_picture_of_every_curve_with_the_checkpoint_that_was_kept(tmp_path: Path) -> None:
    work = training(tmp_path)
    pictures = training_curves(work, MARK)
    assert ["dev BLEU" in picture for picture in pictures] == [False, False, True, False]
    assert all("kept: 30" in picture for picture in pictures)
    assert "kept: 30, 12.50" in pictures[2]
    assert "dev chrF" in training_curves(work, MARK.model_copy(update={"best_by": "chrf"}))[2]
    assert Page("".join(pictures)).foreign == []
