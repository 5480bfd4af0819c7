"""The report's pictures, drawn by matplotlib as SVG to stand in a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pipelines.cleaning.statistics import LONGEST, STEPS_OF_RATIO
from workspace.pages import svg_of

_BEFORE, _AFTER, _TAKEN, _WRITTEN = "#b8c4d6", "#1f5fa8", "#c8553d", "#4f8a5b"
_BARS = 60


def waterfall(read: int, taken: Sequence[tuple[str, int]], kept: int, records: int) -> str:
    """From the pairs read, reason by reason what was taken away, to the pairs kept; and the records written of these,
    where corpora with weights make them more or fewer."""
    rows = [("read", 0, read, _AFTER)]
    left = read
    for reason, count in taken:
        rows.append((reason, left - count, count, _TAKEN))
        left -= count
    rows.append(("kept", 0, kept, _AFTER))
    if records != kept:
        rows.append(("records written", 0, records, _WRITTEN))
    figure = Figure(figsize=(8.5, 0.6 + 0.3 * len(rows)), layout="constrained")
    axes = figure.subplots()
    names, starts, counts, colours = zip(*rows, strict=True)
    axes.barh(range(len(rows)), counts, left=starts, color=colours, height=0.7)
    for place, (name, start, count, _) in enumerate(rows):
        share = "" if name in ("read", "records written") else f"  {100 * count / read:.1f} %"
        axes.text(start + count + read * 0.01, place, f"{count:,}{share}", va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), names, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, max(read, records) * 1.18)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    return _svg(figure, axes)


def lengths(before: Counter[int], after: Counter[int], side: str, unit: str) -> str:
    """Sentences by their number of words or characters, as read and as kept."""
    longest = max(before, default=1)
    step = 1 if longest <= _BARS else 5
    figure = Figure(figsize=(4.2, 2.4), layout="constrained")
    axes = figure.subplots()
    for counts, colour, name in ((before, _BEFORE, "read"), (after, _AFTER, "kept")):
        places = range(0, longest + step, step)
        heights = [sum(counts[length] for length in range(place, place + step)) for place in places]
        axes.bar(places, heights, width=step * 0.9, align="edge", color=colour, label=name)
    together = f" ({LONGEST[unit]} and more together)" if longest >= LONGEST[unit] else ""
    axes.set_xlabel(f"{unit}, {side}{together}")
    return _counted(figure, axes)


def ratios(before: Counter[int], after: Counter[int]) -> str:
    """Pairs by the characters of the target for each of the source, as read and as kept."""
    figure = Figure(figsize=(4.2, 2.4), layout="constrained")
    axes = figure.subplots()
    for counts, colour, name in ((before, _BEFORE, "read"), (after, _AFTER, "kept")):
        axes.bar(
            [step / STEPS_OF_RATIO for step in counts],
            list(counts.values()),
            width=0.9 / STEPS_OF_RATIO,
            color=colour,
            label=name,
        )
    furthest = max((abs(step) for step in before), default=1) / STEPS_OF_RATIO
    axes.set_xlim(-max(1.0, furthest) - 0.2, max(1.0, furthest) + 0.2)
    axes.xaxis.set_major_locator(MaxNLocator(9, integer=True))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda power, _: f"{2**power:g}" if power >= 0 else f"1/{2**-power:g}")
    )
    axes.set_xlabel("characters of the target for each of the source")
    return _counted(figure, axes)


def measured(values: Mapping[float, int], limit: float | None, bound: Literal["most", "least"]) -> str:
    """Pairs by what a rule measures of them, those beyond the ``limit`` in another colour; counts are logarithmic, for
    they are few."""
    places = [*values, *([] if limit is None else [limit])]
    low, high = min(places, default=0.0), max(places, default=0.0)
    width = (high - low) / _BARS or 1.0
    heights: Counter[tuple[int, bool]] = Counter()
    for value, count in values.items():
        is_beyond = limit is not None and (value > limit if bound == "most" else value < limit)
        heights[min(_BARS - 1, int((value - low) / width)), is_beyond] += count
    figure = Figure(figsize=(8.5, 1.8), layout="constrained")
    axes = figure.subplots()
    for is_beyond, colour in ((False, _AFTER), (True, _TAKEN)):
        bars = {bar: count for (bar, beyond), count in heights.items() if beyond == is_beyond}
        axes.bar([low + bar * width for bar in bars], list(bars.values()), width * 0.9, align="edge", color=colour)
    if limit is not None:
        axes.axvline(limit, color="black", linewidth=1)
        axes.text(limit, 1.0, f" limit {limit:g}", transform=axes.get_xaxis_transform(), va="top", fontsize=8)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_ylabel("pairs", fontsize=8)
    return _svg(figure, axes)


def languages(found: Mapping[str, int], side: str, most: int = 8) -> str:
    """Sentences by the language they are likest to."""
    ranked = Counter(found).most_common()
    rows = ranked[:most]
    if rest := sum(count for _, count in ranked[most:]):
        rows.append(("others", rest))
    total = sum(found.values())
    figure = Figure(figsize=(4.2, 0.7 + 0.25 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.barh(range(len(rows)), [count for _, count in rows], color=_AFTER)
    for place, (_, count) in enumerate(rows):
        axes.text(count + total * 0.01, place, f"{count:,}  {100 * count / total:.2f} %", va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, total * 1.35)
    axes.set_xlabel(f"sentences, {side}, long enough to tell")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    return _svg(figure, axes)


def _counted(figure: Figure, axes: Axes) -> str:
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.legend(fontsize=8, frameon=False)
    return _svg(figure, axes)


def _svg(figure: Figure, axes: Axes) -> str:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.xaxis.label.set_fontsize(8)
    return svg_of(figure)
