"""Whether scores rank translations by quality."""

from __future__ import annotations

import numpy as np
import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from model.evaluation.confidence import rank_correlation, tenths_of
from model.evaluation.measures import Measure
from model.evaluation.metrics import CHRF, metrics_of

METRIC = metrics_of(Measure("13a", "bleu"), "NFC")[CHRF]


def test_tenths_are_of_ascending_scores_and_have_their_own_chrf() -> None:
    random = np.random.default_rng(1)
    words = ["cat", "dog", "house", "tree", "runs", "sleeps"]
    references, translations = ([" ".join(random.choice(words, 4)) for _ in range(25)] for _ in range(2))
    scores = random.normal(size=25).tolist()
    found = tenths_of(scores, translations, [references], METRIC)
    assert [each.sentences for each in found] == [3] * 5 + [2] * 5
    ordered, start = sorted(zip(scores, translations, references, strict=True)), 0
    for each in found:
        part = ordered[start : start + each.sentences]
        assert (each.low, each.high) == (part[0][0], part[-1][0])
        expected = sacrebleu.corpus_chrf([text for _, text, _ in part], [[known for _, _, known in part]]).score
        assert each.chrf == pytest.approx(expected)
        start += each.sentences
    assert start == 25
    assert len(tenths_of(scores[:3], translations[:3], [references[:3]], METRIC)) == 3
    assert tenths_of([], [], [[]], METRIC) == []


def test_the_correlation_is_of_ranks() -> None:
    assert rank_correlation([1, 2, 3, 4], [10, 20, 30, 1000]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3, 4], [0, -1, -2, -30]) == pytest.approx(-1)
    # By hand: ranks 1, 2, 3, 4 and 2, 1, 4, 3, so that 1 - 6 * 4 / (4 * 15).
    assert rank_correlation([1, 2, 3, 4], [6, 5, 8, 7]) == pytest.approx(0.6)
    # Equal values have the mean of their ranks: 1, 2.5, 2.5, 4.
    ranks = np.corrcoef([1, 2, 3, 4], [1, 2.5, 2.5, 4])[0, 1]
    assert rank_correlation([1, 2, 3, 4], [0, 7, 7, 9]) == pytest.approx(ranks)
    assert rank_correlation([1, 2, 3], [5, 5, 5]) is None
    assert rank_correlation([], []) is None


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=2, max_size=12))
def test_the_correlation_does_not_depend_on_the_scale(pairs: list[tuple[int, int]]) -> None:
    one, other = map(list, zip(*pairs, strict=True))
    found = rank_correlation(one, other)
    if found is None:
        assert len(set(one)) == 1 or len(set(other)) == 1
    else:
        assert -1.000001 <= found <= 1.000001
        assert rank_correlation([value**3 + 2 for value in one], other) == pytest.approx(found)
        assert rank_correlation(other, one) == pytest.approx(found)
        assert rank_correlation([-value for value in one], other) == pytest.approx(-found)
