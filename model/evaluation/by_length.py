"""BLEU by the length of the source sentence, after figure 2 of Bahdanau, Cho and Bengio (2015)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import regex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from model.evaluation.metrics import SetMetric, score_of
from workspace.scripts import UNSPACED_LETTERS

# A point has the sentences of so many words, and of as many more as it takes for so many sentences.
WORDS_OF_POINT, FEWEST_SENTENCES = 5, 30
_CHARACTERS_OF_POINT, _MOST_POINTS, _MOST_ABREAST = 10, 14, 8
_UNSPACED = regex.compile(UNSPACED_LETTERS, regex.V1)
_LETTER = regex.compile(r"\p{Alphabetic}", regex.V1)
COLOURS, MARKERS = ("#3a7fc1", "#d1702a", "#4f9a5b", "#9b6bc0", "#b8973a"), "osD^v"


class LengthPoint(NamedTuple):
    """The sentences of ``fewest`` to ``most`` words, ``mean`` on average: their number and their score, 0 to 100.

    low, high: between which 95 % of the scores are of sets of as many sentences drawn anew from these (bootstrap).
    """

    fewest: int
    most: int
    mean: float
    sentences: int
    score: float
    low: float
    high: float


def lengths_of(sources: Sequence[str]) -> tuple[str, list[int]]:
    """What sentences are measured in, and the length of each: words, or characters where most letters are of scripts
    without spaces."""
    unspaced, letters = (sum(len(letter.findall(text)) for text in sources) for letter in (_UNSPACED, _LETTER))
    if 2 * unspaced > letters:
        return "characters", [len(text) for text in sources]
    return "words", [len(text.split()) for text in sources]


def bleu_by_length(
    sources: Sequence[str], translations: Sequence[str], references: Sequence[Sequence[str]], bleu: SetMetric
) -> list[LengthPoint]:
    """A point for every five words. references: [references][sentences]."""
    unit, lengths = lengths_of(sources)
    points = []
    for chosen in _groups(lengths, WORDS_OF_POINT if unit == "words" else _CHARACTERS_OF_POINT):
        of_chosen = [lengths[index] for index in chosen]
        ours, *known = ([side[index] for index in chosen] for side in (translations, *references))
        score = score_of(bleu, ours, known)
        middle, margin = score.score if score.mean is None else score.mean, score.margin or 0.0
        points.append(
            LengthPoint(
                min(of_chosen),
                max(of_chosen),
                sum(of_chosen) / len(chosen),
                len(chosen),
                score.score,
                max(0.0, middle - margin),
                min(100.0, middle + margin),
            )
        )
    return points


def draw_by_length(curves: Mapping[str, Sequence[LengthPoint]], unit: str) -> Figure:
    """A curve with its band for every run, by name; the number of sentences stands at every point of the first."""
    figure = Figure(figsize=(4.6, 3.0), layout="constrained")
    axes = figure.subplots()
    for place, points in enumerate(curves.values()):
        colour, lengths = COLOURS[place % len(COLOURS)], [point.mean for point in points]
        axes.fill_between(
            lengths, [point.low for point in points], [point.high for point in points], color=colour, alpha=0.2, lw=0
        )
        marker = MARKERS[place % len(MARKERS)]
        axes.plot(lengths, [point.score for point in points], marker=marker, markersize=4, color=colour)
    first = next(iter(curves.values()), [])
    at_top, turned = axes.get_xaxis_transform(), 60 if len(first) > _MOST_ABREAST else 0
    for point in first:
        count = f"{point.sentences:,}"
        axes.text(point.mean, 1.01, count, transform=at_top, fontsize=7, rotation=turned, ha="center", va="bottom")
    axes.set_xlabel(f"{unit} of the source sentence, mean of a point (above: its sentences)", fontsize=8)
    axes.set_ylabel("BLEU", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0, 1.08 * max((point.mean for points in curves.values() for point in points), default=1))
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if len(curves) > 1:
        # Given apart, or names that begin with _ would be left out; between dollar signs there would be formulas.
        labels = [name.replace("$", r"\$") for name in curves]
        axes.legend(axes.get_lines(), labels, fontsize=8, frameon=False, loc="lower left")
    return figure


def _groups(lengths: Sequence[int], width: int) -> list[list[int]]:
    """The places of sentences, from short to long: those of one word to ``width``, of ``width`` more, and so on; with
    the next ones where they are too few. None is left out."""
    longest = max(lengths, default=0)
    width *= max(1, math.ceil(longest / (width * _MOST_POINTS)))
    groups: list[list[int]] = []
    for most in range(width, longest + width, width):
        found = [place for place, length in enumerate(lengths) if most - width < max(1, length) <= most]
        if groups and len(groups[-1]) < FEWEST_SENTENCES:
            groups[-1] += found
        else:
            groups.append(found)
    if len(groups) > 1 and len(groups[-1]) < FEWEST_SENTENCES:
        groups[-2:] = [groups[-2] + groups[-1]]
    return [group for group in groups if group]
