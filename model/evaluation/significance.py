"""Whether one system's score differs from another's by more than chance: tests on the same sentences.

Paired bootstrap resampling (Koehn 2004, "Statistical Significance Tests for Machine Translation Evaluation") draws test
sets out of the test set; approximate randomisation (Riezler and Maxwell 2005, "On Some Pitfalls in Automatic Evaluation
and Significance Testing for MT") swaps the two translations of sentences at random. Both are here, with sacreBLEU's
statistics of sentences and its seed. Its PairedTest would do, but it counts only the chance differences that are larger
than the real one, and not those as large: equal systems, or such as differ in one sentence, are significantly different
to it (p = 0.0001).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from model.evaluation.metrics import LOWER_IS_BETTER, SetMetric, resamples

_SEED = 12345
# A swap costs less than a resample.
_TRIALS_A_RESAMPLE = 10
# Sums of the same numbers in another order differ by less.
_NOTHING = 1e-6
# Sentences of trials at a time, for the sake of memory.
_AT_A_TIME = 2_000_000

Sums = npt.NDArray[np.float64]


class Significance(BaseModel):
    """Of a metric, 0 to 100: score of the system, and of the baseline; difference: of the first from the second.

    low, high: within which the difference is in 95 % of the resamples; better: the share of resamples in which the
    system is better; bootstrap_p, randomisation_p: how likely chance alone makes a difference as large, in either
    direction.
    """

    model_config = ConfigDict(frozen=True)

    score: float
    baseline: float
    difference: float
    low: float
    high: float
    better: float
    bootstrap_p: float
    randomisation_p: float
    resamples: int
    trials: int
    signature: str


def significance(
    name: str,
    metric: SetMetric,
    translations: Sequence[str],
    baseline: Sequence[str],
    references: Sequence[Sequence[str]],
) -> Significance:
    """Compares two systems by the metric of that ``name`` (model.evaluation.metrics); references:
    [references][sentences]."""
    known = [[metric.prepare(text) for text in side] for side in references]
    ours, theirs = (_statistics(metric, side, known) for side in (translations, baseline))
    score, other = (_score(metric, side.sum(axis=0)) for side in (ours, theirs))
    count = resamples(len(ours))
    drawn = np.array([_difference(metric, *sums) for sums in _drawn(ours, theirs, count)])
    swapped = [_difference(metric, *sums) for sums in _swapped(ours, theirs, count * _TRIALS_A_RESAMPLE)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    sign = -1 if name in LOWER_IS_BETTER else 1
    return Significance(
        score=score,
        baseline=other,
        difference=score - other,
        low=low,
        high=high,
        better=float(np.mean(sign * drawn > _NOTHING)),
        # Around their own mean the differences are those that chance makes.
        bootstrap_p=_p(drawn - drawn.mean(), score - other),
        randomisation_p=_p(np.array(swapped), score - other),
        resamples=count,
        trials=count * _TRIALS_A_RESAMPLE,
        signature=metric.signature,
    )


def _p(by_chance: npt.NDArray[np.float64], real: float) -> float:
    """The share of differences as large as the real one, which is one of them."""
    as_large = int(np.count_nonzero(np.abs(by_chance) >= abs(real) - _NOTHING))
    return (as_large + 1) / (len(by_chance) + 1)


def _statistics(metric: SetMetric, translations: Sequence[str], references: Sequence[Sequence[str]]) -> Sums:
    """What sacreBLEU counts in every sentence: [sentences, counts], whose sum makes the score."""
    prepared = [metric.prepare(text) for text in translations]
    return np.array(metric.metric._extract_corpus_statistics(prepared, references), np.float64)


def _score(metric: SetMetric, sums: Sums) -> float:
    of_sums: Callable[[Any], Any] = metric.metric._compute_score_from_stats
    return float(of_sums(sums.tolist()).score)


def _difference(metric: SetMetric, ours: Sums, theirs: Sums) -> float:
    return _score(metric, ours) - _score(metric, theirs)


def _drawn(ours: Sums, theirs: Sums, count: int) -> Iterator[tuple[Sums, Sums]]:
    """Sums over as many sentences, drawn with replacement, the same of both."""
    rng, sentences = np.random.default_rng(_SEED), len(ours)
    for _ in range(count):
        drawn = np.bincount(rng.integers(sentences, size=sentences), minlength=sentences).astype(np.float64)
        yield drawn @ ours, drawn @ theirs


def _swapped(ours: Sums, theirs: Sums, trials: int) -> Iterator[tuple[Sums, Sums]]:
    """Sums over all sentences, of some of which each has the other's translation."""
    rng, gains = np.random.default_rng(_SEED), theirs - ours
    both = ours.sum(axis=0), theirs.sum(axis=0)
    at_a_time = max(1, _AT_A_TIME // len(ours))
    for start in range(0, trials, at_a_time):
        is_swapped = rng.integers(2, size=(min(at_a_time, trials - start), len(ours)), dtype=bool)
        for gain in is_swapped.astype(np.float64) @ gains:
            yield both[0] + gain, both[1] - gain
