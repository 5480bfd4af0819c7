"""Which stages run again after which change; how results are written; how commands end."""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recipes.loading import load_recipe, settings_given
from recipes.road import Asked, Files, keep, resolve
from recipes.run import main
from recipes.schema import Recipe
from recipes.stages import EVALUATE, EXPORT, FETCH, PREPARE, STAGES, TRAIN, resolved_recipe
from tests import marks
from workspace.errors import UserError, explain
from workspace.layout import SIDES, WorkDirectory
from workspace.marks import CorpusMark, write_mark
from workspace.storage import read_json, replacing, write_json

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


@pytest.fixture
def work(tmp_path: Path) -> WorkDirectory:
    return WorkDirectory(tmp_path / "work")


def recipe_with(corpus: dict[str, Any], **changes: Any) -> Recipe:
    return load_recipe("tiny", {"corpus": corpus, **changes})


def finish_all(recipe: Recipe, work: WorkDirectory) -> None:
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


def stale(recipe: Recipe, work: WorkDirectory) -> dict[str, str]:
    reasons = {stage.name: stage.stale_because(recipe, work) for stage in STAGES if stage is not FETCH}
    return {name: reason for name, reason in reasons.items() if reason}


def test_everything_is_stale_at_first_and_nothing_when_made(corpus: dict[str, Any], work: WorkDirectory) -> None:
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
        ({"cleaning": {"max_words": 9}}, {"prepare"}),
        ({"subwords": {"vocabulary": 50}}, {"prepare"}),
        ({"subwords": {"normalization": "nfkc"}}, {"prepare"}),
        ({"training": {"best_by": "chrf"}}, {"train"}),
        ({"evaluation": {"tokenize": "char"}}, {"train", "evaluate"}),
    ],
)
def test_a_changed_setting_makes_its_own_stage_stale(
    change: dict[str, Any], expected: set[str], corpus: dict[str, Any], work: WorkDirectory
) -> None:
    finish_all(recipe_with(corpus), work)
    assert set(stale(recipe_with(corpus, **change), work)) == expected


@pytest.mark.parametrize(("path", "stage"), LEFT.items())
def test_a_stage_whose_files_are_gone_is_stale(
    path: str, stage: str, corpus: dict[str, Any], work: WorkDirectory
) -> None:
    finish_all(recipe_with(corpus), work)
    (work.root / path).write_bytes(b"lef")
    assert stale(recipe_with(corpus), work) == {stage: f"{work.root / path} is damaged"}
    (work.root / path).unlink()
    assert stale(recipe_with(corpus), work) == {stage: f"{work.root / path} is missing"}


def test_a_fetched_corpus_that_is_gone_is_fetched_again(work: WorkDirectory) -> None:
    recipe = load_recipe("bible")
    files = [work.corpus / f"bible/bible.{side}" for side in ("en", "fr")]
    files[0].parent.mkdir(parents=True)
    for path in files:
        path.touch()
    write_mark(work.corpus_mark, CorpusMark(made_from=FETCH.made_from(recipe, work)), files)
    assert FETCH.stale_because(recipe, work) is None
    (work.corpus / "bible/bible.fr").unlink()
    assert FETCH.stale_because(recipe, work) == f"{work.corpus / 'bible/bible.fr'} is missing"


def test_the_order_of_the_corpora_matters(tmp_path: Path, work: WorkDirectory) -> None:
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


def test_the_reason_names_the_setting(corpus: dict[str, Any], work: WorkDirectory) -> None:
    finish_all(recipe_with(corpus), work)
    changed = recipe_with(corpus, search={"beam_size": 2})
    assert stale(changed, work)["export"] == "search.beam_size changed from 3 to 2"


def test_a_stage_hands_its_change_to_the_next(corpus: dict[str, Any], work: WorkDirectory) -> None:
    recipe = recipe_with(corpus)
    finish_all(recipe, work)
    write_json(work.manifest, {**read_json(work.manifest), "shards": {"s": "2"}})
    assert set(stale(recipe, work)) == {"train"}
    write_mark(work.training_mark, marks.training_mark("others", TRAIN.made_from(recipe, work)))
    assert set(stale(recipe, work)) == {"evaluate", "export"}


def test_a_result_of_another_version_is_made_anew(corpus: dict[str, Any], work: WorkDirectory) -> None:
    recipe = recipe_with(corpus)
    finish_all(recipe, work)
    write_json(work.scores, {"made_from": EVALUATE.made_from(recipe, work), "bleu": 23.45})
    assert stale(recipe, work) == {"evaluate": "made by another version of the project"}


def test_a_changed_corpus_makes_the_preparation_stale(corpus: dict[str, Any], work: WorkDirectory) -> None:
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
def test_a_corpus_that_is_not_there(arguments: list[str], sentence: str, work: WorkDirectory) -> None:
    with pytest.raises(UserError) as error:
        main(["--work", str(work.root), *arguments])
    assert sentence in str(error.value)


@pytest.fixture
def two(tmp_path: Path) -> dict[str, Files]:
    """The files of two corpora, in a directory with a space."""
    found: dict[str, Files] = {}
    for name in ("one", "two"):
        paths: dict[Any, str] = {}
        for side, language in (("source", "en"), ("target", "fr")):
            path = tmp_path / "my files" / f"{name}.{language}"
            path.parent.mkdir(exist_ok=True)
            path.write_text("a\nb\n", encoding="utf-8")
            paths["train", side] = str(path)
        found[name] = paths
    return found


def taken(work: WorkDirectory, asked: Asked) -> Recipe:
    """The recipe that a run would have, which it writes down."""
    recipe = resolve(work, asked)
    keep(recipe, work)
    return recipe


def test_a_work_directory_keeps_its_recipe(work: WorkDirectory, two: dict[str, Files]) -> None:
    """Which without another one is the one that is meant, and changes with what is given beside."""
    first = taken(work, Asked("tiny", two["one"], {"training": {"epochs": 3}}))
    assert taken(work, Asked()) == first == resolved_recipe(work)
    changed = taken(work, Asked(settings={"search": {"beam_size": 2}}))
    assert (changed.training.epochs, changed.search.beam_size) == (3, 2)
    assert taken(work, Asked()) == changed
    dev: Files = {("dev", side): path for (_, side), path in two["two"].items()}
    assert taken(work, Asked(files=dev)).corpus.dev is not None
    # The same recipe and corpus, as they were given first: what was changed meanwhile is not in it.
    assert taken(work, Asked("tiny", two["one"])).training.epochs == load_recipe("tiny").training.epochs


def test_another_recipe_or_corpus_needs_force(work: WorkDirectory, two: dict[str, Files]) -> None:
    first = taken(work, Asked("tiny", two["one"]))
    one, other = (files["train", "source"] for files in two.values())
    for asked, named in (
        (Asked("multi30k", two["one"]), f"recipe tiny with {one}, not of multi30k with {one};"),
        (Asked("tiny", two["two"]), f"recipe tiny with {one}, not of tiny with {other};"),
        (Asked(None, two["one"]), f"recipe tiny with {one}, not of bible with {one};"),
        (Asked("tiny"), f"recipe tiny with {one}, not of tiny with no corpus;"),
        (Asked("bible"), f"recipe tiny with {one}, not of bible with bible;"),
    ):
        with pytest.raises(UserError) as error:
            taken(work, asked)
        way = (
            "leave RECIPE out to go on with it"
            if "no corpus" in named
            else "give another WORK, or FORCE=1 to make it anew"
        )
        assert str(error.value) == f"{work.root} is of {named} {way}"
        assert resolved_recipe(work) == first
    assert taken(work, Asked("multi30k", two["one"], is_forced=True)).name == "multi30k"
    assert resolved_recipe(work).name == "multi30k"


def test_a_recipe_may_be_given_another_corpus_beside_its_own(work: WorkDirectory, tmp_path: Path) -> None:
    path, other = tmp_path / "mine.yaml", tmp_path / "other" / "mine.yaml"
    path.write_text("corpus: {train: [{file: a.tmx}]}", encoding="utf-8")
    taken(work, Asked(str(path)))
    path.write_text("corpus: {train: [{file: b.tmx}, {file: ./a.tmx, name: c}]}", encoding="utf-8")
    assert len(taken(work, Asked(str(path))).corpus.train) == 2
    other.parent.mkdir()
    other.write_text("corpus: {train: [{file: d.tmx}]}", encoding="utf-8")
    with pytest.raises(
        UserError, match=r"is of recipe mine with b\.tmx and 1 more, not of mine with d\.tmx; give another"
    ):
        taken(work, Asked(str(other)))


def test_a_broken_recipe_of_a_work_directory_is_not_written_over(work: WorkDirectory, two: dict[str, Files]) -> None:
    taken(work, Asked("tiny", two["one"]))
    work.recipe.write_text("training: [\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"recipe\.yaml line 2 is not YAML \(.*\); mend it$"):
        taken(work, Asked())
    with pytest.raises(UserError, match=r"; mend it, or give FORCE=1 to write it anew$"):
        taken(work, Asked("tiny", two["one"]))
    assert work.recipe.read_text(encoding="utf-8") == "training: [\n"
    taken(work, Asked("tiny", two["one"], is_forced=True))
    assert resolved_recipe(work).name == "tiny"


def test_a_directory_of_something_else_is_not_taken(work: WorkDirectory, two: dict[str, Files]) -> None:
    work.data.mkdir(parents=True)
    with pytest.raises(
        UserError, match=r"is no work directory \(it has no recipe\.yaml\), .* of its data/; give another"
    ):
        taken(work, Asked("tiny", two["one"]))
    assert not work.recipe.exists()
    work.data.rename(work.root / "notes")
    taken(work, Asked("tiny", two["one"]))


def test_settings_of_the_command_line() -> None:
    given = settings_given("""training.epochs=2 cleaning.max_words=null 'subwords.symbols=[<a>, <b>]' name="it's" """)
    assert given == {
        "training": {"epochs": 2},
        "cleaning": {"max_words": None},
        "subwords": {"symbols": ["<a>", "<b>"]},
        "name": "it's",
    }
    train = {"corpus": {"train": {"source": "a", "target": "b"}}}
    recipe = load_recipe("tiny", train, settings_given("corpus.train.0.weight=2 corpus.train.0.tag=<x>"), given)
    assert (recipe.corpus.train[0].weight, recipe.corpus.train[0].tag, recipe.training.epochs) == (2, "<x>", 2)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("training.epochs", "SET=training.epochs: give key=value, such as training.epochs=2"),
        ("training..epochs=2", "SET=training..epochs=2: give key=value"),
        ("training.epochs=2 training.epochs=3", "SET=training.epochs=3: training.epochs has a value already"),
        ("training=2 training.epochs=3", "SET=training.epochs=3: training has a value already"),
        ("'training.epochs=2", "SET='training.epochs=2: no closing quotation"),
        ("subwords.symbols=[a", "SET=subwords.symbols=[a: the value is not YAML"),
        ("training.epoch=2", "unknown key training.epoch; did you mean training.epochs?"),
        ("training.epochs=two", "training.epochs should be a valid integer"),
        ("epochs=2", "unknown key epochs; did you mean training.epochs?"),
        ("corpus.train.1.weight=2", "corpus.train.1: it names no sentence pairs"),
    ],
)
def test_settings_of_the_command_line_are_checked(given: str, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        load_recipe("bible", settings_given(given))
    assert sentence in str(error.value)


def test_flags_that_had_no_effect_are_said(
    corpus: dict[str, Any], work: WorkDirectory, capsys: pytest.CaptureFixture
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


def test_commands_can_be_pasted() -> None:
    """Into a shell, which hands make what was meant."""
    for path in ("work/bible", "work/my corpus", "it's $5", 'say "no"', "/a/b"):
        command = shlex.split(WorkDirectory(Path(path)).command("train"))
        assert command == (["make", "train"] if path == "work/bible" else ["make", "train", f"WORK={path}"])


@pytest.mark.parametrize("name", ["news[1]", "a*", "why?", "a\\b"])
def test_a_work_directory_that_tensorflow_could_not_read(name: str) -> None:
    with pytest.raises(UserError, match=r"TensorFlow cannot read from a path with . in it; give another WORK"):
        main(["--work", name, "--recipe", "tiny"])
    assert not Path(name).exists()


def test_a_recipe_of_no_use_takes_no_other_ones_place(work: WorkDirectory, two: dict[str, Files]) -> None:
    taken(work, Asked("tiny", two["one"]))
    before = work.recipe.read_bytes()
    with pytest.raises(UserError, match="recipe tiny names no corpus"):
        main(["--work", str(work.root), "--recipe", "tiny", "--force"])
    gone = ["--train-source", "gone.en", "--train-target", "gone.fr"]
    with pytest.raises(UserError, match=r"train corpus gone\.en: no such file in /.*, where the command was started"):
        main(["--work", str(work.root), "--recipe", "tiny", "--force", *gone])
    assert work.recipe.read_bytes() == before


@pytest.mark.slow
def test_a_work_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """A file where the directory should be: refused to every user, root as well."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    command = [sys.executable, "-m", "recipes.run", "--work", str(tmp_path / "file" / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path / 'file' / 'run'}: Not a directory; check the path\n"


@pytest.mark.slow
def test_debug_shows_where(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "recipes.run", "--work", str(tmp_path), "--recipe", "nonesuch", "--debug"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: there is no recipe 'nonesuch'")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x"), "the disk is full while writing x; make room"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), "x"), "no permission for x; change its mode"),
        (KeyboardInterrupt(), "interrupted; what was finished is kept"),
        (ZeroDivisionError("division by zero"), "a fault of the project; --debug shows where"),
    ],
)
def test_errors_are_sentences(error: BaseException, sentence: str) -> None:
    assert sentence in explain(error)


def test_what_a_killed_process_of_the_same_id_left_is_not_in_the_result(tmp_path: Path) -> None:
    path = tmp_path / "result"
    for name in (f".result.{os.getpid()}.partial", f".result.{os.getpid()}.before", "result"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "old").touch()
    with replacing(path) as temporary:
        temporary.mkdir()
        (temporary / "new").touch()
    assert [entry.name for entry in path.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b""])
def test_what_is_no_json_is_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "mark.json").write_bytes(content)
    assert read_json(tmp_path / "mark.json") is None


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_a_result_appears_whole_or_not_at_all(kind: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "deep" / "result"
    with replacing(path) as temporary:
        temporary.write_text("first", encoding="utf-8")
    with pytest.raises(kind), replacing(path) as temporary:
        temporary.write_text("hal", encoding="utf-8")
        raise kind
    assert path.read_text(encoding="utf-8") == "first"
    assert list(path.parent.iterdir()) == [path]


def test_a_directory_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "result"
    for names in (("a", "b"), ("c",)):
        with replacing(path) as temporary:
            temporary.mkdir()
            for name in names:
                (temporary / name).touch()
    assert [entry.name for entry in path.iterdir()] == ["c"]
