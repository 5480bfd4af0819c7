"""The page of an evaluation: that it says what was found, needs nothing beside it, and lets no text write into it."""

from __future__ import annotations

import dataclasses
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from model.evaluation.by_length import LengthPoint
from model.evaluation.comparison import Change, Comparison, parts_of
from model.evaluation.confidence import Tenth
from model.evaluation.details import Details, Finding, Sentence, UnknownWords
from model.evaluation.report import Evaluation, render_report
from model.evaluation.shown import Shown, ShownAlignment
from model.evaluation.significance import Significance
from model.evaluation.word_statistics import Coverage, FrequencyClass, WordCount
from recipes.loading import load_recipe
from tests.model.evaluation.test_training_curves import HISTORY, MARK
from tests.pages import Page
from workspace.layout import WorkDirectory
from workspace.marks import AlignmentError, Score, Scores, write_mark

MARKUP = "<script>alert(1)</script>"
SCORE = Score(score=12.34, signature="nrefs:1|tok:13a", text="BLEU = 12.34", mean=12.5, margin=1.5)
SCORES = Scores(
    made_from={},
    bleu=SCORE,
    chrf=SCORE,
    chrf_plus_plus=SCORE,
    ter=None,
    test_set="0",
    sentences=3,
    too_long=0,
    seconds=2,
    samples=[],
    alignment_error=AlignmentError(error=0.3333, precision=0.5, recall=0.75, sentences=2),
)
SENTENCES = [
    Sentence(
        source=f"source {number} {MARKUP}",
        references=[f"reference {number} {MARKUP}", "another"],
        translation=f"translation {number} {MARKUP}",
        chrf=10.0 * number,
        score=-0.5 * number if number < 3 else None,
    )
    for number in (1, 2, 3)
]
DETAILS = Details(
    sentences=SENTENCES,
    worst=[0, 1],
    copied=[Finding(sentence=2, words=MARKUP)],
    numbers=[],
    repeated=[],
    short=[1],
    long=[],
    length_ratio=0.875,
    coverage=Coverage(
        left_out=[WordCount(word=MARKUP, times=2, occurrences=8, sentences=[0, 1])],
        twice=[],
        left_out_times=2,
        twice_times=0,
        occurrences=16,
    ),
    training_pairs=4321,
    by_frequency=[
        FrequencyClass(low=0, high=0, reference=4, translation=4, matched=1),
        FrequencyClass(low=2, high=4, reference=10, translation=6, matched=4),
        FrequencyClass(low=1000, high=None, reference=1, translation=1, matched=1),
    ],
    unknown=UnknownWords(source=5, target=6, all=SCORE, no_unknown=None, sentences=0),
    tenths=[Tenth(sentences=1, low=-1.5, high=-1.25, chrf=33.3), Tenth(sentences=2, low=-1, high=-0.5, chrf=44.4)],
    rank_correlation=0.625,
)
ALIGNED = ShownAlignment(
    why="best", number=1, source=["a", MARKUP], target=["x", "y"], weights=[[0.75, 0.125], [0.004, 0.5]]
)
GOLD = ALIGNED.model_copy(
    update={"why": "aligned worst", "sure": [(0, 0)], "possible": [(0, 0), (0, 1)], "error": 0.25}
)
OURS, THEIRS = parts_of(f"one {MARKUP} dog", "one dog")
CHANGE = Change(
    number=1,
    source=MARKUP,
    references=["reference"],
    translation=OURS,
    baseline=THEIRS,
    chrf=40.0,
    baseline_chrf=70.0,
)
COMPARISON = Comparison(
    baseline="work/<b>",
    precisions=("float32", "float32"),
    hypotheses=("0", "1"),
    significance={
        "BLEU": Significance(
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
    },
    better=[],
    worse=[CHANGE] * 12,
    equal=1,
    as_good=2,
)
EVERYTHING = Evaluation(
    scores=SCORES,
    details=DETAILS,
    by_length={f"<b>{MARKUP}": [LengthPoint(1, 5, 3.0, 3, 12.25, 11.0, 13.5)]},
    shown=Shown(sentences=[ALIGNED], gold_name=MARKUP, gold=[GOLD]),
    comparison=COMPARISON,
)
NO_MORE_THAN_NEEDED = dataclasses.replace(
    EVERYTHING,
    scores=SCORES.model_copy(update={"alignment_error": None}),
    details=DETAILS.model_copy(update={"coverage": None, "unknown": None, "rank_correlation": None, "copied": []}),
    shown=Shown(sentences=[], gold_name="", gold=[]),
    comparison=None,
)


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


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> WorkDirectory[Path]:
    work = WorkDirectory(tmp_path_factory.mktemp("report") / "run")
    work.training.mkdir(parents=True)
    work.history.write_text("".join(json.dumps(line) + "\n" for line in HISTORY), encoding="utf-8")
    write_mark(work.training_mark, MARK)
    return work


@pytest.fixture(scope="module")
def text(work: WorkDirectory[Path]) -> str:
    return render_report(work, load_recipe("tiny"), EVERYTHING)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_the_page_needs_nothing_and_shows_markup_as_text(text: str, page: Page) -> None:
    assert page.foreign == []
    assert "<script" not in text
    assert "<b>" not in text
    for sentence in SENTENCES:
        assert {sentence.source, sentence.translation, *sentence.references} <= set(page.texts)
    # By length, F1, tenths, and four of the training.
    assert text.count("<svg") == 7


def test_scores_have_their_interval_and_signature(page: Page) -> None:
    row = page.texts.index("chrF2++")
    assert page.texts[row : row + 4] == ["chrF2++", "12.34", "11.00 to 14.00", "nrefs:1|tok:13a"]
    assert "TER" not in page.texts


def test_differences_to_another_run_are_marked_side_by_side(text: str, page: Page) -> None:
    row = page.texts.index("p, randomisation")
    assert page.texts[row + 1 : row + 8] == ["BLEU", "20.00", "21.50", "-1.50", "-2.25 to -0.50", "0.0123", "0.0456"]
    assert "worse: the 10 with the largest difference" in page.texts
    assert not any(part.startswith("better") for part in page.texts)
    assert page.texts.count("this run, chrF 40.0") == 10
    place = page.texts.index("this run, chrF 40.0")
    assert page.texts[place + 1 : place + 6] == ["one", MARKUP, "dog", "the other, chrF 70.0", "one dog"]
    assert f"one <mark>{MARKUP.replace('<', '&lt;').replace('>', '&gt;')}</mark> dog" in text
    assert "Against work/<b>" in page.texts


def test_what_went_wrong_is_counted_and_shown(page: Page) -> None:
    copied = page.texts.index("copied from the source: 1")
    assert page.texts[copied + 1 : copied + 4] == ["sentence 3, chrF 30.0:", MARKUP, "source"]
    assert page.after("less than half as long as the reference: 1") == "sentence 2, chrF 20.0, score -1.00"
    assert page.after("worst by chrF: 2") == "sentence 1, chrF 10.0, score -0.50"
    assert "wrong numbers (+ too much, - missing): 0" in page.texts
    left_out = page.texts.index("left out")
    assert page.texts[left_out + 3 : left_out + 7] == [MARKUP, "2", "8", "25.0 %"]
    assert any("2 of 16 words (12.5 %)" in part for part in page.texts)


def test_rare_and_unknown_words(page: Page) -> None:
    rows = page.texts.index("times in training")
    assert page.texts[rows + 5 : rows + 15] == ["0", "4", "4", "1", "0.250", "2\u20134", "10", "6", "4", "0.500"]
    assert page.after("All") == "3"
    unknown = page.texts.index("No UNK")
    assert page.texts[unknown : unknown + 3] == ["No UNK", "0", "none"]


def test_what_the_score_says(page: Page) -> None:
    rows = page.texts.index("tenth")
    assert page.texts[rows + 4 : rows + 12] == ["1", "-1.50 to -1.25", "1", "33.3", "2", "-1.00 to -0.50", "2", "44.4"]
    assert any("correlate by 0.62" in part for part in page.texts)


def test_a_cell_has_its_weight_in_colour_and_under_the_pointer(text: str, page: Page) -> None:
    head, first, second = Cells(text).grids[0]
    assert len(head) == 1
    assert [cell.get("style") for cell in first] == ["--w:0.75", "--w:0.12"]
    assert [cell.get("title") for cell in first] == ["a → x: 0.75", f"{MARKUP} → x: 0.12"]
    assert [cell.get("style") for cell in second] == [None, "--w:0.50"]
    assert page.after("best: sentence 2, chrF 20.0") == "source"


def test_gold_is_framed_and_its_error_said(text: str, page: Page) -> None:
    assert page.after("alignment error rate (Och and Ney 2003)") == "33.3 %"
    assert page.after("recall, of links that are sure") == "75.0 %"
    assert "aligned worst: sentence 2, alignment error rate 25.0 %" in page.texts
    _, first, second = Cells(text).grids[1]
    assert [cell.get("class") for cell in first + second] == ["sure", None, "possible", None]
    # What was aligned by hand has its weight said, though it may be none.
    assert second[0].get("title") == "a → y: 0.00"


def test_what_there_is_nothing_of_is_left_out(work: WorkDirectory[Path], page: Page) -> None:
    full, text = page, render_report(work, load_recipe("tiny"), NO_MORE_THAN_NEEDED)
    page = Page(text)
    assert "There are none: this architecture aligns nothing, or nothing was translated." in page.texts
    assert Cells(text).grids == []
    for title in ("Alignment error rate", "Unknown words", "Source words left out, or translated twice"):
        assert title not in page.texts
        assert title in full.texts
    assert not any(part.startswith("Against") for part in page.texts)
