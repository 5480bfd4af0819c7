"""Which stages run again after which change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recipes.loading import load_recipe
from recipes.road import Asked, keep, resolve
from recipes.run import main
from recipes.schema import Recipe
from recipes.stages import EVALUATE, EXPORT, FETCH, PREPARE, STAGES, TRAIN
from tests import marks
from workspace.errors import UserError
from workspace.layout import SIDES, WorkDirectory
from workspace.marks import CorpusMark, write_mark
from workspace.storage import read_json, write_json

# What stages leave beside their marks, with the stage.
LEFT = {
    "data/s": "prepare",
    "data/subwords.model": "prepare",
    "training/checkpoints/1/state.index": "train",
    "evaluation/test.hypotheses.txt": "evaluate",
    "export/1/saved_model.pb": "export",
    "export/1/variables/variables.index": "export",
}


@pytest.fixture
def corpus(tmp_path: Path) -> dict[str, Any]:
    paths = {side: tmp_path / f"mine.{side}" for side in ("source", "target")}
    for path in paths.values():
        path.write_text("one\ntwo\n", encoding="utf-8")
    return {"train": {side: str(path) for side, path in paths.items()}}


def recipe_with(corpus: dict[str, Any], **changes: Any) -> Recipe:
    return load_recipe("tiny", {"corpus": corpus, **changes})


def finish_all(recipe: Recipe, work: WorkDirectory[Path]) -> None:
    """Leaves the marks that the stages leave, with what each hands to the next."""
    left: dict[str, list[Path]] = {}
    for name, stage in LEFT.items():
        path = work.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left")
        left.setdefault(stage, []).append(path)
    write_mark(work.manifest, marks.manifest({1: 1}, {"s": "1"}, PREPARE.made_from(recipe, work)), left["prepare"])
    write_mark(work.training_mark, marks.training_mark("w", TRAIN.made_from(recipe, work)), left["train"])
    write_mark(work.scores, marks.scores(EVALUATE.made_from(recipe, work)), left["evaluate"])
    write_mark(work.provenance(1), marks.provenance(EXPORT.made_from(recipe, work)), left["export"])


def stale(recipe: Recipe, work: WorkDirectory[Path]) -> dict[str, str]:
    reasons = {stage.name: stage.stale_because(recipe, work) for stage in STAGES if stage is not FETCH}
    return {name: reason for name, reason in reasons.items() if reason}


def test_a_changed_dictionary_is_exported_anew(
    corpus: dict[str, Any], work: WorkDirectory[Path], tmp_path: Path
) -> None:
    dictionary = tmp_path / "words.tsv"
    recipe = recipe_with(corpus, search={"unknown_dictionary": str(dictionary)})
    with pytest.raises(UserError, match=r"search.unknown_dictionary: .*: no such file; give one that is there"):
        EXPORT.made_from(recipe, work)
    dictionary.write_text("one\tun\n")
    finish_all(recipe, work)
    assert stale(recipe, work) == {}
    dictionary.write_text("one\tune\n")
    assert set(stale(recipe, work)) == {"evaluate", "export"}


def test_changed_references_are_scored_anew_and_nothing_else(
    corpus: dict[str, Any], work: WorkDirectory[Path], tmp_path: Path
) -> None:
    more = tmp_path / "more.target"
    both = {**corpus, "test": corpus["train"]}
    finish_all(recipe_with(both), work)
    recipe = recipe_with(both, evaluation={"references": str(more)})
    with pytest.raises(UserError, match=r"evaluation.references: .*: no such file; give one that is there"):
        EVALUATE.made_from(recipe, work)
    more.write_text("one\ntwo\n")
    assert set(stale(recipe, work)) == {"evaluate"}
    finish_all(recipe, work)
    assert stale(recipe, work) == {}
    more.write_text("one\nthree\n")
    assert set(stale(recipe, work)) == {"evaluate"}
    with pytest.raises(UserError, match=r"evaluation.references are translations of the lines of corpus.test.source"):
        recipe_with(corpus, evaluation={"references": str(more)})


def test_everything_is_stale_at_first_and_nothing_when_made(corpus: dict[str, Any], work: WorkDirectory[Path]) -> None:
    recipe = recipe_with(corpus)
    assert stale(recipe, work) == dict.fromkeys(("prepare", "train", "evaluate", "export"), "not made yet")
    finish_all(recipe, work)
    assert stale(recipe, work) == {}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"search": {"beam_size": 2}}, {"evaluate", "export"}),
        ({"model": {"dropout": 0.5}}, {"train"}),
        ({"training": {"epochs": 1}}, {"train"}),
        ({"training": {"init_from": "elsewhere"}}, {"train"}),
        ({"training": {"checkpoint_seconds": 5}}, set()),
        ({"training": {"keep_checkpoints": 5}}, set()),
        ({"ensemble": {"runs": ["elsewhere"]}}, {"evaluate", "export"}),
        ({"ensemble": {"checkpoints": 2}, "training": {"keep_checkpoints": 2}}, {"evaluate", "export"}),
        ({"cleaning": {"max_words": 9}}, {"prepare"}),
        ({"subwords": {"vocabulary": 50}}, {"prepare"}),
        ({"subwords": {"normalization": "nfkc"}}, {"prepare"}),
        ({"training": {"best_by": "chrf"}}, {"train"}),
        ({"evaluation": {"tokenize": "char"}}, {"train", "evaluate"}),
        ({"evaluation": {"comet": "Unbabel/wmt22-comet-da"}}, {"evaluate"}),
    ],
)
def test_a_changed_setting_makes_its_own_stage_stale(
    change: dict[str, Any], expected: set[str], corpus: dict[str, Any], work: WorkDirectory[Path]
) -> None:
    finish_all(recipe_with(corpus), work)
    assert set(stale(recipe_with(corpus, **change), work)) == expected


@pytest.mark.parametrize(
    ("checkpoints", "change"), [(1, {"weights": "x"}), (2, {"weights": "x"}), (2, {"checkpoints": (1, 3)})]
)
def test_an_ensemble_is_stale_when_one_of_its_trainings_is_another(
    checkpoints: int, change: dict[str, Any], corpus: dict[str, Any], work: WorkDirectory[Path], tmp_path: Path
) -> None:
    other = WorkDirectory(tmp_path / "other")
    other.training.mkdir(parents=True)
    of_other = marks.training_mark("v", {}).model_copy(update={"checkpoints": (1, 2)})
    write_mark(other.training_mark, of_other)
    ensemble = {"runs": [str(other.root)], "checkpoints": checkpoints}
    recipe = recipe_with(corpus, ensemble=ensemble, training={"keep_checkpoints": 2})
    finish_all(recipe, work)
    assert stale(recipe, work) == {}
    before = EXPORT.made_from(recipe, work)["weights"]
    write_mark(other.training_mark, of_other.model_copy(update=change))
    reasons = stale(recipe, work)
    assert set(reasons) == {"evaluate", "export"}
    assert all(reason.startswith(f"ensemble.{other.root} changed from ") for reason in reasons.values())
    assert EXPORT.made_from(recipe, work)["weights"] != before
    average = recipe_with(corpus, ensemble={**ensemble, "average": "log_probability"}, training={"keep_checkpoints": 2})
    assert EXPORT.made_from(average, work)["weights"] not in {before, EXPORT.made_from(recipe, work)["weights"]}


@pytest.mark.parametrize(("path", "stage"), LEFT.items())
def test_a_stage_whose_files_are_gone_is_stale(
    path: str, stage: str, corpus: dict[str, Any], work: WorkDirectory[Path]
) -> None:
    finish_all(recipe_with(corpus), work)
    (work.root / path).write_bytes(b"lef")
    assert stale(recipe_with(corpus), work) == {stage: f"{work.root / path} is damaged"}
    (work.root / path).unlink()
    assert stale(recipe_with(corpus), work) == {stage: f"{work.root / path} is missing"}


def test_a_fetched_corpus_that_is_gone_is_fetched_again(work: WorkDirectory[Path]) -> None:
    recipe = load_recipe("bible")
    files = [work.corpus / f"bible/bible.{side}" for side in ("en", "fr")]
    files[0].parent.mkdir(parents=True)
    for path in files:
        path.touch()
    write_mark(work.corpus_mark, CorpusMark(made_from=FETCH.made_from(recipe, work)), files)
    assert FETCH.stale_because(recipe, work) is None
    (work.corpus / "bible/bible.fr").unlink()
    assert FETCH.stale_because(recipe, work) == f"{work.corpus / 'bible/bible.fr'} is missing"


def test_the_order_of_the_corpora_matters(tmp_path: Path, work: WorkDirectory[Path]) -> None:
    corpora = []
    for name in ("a", "b"):
        files = {side: tmp_path / f"{name}.{side}" for side in ("source", "target")}
        for path in files.values():
            path.write_text(f"{name}\n", encoding="utf-8")
        corpora.append({"name": name, **{side: str(path) for side, path in files.items()}})
    finish_all(recipe_with({"train": corpora}), work)
    assert stale(recipe_with({"train": corpora[::-1]}), work) == {"prepare": "corpora come in another order"}
    changed = [corpora[0], {**corpora[1], "weight": 2}]
    assert stale(recipe_with({"train": changed}), work) == {"prepare": "corpora.b changed"}


def test_the_reason_names_the_setting(corpus: dict[str, Any], work: WorkDirectory[Path]) -> None:
    finish_all(recipe_with(corpus), work)
    changed = recipe_with(corpus, search={"beam_size": 2})
    assert stale(changed, work)["export"] == "search.beam_size changed from 3 to 2"


def test_a_stage_hands_its_change_to_the_next(corpus: dict[str, Any], work: WorkDirectory[Path]) -> None:
    recipe = recipe_with(corpus)
    finish_all(recipe, work)
    write_json(work.manifest, {**read_json(work.manifest), "shards": {"s": "2"}})
    assert set(stale(recipe, work)) == {"train"}
    write_mark(work.training_mark, marks.training_mark("others", TRAIN.made_from(recipe, work)))
    assert set(stale(recipe, work)) == {"evaluate", "export"}


def test_a_result_of_another_version_is_made_anew(corpus: dict[str, Any], work: WorkDirectory[Path]) -> None:
    recipe = recipe_with(corpus)
    finish_all(recipe, work)
    write_json(work.scores, {"made_from": EVALUATE.made_from(recipe, work), "bleu": 23.45})
    assert stale(recipe, work) == {"evaluate": "made by another version of the project"}


def test_a_changed_corpus_makes_the_preparation_stale(corpus: dict[str, Any], work: WorkDirectory[Path]) -> None:
    recipe = recipe_with(corpus)
    finish_all(recipe, work)
    Path(corpus["train"]["source"]).write_text("one\nzwei\n", encoding="utf-8")
    assert set(stale(recipe, work)) == {"prepare"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--recipe", "tiny"], "recipe tiny names no corpus; give one with SRC=… TGT=…"),
        (["--recipe", "tiny", "--train-source", "a"], "the train corpus has no target side; give both files"),
        (["--recipe", "tiny", "--train-source", "no.a", "--train-target", "no.b"], "train corpus no.a: no such file"),
    ],
)
def test_a_corpus_that_is_not_there(arguments: list[str], sentence: str, work: WorkDirectory[Path]) -> None:
    with pytest.raises(UserError) as error:
        main(["--work", str(work.root), *arguments])
    assert sentence in str(error.value)


@pytest.mark.slow
def test_an_evaluation_is_made_anew_where_its_page_is_to_show_more(
    corpus: dict[str, Any], work: WorkDirectory[Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Though its mark is current, and stays so without the flags."""
    recipe = resolve(work, Asked("tiny", {("train", side): corpus["train"][side] for side in SIDES}))
    keep(recipe, work)
    finish_all(recipe, work)
    asked = ["--work", str(work.root), "--until", "evaluate"]
    for ending in (".source", ".target", ".align"):
        (tmp_path / f"verses{ending}").touch()
    with pytest.raises(UserError, match=r"verses.align has no sure link"):
        main([*asked, "--show", "1, 3", "--align-gold", f"{tmp_path}/verses"])
    assert capsys.readouterr().out == f"== evaluate: asked for with --show '1 3' --align-gold {tmp_path}/verses\n"
    main(asked)
    assert capsys.readouterr().out.startswith(f"{work.root} is up to date: nothing to do")


def test_a_run_is_compared_though_nothing_is_to_be_made(
    corpus: dict[str, Any], work: WorkDirectory[Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    recipe = resolve(work, Asked("tiny", {("train", side): corpus["train"][side] for side in SIDES}))
    keep(recipe, work)
    finish_all(recipe, work)
    other = WorkDirectory(tmp_path / "other")
    with pytest.raises(UserError, match=r"other/evaluation holds no scores; make them with make evaluate WORK="):
        main(["--work", str(work.root), "--until", "evaluate", "--against", str(other.root)])
    assert capsys.readouterr().out == ""


def test_flags_that_had_no_effect_are_said(
    corpus: dict[str, Any], work: WorkDirectory[Path], capsys: pytest.CaptureFixture
) -> None:
    """They are for a stage that had nothing to do."""
    sides = {side: ["--train-" + side, corpus["train"][side]] for side in ("source", "target")}
    asked = ["--work", str(work.root), "--recipe", "tiny", *sides["source"], *sides["target"], "--until", "prepare"]
    recipe = resolve(work, Asked("tiny", {("train", side): corpus["train"][side] for side in SIDES}))
    keep(recipe, work)
    finish_all(recipe, work)
    main([*asked, "--", "--nonsense", "a b"])
    out, err = capsys.readouterr()
    assert f"{work.root} is up to date: nothing to do" in out
    assert err == f"note: {work.data} is up to date, so that --nonsense 'a b' had no effect\n"
    main(asked)
    assert capsys.readouterr().err == ""
