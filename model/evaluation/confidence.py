"""Whether the score of a translation says how good it is: chrF by tenths of the score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from model.evaluation.metrics import SetMetric

_TENTHS = 10


class Tenth(BaseModel):
    """Of the sentences by their score, from ``low`` to ``high``: how many they are, and their chrF together."""

    model_config = ConfigDict(frozen=True)

    sentences: int
    low: float
    high: float
    chrf: float


def tenths_of(
    scores: Sequence[float], translations: Sequence[str], references: Sequence[Sequence[str]], chrf: SetMetric
) -> list[Tenth]:
    """The sentences in ten parts of nearly the same size, or as many as there are sentences, the lowest scores first;
    references: [references][sentences]."""
    order = np.argsort(scores, kind="stable")
    tenths = []
    for part in np.array_split(order, min(_TENTHS, len(order)) or 1):
        if len(part):
            sides = [[chrf.prepare(side[number]) for number in part] for side in (translations, *references)]
            tenths.append(
                Tenth(
                    sentences=len(part),
                    low=scores[part[0]],
                    high=scores[part[-1]],
                    chrf=chrf.metric.corpus_score(sides[0], sides[1:]).score,
                )
            )
    return tenths


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Spearman's rho, -1 to 1: the correlation of the ranks, equal values having the mean of theirs. None where all of
    a side are equal."""
    ranks = [_ranks(np.asarray(side)) for side in (one, other)]
    if not len(ranks[0]) or any(np.ptp(side) == 0 for side in ranks):
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[places]
