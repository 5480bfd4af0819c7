"""The gate of the export: what it refuses, what it says, and that a refusal leaves everything as it was."""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path

import pytest
import sacrebleu

from model import export
from model.data.references import read_references
from model.exported.gate import doubt, pass_gate, refusal
from recipes import run, schema
from recipes.loading import load_recipe, save_recipe
from recipes.schema import Evaluation
from recipes.stages import EVALUATE, EXPORT, PREPARE, TRAIN
from tests import marks
from tests.model.shards import write_data
from tests.model.support import TINY
from workspace.errors import UserError
from workspace.layout import SIDES, WorkDirectory, hypotheses_of
from workspace.lock import sole_use
from workspace.marks import Compared, Evaluated, Score, read_manifest, read_scores, write_mark
from workspace.storage import write_json


def against(score: float, before: float, p_value: float) -> Evaluated:
    compared = Compared(version=3, score=before, p_value=p_value)
    return Evaluated(measure="bleu", score=score, test_set="s", before=compared)


WORSE = "test BLEU 23.75 is below that of version 3, 25.00, by more than evaluation.tolerance (1)"


@pytest.mark.parametrize(
    ("evaluated", "minimum", "tolerance", "refused", "doubted"),
    [
        (Evaluated(measure="bleu", score=20.0, test_set="s"), 20.0, 1.0, None, None),
        (
            Evaluated(measure="chrf", score=19.99, test_set="s"),
            20.5,
            1.0,
            "test chrF 19.99 is under evaluation.minimum (20.5)",
            None,
        ),
        # Better, equal, and worse by no more than the tolerance, however significant that is.
        (against(26.0, 25.0, 0.0001), 0.0, 0.0, None, None),
        (against(25.0, 25.0, 1.0), 0.0, 0.0, None, None),
        (against(24.0, 25.0, 0.0001), 0.0, 1.0, None, None),
        (against(0.0, 100.0 + 1e-13, 0.0001), 0.0, 100.0, None, None),
        (against(23.75, 25.0, 0.0499), 0.0, 1.0, f"{WORSE}, and hardly by chance (p = 0.0499)", None),
        (against(23.75, 25.0, 0.05), 0.0, 1.0, None, f"{WORSE}, but that may be chance (p = 0.0500)"),
        (against(23.75, 25.0, 0.0001), 24.0, 1.0, "test BLEU 23.75 is under evaluation.minimum (24)", None),
    ],
)
def test_what_is_refused_and_what_is_doubted(
    evaluated: Evaluated, minimum: float, tolerance: float, refused: str | None, doubted: str | None
) -> None:
    limits = Evaluation(minimum=minimum, tolerance=tolerance)
    assert refusal(evaluated, limits) == refused
    assert doubt(evaluated, limits) == doubted


def spoilt(references: list[str], count: int) -> list[str]:
    """The references, of which the first lack their last words."""
    return [text[: len(text) // 2] if row < count else text for row, text in enumerate(references)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> WorkDirectory[Path]:
    """What the stages before the export leave of a training that translates half of the test set as people did."""
    work = write_data(tmp_path_factory.mktemp("gate") / "run", TINY, train=60, dev=5, test=20)
    work.training.mkdir()
    write_mark(work.training_mark, marks.training_mark("w", {}))
    test = read_references(work, read_manifest(work), "test")
    translations = spoilt(test.targets, 10)
    work.evaluation.mkdir()
    work.hypotheses.write_text("".join(text + "\n" for text in translations), encoding="utf-8")
    bleu, chrf = (
        sacrebleu.corpus_bleu(translations, [test.targets]),
        sacrebleu.corpus_chrf(translations, [test.targets]),
    )
    scores = marks.scores(EVALUATE.made_from(TINY, work)).model_copy(
        update={
            name: Score(score=found.score, signature="", text=str(found))
            for name, found in (("bleu", bleu), ("chrf", chrf))
        }
    )
    write_mark(work.scores, scores, [work.hypotheses])
    return work


@pytest.fixture
def work(finished: WorkDirectory[Path], tmp_path: Path) -> WorkDirectory[Path]:
    copy = WorkDirectory(tmp_path / "run")
    shutil.copytree(finished.root, copy.root)
    return copy


def publish(work: WorkDirectory[Path], translations: list[str], test_set: str) -> None:
    """A version 1 that translated a test set so."""
    version = work.version(1)
    hypotheses_of(version).parent.mkdir(parents=True)
    hypotheses_of(version).write_text("".join(text + "\n" for text in translations), encoding="utf-8")
    mark = marks.provenance(EXPORT.made_from(TINY, work))
    evaluated = Evaluated(measure="bleu", score=0.0, test_set=test_set)
    write_mark(work.provenance(1), mark.model_copy(update={"evaluated": evaluated}), [hypotheses_of(version)])


def passed(work: WorkDirectory[Path], recipe: schema.Recipe = TINY, is_forced: bool = False) -> Evaluated:
    found = pass_gate(work, recipe, read_manifest(work), is_forced)
    assert found is not None
    return found


def limited(**limits: float) -> schema.Recipe:
    return TINY.model_copy(update={"evaluation": TINY.evaluation.model_copy(update=limits)})


def targets(work: WorkDirectory[Path]) -> list[str]:
    return read_references(work, read_manifest(work), "test").targets


@pytest.mark.slow
def test_a_model_is_compared_with_the_newest_version(
    work: WorkDirectory[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Here with one that translates the whole test set as people did."""
    first = passed(work)
    score = read_scores(work).bleu.score
    assert (first.measure, first.score, first.before) == ("bleu", score, None)
    publish(work, targets(work), first.test_set)
    before = {path: path.read_bytes() for path in work.root.rglob("*") if path.is_file()}
    with pytest.raises(UserError) as error:
        passed(work)
    refused, _, way = str(error.value).partition(", so that ")
    assert way == "version 1 stays the newest; train it better, or export it all the same with FORCE=1"
    worse = re.escape(f"{work.root}: test BLEU {score:.2f} is below that of version 1, 100.00, by more than ")
    found = re.fullmatch(rf"{worse}evaluation\.tolerance \(1\), and hardly by chance \(p = (0\.\d+)\)", refused)
    assert found
    # Of the 2 ** 10 ways to exchange the ten sentences that differ, two make as large a difference.
    assert float(found[1]) == pytest.approx(2 / 2**10, abs=0.001)
    assert {path: path.read_bytes() for path in work.root.rglob("*") if path.is_file()} == before
    assert capsys.readouterr().err == ""

    forced = passed(work, is_forced=True)
    assert forced.before is not None
    assert (forced.before.version, forced.before.score) == (1, pytest.approx(100))
    (said,) = capsys.readouterr().err.splitlines()
    assert said == f"warning: {forced.overridden}; it is exported all the same, for it is forced"
    within = passed(work, limited(tolerance=100.0))
    assert (within.before, within.overridden) == (forced.before, None)


@pytest.mark.slow
def test_a_difference_that_may_be_chance_is_said(work: WorkDirectory[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Of three sentences that differ, every other way to exchange them is a smaller one: p = 2 / 2 ** 3."""
    publish(work, spoilt(targets(work), 7), passed(work).test_set)
    found = passed(work)
    assert found.before is not None
    assert found.before.score > found.score + 1
    assert found.before.p_value == pytest.approx(0.25, abs=0.03)
    assert re.search(r"^warning: test BLEU .*, but that may be chance \(p = 0\.2\d+\)$", capsys.readouterr().err)


@pytest.mark.slow
def test_a_better_model_passes(work: WorkDirectory[Path], capsys: pytest.CaptureFixture[str]) -> None:
    publish(work, spoilt(targets(work), 20), passed(work).test_set)
    found = passed(work)
    assert found.before is not None
    assert found.before.score < found.score
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_the_version_before_is_scored_as_the_new_one_is(work: WorkDirectory[Path]) -> None:
    """By chrF where that chooses the best weights, whatever the version was scored by."""
    theirs = spoilt(targets(work), 8)
    publish(work, theirs, passed(work).test_set)
    recipe = TINY.model_copy(update={"training": TINY.training.model_copy(update={"best_by": "chrf"})})
    found = passed(work, recipe)
    assert found.before is not None
    assert found.before.score == pytest.approx(sacrebleu.corpus_chrf(theirs, [targets(work)]).score)
    assert (found.measure, found.score) == ("chrf", read_scores(work).chrf.score)


@pytest.mark.slow
def test_under_the_minimum(work: WorkDirectory[Path], capsys: pytest.CaptureFixture[str]) -> None:
    score = read_scores(work).bleu.score
    sentence = rf"test BLEU {score:.2f} is under evaluation.minimum \(99\), so that there is no version; train it"
    with pytest.raises(UserError, match=sentence):
        passed(work, limited(minimum=99.0))
    assert not work.export.exists()
    assert passed(work, limited(minimum=score)).score == score
    assert capsys.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("test_set", "count", "lacking"),
    [("another", 20, "was tested on another test set"), (None, 19, "has no translations of the test set")],
)
def test_what_cannot_be_compared_is_said(
    work: WorkDirectory[Path], test_set: str | None, count: int, lacking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = passed(work)
    publish(work, targets(work)[:count], test_set or first.test_set)
    assert passed(work) == first
    said = f"warning: version 1 {lacking}, so that nothing says whether it is better\n"
    assert capsys.readouterr().err == said


@pytest.mark.slow
@pytest.mark.parametrize("mark", ["of before the gate", "of another version of the project", "none"])
def test_a_version_without_translations(
    work: WorkDirectory[Path], mark: str, capsys: pytest.CaptureFixture[str]
) -> None:
    work.version(1).mkdir(parents=True)
    if mark == "of before the gate":
        write_mark(work.provenance(1), marks.provenance(EXPORT.made_from(TINY, work)))
    elif mark == "of another version of the project":
        write_json(work.provenance(1), {"made_from": {}, "unheard_of": 1})
    assert passed(work).before is None
    assert "warning: version 1 has no translations of the test set, so that" in capsys.readouterr().err


@pytest.mark.slow
def test_the_scores_must_be_those_of_the_model(work: WorkDirectory[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Not of other weights, of another search, or in int8."""
    search = TINY.search.model_copy(update={"beam_size": 1})
    with pytest.raises(UserError, match=r"is not evaluated .* \(search.beam_size changed from 3 to 1\), so that there"):
        passed(work, TINY.model_copy(update={"search": search}))
    scores = read_scores(work)
    in_int8 = {"made_from": {**scores.made_from, "precision": "int8"}, "precision": "int8"}
    write_mark(work.scores, scores.model_copy(update=in_int8), [work.hypotheses])
    with pytest.raises(UserError, match=r"is not evaluated .* \(precision changed\)"):
        passed(work)
    shutil.rmtree(work.evaluation)
    with pytest.raises(UserError, match=rf"\(not made yet\), .* evaluate it with make evaluate WORK={work.root}, or"):
        passed(work)
    assert pass_gate(work, TINY, read_manifest(work), is_forced=True) is None
    assert "warning: the model is not evaluated as it would be exported (not made yet)" in capsys.readouterr().err


@pytest.mark.slow
def test_one_export_at_a_time(work: WorkDirectory[Path]) -> None:
    caught: list[UserError] = []

    def other() -> None:
        with pytest.raises(UserError, match="is in use by the first") as error:
            export.run(work)
        caught.append(error.value)

    with sole_use(work, "the first"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(caught) == 1
    assert not work.export.exists()


@pytest.mark.slow
def test_force_comes_through_from_the_road(
    work: WorkDirectory[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no checkpoint here, which is what stops an export that has passed the gate."""
    for side in SIDES:
        (tmp_path / side).write_text("a\n", encoding="utf-8")
    corpus = {"train": {side: str(tmp_path / side) for side in SIDES}}
    recipe = load_recipe("tiny", {"corpus": corpus, "evaluation": {"minimum": 99}})
    save_recipe(recipe, work.recipe)
    manifest, scores = read_manifest(work), read_scores(work)
    write_mark(work.manifest, manifest.model_copy(update={"made_from": PREPARE.made_from(recipe, work)}))
    write_mark(work.training_mark, marks.training_mark("w", TRAIN.made_from(recipe, work)))
    write_mark(
        work.scores, scores.model_copy(update={"made_from": EVALUATE.made_from(recipe, work)}), [work.hypotheses]
    )
    with pytest.raises(UserError, match=r"is under evaluation.minimum \(99\), so that there is no version"):
        run.main(["--work", str(work.root)])
    with pytest.raises(UserError, match="checkpoint"):
        run.main(["--work", str(work.root), "--force"])
    assert "is under evaluation.minimum (99); it is exported all the same" in capsys.readouterr().err
    assert not work.export.exists()
