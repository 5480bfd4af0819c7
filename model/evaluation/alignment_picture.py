"""Figure 3 of the paper: which source words each word of a translation attends to, drawn by matplotlib."""

from __future__ import annotations

import functools
import io
import re
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from fontTools import unicodedata
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from tqdm import tqdm

_INCHES_A_WORD, _INCHES_A_LETTER, _DOTS_AN_INCH, _POINTS = 0.25, 0.1, 100, 10
# Comes with matplotlib, and has most letters of the scripts that have few.
_FIRST_FONT = "DejaVu Sans"
_REGULAR = ("Regular", "Book", "Roman")
_BOXES = re.compile(r"\.?Last ?Resort")
# Signs of many scripts, and what is no character: codes of ISO 15924.
_OF_NO_SCRIPT = {"Zyyy", "Zinh", "Zzzz"}


def draw_alignment(source: Sequence[str], target: Sequence[str], alignment: np.ndarray) -> bytes:
    """A PNG: a column for each word of ``source``, a row for each of ``target``, black for no weight to white for all.

    alignment: [target length, source length], 0 to 1. Letters that no font of this machine has are boxes, and a warning
    the first time.
    """
    labels = _INCHES_A_LETTER * max(map(len, [*source, *target])) + 0.5
    size = [_INCHES_A_WORD * len(words) + labels for words in (source, target)]
    figure = Figure(figsize=(size[0], size[1]), dpi=_DOTS_AN_INCH, layout="constrained")
    axes = figure.subplots()
    axes.imshow(alignment, cmap="gray", vmin=0, vmax=1)
    axes.xaxis.tick_top()
    style: dict[str, Any] = {"fontsize": _POINTS, "fontfamily": fonts_with("".join([*source, *target]))}
    axes.set_xticks(range(len(source)), map(_plain, source), rotation=90, **style)
    axes.set_yticks(range(len(target)), map(_plain, target), **style)
    axes.tick_params(length=0)
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # Two lines in every picture for each character that the fonts lack.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(stream, format="png")
    return stream.getvalue()


def fonts_with(text: str) -> list[str]:
    """Families of fonts on this machine that together have the characters of a text, as far as there are any; says
    once which scripts have none."""
    chosen = [_FIRST_FONT]
    lacking = set(map(ord, text)) - _face(font_manager.findfont(_FIRST_FONT)).characters
    while lacking and _faces():
        path, best = max(_faces(), key=lambda face: face[1].fitness(lacking))
        if not lacking & best.characters:
            break
        if best.family not in font_manager.fontManager.get_font_names():
            font_manager.fontManager.addfont(path)
        lacking -= best.characters
        chosen.append(best.family)
    for script in sorted({unicodedata.script(chr(character)) for character in lacking} - _OF_NO_SCRIPT):
        _warn_of_boxes(unicodedata.script_name(script))
    return chosen


@functools.cache
def _warn_of_boxes(script: str) -> None:
    tqdm.write(
        f"warning: no font of this machine has all letters of {script}, which are boxes in the pictures of alignments; "
        "install one that has them, such as those of Noto (Debian's fonts-noto), and they are letters from the next "
        "start on",
        file=sys.stderr,
    )


class _Face(NamedTuple):
    family: str
    style: str
    characters: frozenset[int]

    def fitness(self, characters: set[int]) -> tuple[bool, int, bool]:
        """The larger, the better it is for these characters: one in a plain style before all others that have any."""
        found = len(characters & self.characters)
        return found > 0 and self.style in _REGULAR, found, "Sans" in self.family


@functools.cache
def _faces() -> list[tuple[str, _Face]]:
    """Every face of the machine, with its file; matplotlib's own list may be older than they are."""
    faces = ((path, _face(path)) for path in sorted(font_manager.findSystemFonts()))
    return [(path, face) for path, face in faces if face.characters]


@functools.cache
def _face(path: str) -> _Face:
    """Without characters where there is nothing to write with."""
    try:
        font = FT2Font(path)
    except (OSError, RuntimeError):  # A file that is damaged, or gone since it was listed.
        return _Face("", "", frozenset())
    # Apple's and Unicode's font of that name has a box for every character.
    characters = [] if _BOXES.match(font.family_name) else font.get_charmap()
    return _Face(font.family_name, font.style_name, frozenset(characters))


def _plain(word: str) -> str:
    """The word with its dollar signs escaped: for matplotlib they enclose formulas."""
    return word.replace("$", r"\$")
