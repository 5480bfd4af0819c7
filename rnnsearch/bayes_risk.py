"""Minimum Bayes risk: of several translations of a sentence, the one that is most like the others.

    drawn = translator.sample(["In the beginning was the Word."], 8)[0]
    print(rnnsearch.minimum_bayes_risk([each.text for each in drawn]).text)

It needs sacreBLEU, which the extra [train] brings.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import NamedTuple

from workspace.errors import user_errors


class LeastRisk(NamedTuple):
    """The translation that was chosen, and how much chrF (0 to 100) may be expected of it."""

    text: str
    expected_chrf: float


def minimum_bayes_risk(candidates: Sequence[str], weights: Sequence[float] | None = None) -> LeastRisk:
    """The one of ``candidates``, translations of one sentence, with the most chrF against all of them, itself included,
    on average (Eikema and Aziz 2020, "Is MAP decoding all you need?", equation 4); of equal ones the first.

    They are samples (``Translator.sample``), which count alike, or others with ``weights``, which need not add up to 1.
    The time grows with the square of the different ones: 64 take about a second. Raises ValueError where there are
    no candidates, or not a weight for each.
    """
    weights = [1.0] * len(candidates) if weights is None else list(weights)
    if len(weights) != len(candidates):
        raise ValueError(f"{len(weights)} weights are given for {len(candidates)} candidates; give one for each")
    if any(not 0 <= weight < math.inf for weight in weights) or not any(weights):
        raise ValueError("there is nothing to choose from; give candidates with weights of 0 or more, not only 0")
    of_text: dict[str, list[float]] = {}
    for text, weight in zip(candidates, weights, strict=True):
        of_text.setdefault(text, []).append(weight)
    shares = {text: math.fsum(its) / math.fsum(weights) for text, its in of_text.items()}
    with user_errors():
        chrf = importlib.import_module("sacrebleu").CHRF()

    def expected(text: str) -> float:
        return math.fsum(share * chrf.sentence_score(text, [other]).score for other, share in shares.items())

    return max((LeastRisk(text, expected(text)) for text in shares), key=lambda chosen: chosen.expected_chrf)
