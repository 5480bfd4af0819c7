"""BLEU by length: every sentence is in one point, whose score is sacreBLEU's of its sentences."""

from __future__ import annotations

import itertools

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from model.evaluation.by_length import FEWEST_SENTENCES, bleu_by_length, draw_by_length, lengths_of
from model.evaluation.measures import Measure
from model.evaluation.metrics import BLEU, metrics_of
from workspace.pages import svg_of

METRIC = metrics_of(Measure("13a", "bleu"), "NFC")[BLEU]


def sentences(lengths: list[int]) -> tuple[list[str], list[str], list[str]]:
    """Sources of so many words, references of as many, and translations with every third word of them wrong."""
    references = [" ".join(f"w{(length + place) % 7}" for place in range(length)) for length in lengths]
    translations = [
        " ".join(word if place % 3 else "x" for place, word in enumerate(text.split())) for text in references
    ]
    return [text.upper() for text in references], translations, references


def test_a_point_is_the_score_of_its_sentences() -> None:
    lengths = [length for length in (3, 5, 6, 9, 10, 14) for _ in range(20)]
    sources, translations, references = sentences(lengths)
    points = bleu_by_length(sources, translations, [references], METRIC)
    # Of eleven to fifteen words there are too few for a point of their own.
    assert [(point.fewest, point.most, point.sentences) for point in points] == [(3, 5, 40), (6, 14, 80)]
    for point in points:
        chosen = [place for place, length in enumerate(lengths) if point.fewest <= length <= point.most]
        assert point.mean == sum(lengths[place] for place in chosen) / len(chosen)
        ours, known = ([side[place] for place in chosen] for side in (translations, references))
        assert point.score == pytest.approx(sacrebleu.corpus_bleu(ours, [known]).score)
        assert 0 < point.low < point.score < point.high < 100


@settings(max_examples=30)
@given(st.lists(st.integers(1, 120), max_size=150))
def test_every_sentence_is_in_one_point(lengths: list[int]) -> None:
    sources, _, references = sentences(lengths)
    points = bleu_by_length(sources, references, [references], METRIC)
    assert sum(point.sentences for point in points) == len(lengths)
    assert all(before.most < after.fewest for before, after in itertools.pairwise(points))
    assert all(point.sentences >= FEWEST_SENTENCES for point in points) or len(points) <= 1
    for point in points:
        assert point.sentences == sum(point.fewest <= length <= point.most for length in lengths)


def test_scripts_without_spaces_are_measured_in_characters() -> None:
    assert lengths_of(["我喜欢你。", "好"]) == ("characters", [5, 1])
    assert lengths_of(["I like 你", "good"]) == ("words", [3, 1])
    assert lengths_of([]) == ("words", [])


def test_a_curve_for_every_run_with_the_number_of_sentences() -> None:
    sources, translations, references = sentences([4] * 1234 + [9] * 35)
    runs = {
        "<a> & b": bleu_by_length(sources, translations, [references], METRIC),
        "other": bleu_by_length(sources, references, [references], METRIC),
    }
    runs |= {"_a$b": runs["other"], "c$x^2$": runs["other"]}
    svg = svg_of(draw_by_length(runs, "words"))
    for text in ("&lt;a&gt; &amp; b", "other", "_a$b", "c$x^2$", ">1,234<", ">35<", "words of the source sentence"):
        assert text in svg
    assert "<a>" not in svg
    assert ">other<" not in svg_of(draw_by_length({"<a>": runs["other"]}, "words"))
