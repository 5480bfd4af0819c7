"""Minimum Bayes risk against the definition, all pairs by sacreBLEU."""

from __future__ import annotations

import sys

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnsearch
from rnnsearch.bayes_risk import minimum_bayes_risk
from workspace.errors import UserError

WEIGHTED = st.lists(
    st.tuples(st.text("ab ", max_size=6), st.sampled_from([0.0, 0.5, 1.0, 3.0])), min_size=1, max_size=5
).filter(lambda pairs: any(weight for _, weight in pairs))


@settings(max_examples=40, deadline=None)
@given(WEIGHTED, st.booleans())
def test_it_is_the_one_with_the_most_chrf_on_average(pairs: list[tuple[str, float]], weighted: bool) -> None:
    texts, weights = [text for text, _ in pairs], [weight if weighted else 1.0 for _, weight in pairs]
    expected = [
        sum(
            weight * sacrebleu.sentence_chrf(text, [other]).score / sum(weights)
            for other, weight in zip(texts, weights, strict=True)
        )
        for text in texts
    ]
    chosen = minimum_bayes_risk(texts, weights if weighted else None)
    assert chosen.expected_chrf == pytest.approx(max(expected), abs=1e-9)
    best = [text for text, gain in zip(texts, expected, strict=True) if gain > max(expected) - 1e-9]
    assert chosen.text in best


def test_of_equal_ones_the_first_is_chosen() -> None:
    assert minimum_bayes_risk(["ab", "cd"]).text == "ab"
    assert minimum_bayes_risk(["cd", "ab"]).text == "cd"
    assert minimum_bayes_risk(["cd", "ab", "ab"]).text == "ab"
    assert minimum_bayes_risk(["ab", "cd"], [1, 2]) == ("cd", pytest.approx(200 / 3))


def test_what_cannot_be_chosen_from_is_refused() -> None:
    for candidates, weights in (([], None), ([], []), (["a"], [0.0]), (["a"], [-1.0]), (["a"], [float("nan")])):
        with pytest.raises(ValueError, match="nothing to choose from"):
            minimum_bayes_risk(candidates, weights)
    with pytest.raises(ValueError, match="1 weights are given for 2 candidates; give one for each"):
        minimum_bayes_risk(["a", "b"], [1.0])


def test_without_sacrebleu_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(UserError, match="the package sacrebleu is not installed"):
        rnnsearch.minimum_bayes_risk(["a"])
