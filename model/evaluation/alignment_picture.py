"""Figure 3 of the paper: which source words each word of a translation attends to, drawn by matplotlib."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

_INCHES_A_WORD, _DOTS_AN_INCH = 0.22, 100


def draw_alignment(source: Sequence[str], target: Sequence[str], alignment: np.ndarray) -> bytes:
    """A PNG: a column for each word of ``source``, a row for each of ``target``, black for no weight to white for all.

    alignment: [target length, source length], 0 to 1.
    """
    size = (_INCHES_A_WORD * len(source) + 1.2, _INCHES_A_WORD * len(target) + 1.2)
    figure = Figure(figsize=size, dpi=_DOTS_AN_INCH, layout="constrained")
    axes = figure.subplots()
    axes.imshow(alignment, cmap="gray", vmin=0, vmax=1)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(source)), map(_plain, source), rotation=90, fontsize=8)
    axes.set_yticks(range(len(target)), map(_plain, target), fontsize=8)
    axes.tick_params(length=0)
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # Two lines in every picture for each character that the font lacks: a box stands for it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(stream, format="png")
    return stream.getvalue()


def _plain(word: str) -> str:
    """The word with its dollar signs escaped: for matplotlib they enclose formulas."""
    return word.replace("$", r"\$")
