"""The page of an evaluation: that it says what was found, needs nothing beside it, and lets no text write into it."""

from __future__ import annotations

import dataclasses
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from model.evaluation.by_length import LengthPoint
from model.evaluation.comparison import Change, Comparison, parts_of
from model.evaluation.report import Evaluation, render_report
from model.evaluation.shown import Shown, ShownAlignment
from model.evaluation.significance import Significance
from recipes.loading import load_recipe
from tests.model.evaluation.test_training_curves import HISTORY, MARK
from tests.pages import Page
from workspace.layout import WorkDirectory
from workspace.marks import AlignmentError, Score, Scores, write_mark

MARKUP = "<script>alert(1)</script>"
ALIGNED = ShownAlignment(
    why="best", number=1, source=["a", MARKUP], target=["x", "y"], weights=[[0.75, 0.125], [0.004, 0.5]]
)
SCORE = Score(score=12.34, signature="nrefs:1|tok:13a", text="BLEU = 12.34", mean=12.5, margin=1.5)


class Cells(HTMLParser):
    """The cells of the alignments of a page: class, style and title of each, a row of them for each row."""

    def __init__(self, text: str):
        super().__init__()
        self.grids: list[list[list[dict[str, str | None]]]] = []
        self._is_in = False
        self.feed(text)

    def handle_endtag(self, tag: str) -> None:
        self._is_in &= tag != "div"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if dict(attrs).get("class") == "alignment":
            self._is_in = True
            self.grids.append([])
        elif self._is_in and tag == "tr":
            self.grids[-1].append([])
        elif self._is_in and tag == "td":
            self.grids[-1][-1].append(dict(attrs))


@pytest.fixture
def work(tmp_path: Path) -> WorkDirectory:
    work = WorkDirectory(tmp_path / "run")
    work.training.mkdir(parents=True)
    work.history.write_text("".join(json.dumps(line) + "\n" for line in HISTORY), encoding="utf-8")
    write_mark(work.training_mark, MARK)
    return work


def evaluation(shown: Shown, count: int = 3, **more: object) -> Evaluation:
    """Of three sentences with markup in them and two references."""
    scores = Scores(
        made_from={},
        bleu=SCORE,
        chrf=SCORE,
        chrf_plus_plus=SCORE,
        ter=SCORE,
        test_set="0",
        sentences=count,
        too_long=0,
        seconds=2,
        samples=[],
    )
    values = {
        "scores": scores,
        "sources": [f"source {number} {MARKUP}" for number in range(1, count + 1)],
        "references": [[f"reference {MARKUP}"] * count, ["another"] * count],
        "translations": [f"translation {MARKUP}"] * count,
        "chrf": [10.0, 20.0, 30.0],
        "by_length": {f"<b>{MARKUP}": [LengthPoint(1, 5, 3.0, count, 12.25, 11.0, 13.5)]},
        "shown": shown,
        **more,
    }
    return Evaluation(**values)  # type: ignore[arg-type]


def test_the_page_needs_nothing_and_shows_markup_as_text(work: WorkDirectory) -> None:
    text = render_report(work, load_recipe("tiny"), evaluation(Shown(sentences=[ALIGNED], gold_name="", gold=[])))
    page = Page(text)
    assert page.foreign == []
    assert "<script" not in text
    assert "<b>" not in text
    assert page.after("source") == f"source 2 {MARKUP}"
    assert page.after("translation") == f"translation {MARKUP}"
    assert page.after("reference") == f"reference {MARKUP}"
    assert "another" in page.texts
    assert text.count("<svg") == 1 + 4
    assert page.after("1 to 5") == "12.2"
    assert "best: sentence 2, chrF 20.0" in page.texts


def test_scores_have_their_interval_and_signature(work: WorkDirectory) -> None:
    text = render_report(work, load_recipe("tiny"), evaluation(Shown(sentences=[], gold_name="", gold=[])))
    page = Page(text)
    row = page.texts.index("chrF2++")
    assert page.texts[row : row + 4] == ["chrF2++", "12.34", "11.00 to 14.00", "nrefs:1|tok:13a"]


def test_differences_to_another_run_are_marked_side_by_side(work: WorkDirectory) -> None:
    of_bleu = Significance(
        score=20,
        baseline=21.5,
        difference=-1.5,
        low=-2.25,
        high=-0.5,
        better=0.01,
        bootstrap_p=0.0123,
        randomisation_p=0.0456,
        resamples=1000,
        trials=10000,
        signature="nrefs:1",
    )
    ours, theirs = parts_of(f"one {MARKUP} dog", "one dog")
    change = Change(
        number=1,
        source=MARKUP,
        references=["reference"],
        translation=ours,
        baseline=theirs,
        chrf=40.0,
        baseline_chrf=70.0,
    )
    comparison = Comparison(
        baseline="work/<b>",
        precisions=("float32", "float32"),
        hypotheses=("0", "1"),
        significance={"BLEU": of_bleu},
        better=[],
        worse=[change] * 12,
        equal=1,
        as_good=2,
    )
    found = evaluation(Shown(sentences=[], gold_name="", gold=[]), comparison=comparison)
    text = render_report(work, load_recipe("tiny"), found)
    page = Page(text)
    row = page.texts.index("p, randomisation")
    assert page.texts[row + 1 : row + 8] == ["BLEU", "20.00", "21.50", "-1.50", "-2.25 to -0.50", "0.0123", "0.0456"]
    assert "worse: the 10 with the largest difference" in page.texts
    assert not any(part.startswith("better") for part in page.texts)
    assert page.texts.count("this run, chrF 40.0") == 10
    place = page.texts.index("this run, chrF 40.0")
    assert page.texts[place + 1 : place + 6] == ["one", MARKUP, "dog", "the other, chrF 70.0", "one dog"]
    assert text.count("<mark>") == 10
    assert "Against work/<b>" in page.texts


def test_a_cell_has_its_weight_in_colour_and_under_the_pointer(work: WorkDirectory) -> None:
    text = render_report(work, load_recipe("tiny"), evaluation(Shown(sentences=[ALIGNED], gold_name="", gold=[])))
    ((head, first, second),) = Cells(text).grids
    assert len(head) == 1
    assert [cell.get("style") for cell in first] == ["--w:0.75", "--w:0.12"]
    assert [cell.get("title") for cell in first] == ["a → x: 0.75", f"{MARKUP} → x: 0.12"]
    assert [cell.get("style") for cell in second] == [None, "--w:0.50"]


def test_gold_is_framed_and_its_error_said(work: WorkDirectory) -> None:
    links = {"sure": [(0, 0)], "possible": [(0, 0), (0, 1)], "error": 0.25}
    found = evaluation(Shown(sentences=[], gold_name=MARKUP, gold=[ALIGNED.model_copy(update=links)]))
    error = AlignmentError(error=0.3333, precision=0.5, recall=0.75, sentences=2)
    with_error = dataclasses.replace(found, scores=found.scores.model_copy(update={"alignment_error": error}))
    text = render_report(work, load_recipe("tiny"), with_error)
    page = Page(text)
    assert page.after("alignment error rate (Och and Ney 2003)") == "33.3 %"
    assert page.after("recall, of links that are sure") == "75.0 %"
    assert "best: sentence 2, alignment error rate 25.0 %" in page.texts
    ((_, first, second),) = Cells(text).grids
    assert [cell.get("class") for cell in first + second] == ["sure", None, "possible", None]
    # What was aligned by hand has its weight said, though it may be none.
    assert second[0].get("title") == "a → y: 0.00"


def test_an_architecture_without_attention_has_a_page_too(work: WorkDirectory) -> None:
    text = render_report(work, load_recipe("tiny"), evaluation(Shown(sentences=[], gold_name="", gold=[])))
    assert "There are none: this architecture aligns nothing, or nothing was translated." in Page(text).texts
    assert Cells(text).grids == []
