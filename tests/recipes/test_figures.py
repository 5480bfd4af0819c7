"""What is printed of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipes.figures import print_scores
from tests import marks
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.marks import AlignmentError, write_mark


def test_the_scores_of_an_evaluation_and_where_its_page_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = WorkDirectory(tmp_path)
    with pytest.raises(UserError, match=r"is not evaluated; do so with make evaluate WORK=.*"):
        print_scores(work)
    scores = marks.scores({})
    error = AlignmentError(error=0.4762, precision=0.5, recall=0.5, sentences=50)
    work.evaluation.mkdir()
    write_mark(work.scores, scores.model_copy(update={"alignment_error": error}), [])
    print_scores(work)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"test {scores.bleu.text}"
    assert said[-2:] == ["alignment error rate 47.6 %", f"see:  {work.evaluation_report.resolve().as_uri()}"]
