"""Paired tests, against all swaps and all draws of a few sentences, and against sacreBLEU's own."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.significance import PairedTest, Result

from model.evaluation.measures import Measure
from model.evaluation.metrics import BLEU, CHRF, CHRF_PLUS_PLUS, TER, metrics_of
from model.evaluation.significance import Significance, significance

METRICS = metrics_of(Measure("13a", "bleu"), "NFC")
REFERENCES = ["two men talk in a park", "a dog runs", "it rains on the old house", "she reads", "they eat red apples"]
OURS = ["two men talk in the park", "a dog runs", "it rains on an old house", "he reads", "they eat green apples"]
THEIRS = ["two women talk", "a dog runs", "rain on the old house", "she reads", "they have eaten apples"]


def compare(name: str, ours: list[str], theirs: list[str], references: list[str]) -> Significance:
    return significance(name, METRICS[name], ours, theirs, [references])


def chrf(translations: list[str], references: list[str]) -> float:
    return sacrebleu.corpus_chrf(translations, [references]).score


def test_swaps_are_as_likely_as_among_all_of_them() -> None:
    found = compare(CHRF, OURS, THEIRS, REFERENCES)
    differences = []
    for swapped in itertools.product([False, True], repeat=len(OURS)):
        pairs = [(b, a) if swap else (a, b) for a, b, swap in zip(OURS, THEIRS, swapped, strict=True)]
        differences.append(chrf([a for a, _ in pairs], REFERENCES) - chrf([b for _, b in pairs], REFERENCES))
    real = chrf(OURS, REFERENCES) - chrf(THEIRS, REFERENCES)
    assert found.difference == pytest.approx(real)
    expected = np.mean([abs(difference) >= abs(real) - 1e-6 for difference in differences])
    assert 0 < expected < 1
    assert found.randomisation_p == pytest.approx(expected, abs=0.02)


def test_draws_are_as_likely_as_among_all_of_them() -> None:
    ours, theirs, references = OURS[:4], THEIRS[:4], REFERENCES[:4]
    found = compare(CHRF, ours, theirs, references)
    differences = []
    for drawn in itertools.product(range(4), repeat=4):
        a, b, known = ([side[index] for index in drawn] for side in (ours, theirs, references))
        differences.append(chrf(a, known) - chrf(b, known))
    real = chrf(ours, references) - chrf(theirs, references)
    centred = np.array(differences) - np.mean(differences)
    assert found.bootstrap_p == pytest.approx(np.mean(np.abs(centred) >= abs(real)), abs=0.05)
    assert found.better == pytest.approx(np.mean(np.array(differences) > 1e-6), abs=0.05)
    assert min(differences) - 1e-6 <= found.low < real < found.high <= max(differences) + 1e-6


@pytest.mark.parametrize("name", [BLEU, CHRF_PLUS_PLUS])
def test_without_ties_swaps_are_those_of_sacrebleu(name: str) -> None:
    """With its seed. Its bootstrap looks at one direction only, so that its p is about half of ours."""
    words = random.Random(4)

    def spoiled(text: str) -> str:
        return " ".join(word if words.random() < 0.8 else words.choice("abcdefgh") for word in text.split())

    references = [" ".join(words.choices("abcdefghijklmnopqrstuvwxyz", k=words.randrange(6, 15))) for _ in range(40)]
    ours, theirs = ([spoiled(text) for text in references] for _ in range(2))
    found = compare(name, ours, theirs, references)
    _, results = PairedTest([("b", theirs), ("a", ours)], {name: METRICS[name].metric}, [references], "ar")()
    baseline, system = (result for result in results[name] if isinstance(result, Result))
    assert found.randomisation_p == pytest.approx(system.p_value, abs=0.005)
    assert (found.score, found.baseline) == pytest.approx((system.score, baseline.score))
    assert found.bootstrap_p == pytest.approx(found.randomisation_p, abs=0.1)


@pytest.mark.parametrize("name", [BLEU, CHRF, CHRF_PLUS_PLUS, TER])
def test_what_is_equal_or_differs_in_one_sentence_is_not_significant(name: str) -> None:
    """As it is to sacreBLEU, which does not count chance differences that equal the real one."""
    found = compare(name, OURS, OURS, REFERENCES)
    assert (found.difference, found.bootstrap_p, found.randomisation_p, found.better) == (0, 1, 1, 0)
    other = [*OURS[:-1], "they eat red apples"]
    assert compare(name, other, OURS, REFERENCES).randomisation_p == 1


def test_fewer_edits_are_better() -> None:
    found = compare(TER, REFERENCES, THEIRS, REFERENCES)
    assert found.score == 0
    assert found.difference < 0
    assert found.better > 0.95


@settings(max_examples=5, deadline=None)
@given(st.lists(st.tuples(*[st.text("abc ", max_size=8)] * 3), min_size=1, max_size=4))
def test_whichever_is_the_baseline_chance_is_the_same(sentences: list[tuple[str, str, str]]) -> None:
    ours, theirs, references = map(list, zip(*sentences, strict=True))
    there, back = (compare(CHRF, *sides, references) for sides in ((ours, theirs), (theirs, ours)))
    assert there.difference == pytest.approx(-back.difference)
    assert there.low == pytest.approx(-back.high)
    assert there.randomisation_p == back.randomisation_p
    assert there.bootstrap_p == back.bootstrap_p
    assert 0 < there.bootstrap_p <= 1
