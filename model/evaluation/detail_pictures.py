"""Pictures of what is behind the scores: quality by the score of a sentence, and by how rare its words are."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from model.evaluation.by_length import COLOURS
from model.evaluation.confidence import Tenth
from model.evaluation.word_statistics import FrequencyClass


def draw_tenths(tenths: Sequence[Tenth]) -> Figure:
    """chrF of the sentences in ten parts by their score, the lowest scores first."""
    figure, axes = _axes()
    places = range(1, len(tenths) + 1)
    axes.plot(places, [tenth.chrf for tenth in tenths], marker="o", markersize=4, color=COLOURS[0])
    axes.set_xlabel("tenths of the sentences by score, the lowest first", fontsize=8)
    axes.set_ylabel("chrF", fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.set_ylim(bottom=0)
    return figure


def draw_frequencies(classes: Sequence[FrequencyClass]) -> Figure:
    """F1 of the words of each class of frequency."""
    figure, axes = _axes()
    axes.bar(range(len(classes)), [each.f1 for each in classes], color=COLOURS[0], width=0.7)
    axes.set_xticks(range(len(classes)), [label_of(each) for each in classes])
    axes.set_xlabel("times in the training set", fontsize=8)
    axes.set_ylabel("F1", fontsize=8)
    axes.set_ylim(0, 1)
    return figure


def label_of(words: FrequencyClass) -> str:
    """A class of frequency in a few signs: 0, 2-4, 1,000+."""
    if words.high is None:
        return f"{words.low:,}+"
    return f"{words.low:,}" if words.low == words.high else f"{words.low:,}\u2013{words.high:,}"


def _axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.6, 2.4), layout="constrained")
    axes = figure.subplots()
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3, axis="y")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
