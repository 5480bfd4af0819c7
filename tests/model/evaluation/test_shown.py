"""Which alignments the page shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.evaluation.alignment_error import Gold
from model.evaluation.shown import Shown, read_shown, shown_of, shown_of_gold
from model.evaluation.word_alignment import WordAlignment
from workspace.layout import WorkDirectory
from workspace.storage import write_json


def aligned(*rows: list[float]) -> WordAlignment:
    return WordAlignment(["a", "b"], ["x", "y"], np.array(rows))


def test_chosen_best_worst_and_random_sentences_once_each() -> None:
    """Of sentence n the score is n, save that two are equally good, and the first has no translation."""
    alignments = [WordAlignment(["a"], [], np.zeros((0, 1)))] + [aligned([0.1, 0.2], [0.3, 0.4])] * 29
    chrf = [*map(float, range(29)), 28.0]
    sources = ["a"] * 29 + ["a longer one"]
    shown = list(shown_of(alignments, chrf, sources, [16, 29, 0, 16]))
    assert [each.why for each in shown] == ["chosen"] * 2 + ["best"] * 3 + ["worst"] * 3 + ["random"] * 4
    assert [each.number for each in shown[:8]] == [16, 29, 28, 27, 26, 1, 2, 3]
    assert len({each.number for each in shown}) == 12
    assert shown == list(shown_of(alignments, chrf, sources, [16, 29, 0, 16]))
    assert [each.number for each in shown_of(alignments, chrf, sources, [])][:2] == [29, 28]


def test_of_the_sentences_aligned_by_hand_the_best_and_the_worst() -> None:
    """By their own error: of two links none, one, or both are right, and one sentence has nothing that is sure."""
    gold = Gold(["a", "b"], ["x", "y"], frozenset({(0, 0), (1, 1)}), frozenset({(0, 0), (1, 1)}))
    right, half, wrong = (
        aligned([0.9, 0.1], [0.1, 0.9]),
        aligned([0.9, 0.1], [0.9, 0.1]),
        aligned([0.1, 0.9], [0.9, 0.1]),
    )
    unsure = gold._replace(sure=frozenset())
    shown = list(shown_of_gold([half, wrong, right, right, half], [gold, gold, gold, unsure, gold]))
    assert [(each.why, each.number, each.error) for each in shown] == [
        ("aligned best", 2, 0),
        ("aligned best", 0, pytest.approx(0.5)),
        ("aligned worst", 1, 1),
        ("aligned worst", 4, pytest.approx(0.5)),
    ]
    assert shown[0].sure == shown[0].possible == [(0, 0), (1, 1)]
    assert list(shown_of_gold([right], [gold])) == []


def test_what_is_kept_is_read(tmp_path: Path) -> None:
    work = WorkDirectory(tmp_path)
    nothing = Shown(sentences=[], gold_name="", gold=[])
    assert read_shown(work) == nothing
    kept = Shown(
        sentences=list(shown_of([aligned([0.1, 0.2], [0.3, 0.4])], [1.0], ["a b"], [0])), gold_name="g", gold=[]
    )
    write_json(work.shown, kept.model_dump(mode="json"))
    assert read_shown(work) == kept
    write_json(work.shown, {"of": "another version"})
    assert read_shown(work) == nothing
