"""A training as curves: loss, learning rate, dev score and speed by update, with the checkpoint that was kept."""

from __future__ import annotations

import tensorflow as tf
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from model.evaluation.measures import NAMES
from workspace.history import read_history
from workspace.layout import WorkDirectory
from workspace.listing import is_directory
from workspace.marks import TrainingMark
from workspace.pages import svg_of
from workspace.storage import local_copy

_COLOUR, _KEPT = "#3a7fc1", "#d1702a"
# By the names that training gives them (model.training.callbacks).
_OF_UPDATES = {"loss": "loss, nats a target subword", "learning_rate": "learning rate"}
_SPEED = {"target_words_per_second": "target subwords a second"}
# More could not be told apart.
_MOST_POINTS = 400

Curve = list[tuple[float, float]]


def training_curves(work: WorkDirectory, training: TrainingMark) -> list[Markup]:
    """The pictures of ``curves_of``."""
    names = {**_OF_UPDATES, f"dev_{training.best_by}": f"dev {NAMES[training.best_by]}", **_SPEED}
    return [
        svg_of(_drawn(curve, names[key], training, key.startswith("dev_")), f"{names[key]}, by update")
        for key, curve in curves_of(work, training).items()
    ]


def curves_of(work: WorkDirectory, training: TrainingMark) -> dict[str, Curve]:
    """(update, value) of loss, learning rate, the dev score that chose the best weights, and speed, by the names of the
    training; what was not written down is not here."""
    history = read_history(work)
    events = _events(work)
    # Of every tenth update, or else of the dev evaluations.
    curves = {
        key: events.get(key) or [(line["step"], line[key]) for line in history if key in line]
        for key in (*_OF_UPDATES, f"dev_{training.best_by}", *_SPEED)
    }
    return {key: curve for key, curve in curves.items() if curve}


def _events(work: WorkDirectory) -> dict[str, Curve]:
    """What TensorBoard shows of the updates, without what an interrupted session wrote and the next made anew."""
    if not is_directory(work.tensorboard):
        return {}
    with local_copy(work.tensorboard) as here:
        events = EventAccumulator(str(here), size_guidance={"tensors": _MOST_POINTS}).Reload()
    curves: dict[str, Curve] = {}
    for key in {*_OF_UPDATES, *_SPEED}.intersection(events.Tags()["tensors"]):
        curve: Curve = []
        for event in reversed(events.Tensors(key)):
            if not curve or event.step < curve[-1][0]:
                curve.append((event.step, tf.make_ndarray(event.tensor_proto).item()))
        curves[key] = curve[::-1]
    return curves


def _drawn(curve: Curve, name: str, training: TrainingMark, is_dev: bool) -> Figure:
    figure = Figure(figsize=(4.6, 2.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(*zip(*curve, strict=True), color=_COLOUR, linewidth=1.2, marker="o" if is_dev else "", markersize=3)
    axes.axvline(training.best_step, color=_KEPT, linewidth=1, linestyle="--")
    kept = f"kept: {training.best_step:,}" + (f", {training.best_dev_score:.2f}" if is_dev else "")
    is_late = 2 * training.best_step > curve[-1][0]
    axes.annotate(
        kept,
        (training.best_step, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-3 if is_late else 3, 2),
        textcoords="offset points",
        ha="right" if is_late else "left",
        fontsize=8,
        color=_KEPT,
    )
    axes.set_xlabel("updates", fontsize=8)
    axes.set_ylabel(name, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
