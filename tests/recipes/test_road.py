"""Which recipe a run has: that of its work directory, or the one that is asked for."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recipes.loading import load_recipe, settings_given
from recipes.road import Asked, Files, keep, kept, resolve
from recipes.run import main
from recipes.schema import Recipe
from recipes.stages import resolved_recipe
from workspace.errors import UserError
from workspace.layout import WorkDirectory


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


def taken(work: WorkDirectory[Path], asked: Asked) -> Recipe:
    """The recipe that a run would have, which it writes down."""
    recipe = resolve(work, asked)
    keep(recipe, work)
    return recipe


def test_a_work_directory_keeps_its_recipe(work: WorkDirectory[Path], two: dict[str, Files]) -> None:
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


def test_a_test_set_may_be_given_several_references(
    work: WorkDirectory[Path], two: dict[str, Files], tmp_path: Path
) -> None:
    """By one value, whose spaces are between files unless they are in the name of one."""
    (tmp_path / "b c").touch()
    plain = two["two"]["train", "target"]
    source = two["two"]["train", "source"]
    assert source is not None
    assert plain is not None
    for given, target, references in (
        (f"'{plain}' {tmp_path}/b\\ c '{source}'", plain, (f"{tmp_path}/b c", source)),
        (plain, plain, ()),
    ):
        test: Files = {**two["one"], ("test", "source"): source, ("test", "target"): given}
        recipe = taken(work, Asked("tiny", test))
        assert recipe.corpus.test is not None
        assert (recipe.corpus.test.target, recipe.evaluation.references) == (target, references)


def test_another_recipe_or_corpus_needs_force(work: WorkDirectory[Path], two: dict[str, Files]) -> None:
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


def test_a_recipe_may_be_given_another_corpus_beside_its_own(work: WorkDirectory[Path], tmp_path: Path) -> None:
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


def test_a_broken_recipe_of_a_work_directory_is_not_written_over(
    work: WorkDirectory[Path], two: dict[str, Files]
) -> None:
    taken(work, Asked("tiny", two["one"]))
    work.recipe.write_text("training: [\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"recipe\.yaml line 2 is not YAML \(.*\); mend it$"):
        taken(work, Asked())
    with pytest.raises(UserError, match=r"; mend it, or give FORCE=1 to write it anew$"):
        taken(work, Asked("tiny", two["one"]))
    assert work.recipe.read_text(encoding="utf-8") == "training: [\n"
    taken(work, Asked("tiny", two["one"], is_forced=True))
    assert resolved_recipe(work).name == "tiny"


def test_a_directory_of_something_else_is_not_taken(work: WorkDirectory[Path], two: dict[str, Files]) -> None:
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


def test_a_recipe_of_no_use_takes_no_other_ones_place(work: WorkDirectory[Path], two: dict[str, Files]) -> None:
    taken(work, Asked("tiny", two["one"]))
    before = work.recipe.read_bytes()
    with pytest.raises(UserError, match="recipe tiny names no corpus"):
        main(["--work", str(work.root), "--recipe", "tiny", "--force"])
    gone = ["--train-source", "gone.en", "--train-target", "gone.fr"]
    with pytest.raises(UserError, match=r"train corpus gone\.en: no such file in /.*, where the command was started"):
        main(["--work", str(work.root), "--recipe", "tiny", "--force", *gone])
    assert work.recipe.read_bytes() == before


@pytest.mark.parametrize("setting", ["subwords.from_work", "training.init_from", "ensemble.runs"])
def test_a_run_that_is_not_there_is_said_before_anything_is_made(
    work: WorkDirectory[Path], two: dict[str, Files], tmp_path: Path, setting: str
) -> None:
    files = [f"--train-{side}={path}" for (_, side), path in two["one"].items()]
    command = ["--work", str(work.root), "--recipe", "tiny", *files, "--set", f"{setting}={tmp_path}/none"]
    with pytest.raises(UserError, match=f"^{setting}: {tmp_path}/none holds no run; give a work directory that has"):
        main(command)
    assert not work.recipe.exists()


@pytest.mark.parametrize("begun", [None, "training/started.json", "data/manifest.json", "export/1"])
def test_settings_that_are_refused_are_forgotten(
    work: WorkDirectory[Path], two: dict[str, Files], begun: str | None
) -> None:
    """Unless something has been made of them."""
    first = taken(work, Asked("tiny", two["one"]))
    other = resolve(work, Asked(settings={"search": {"beam_size": 2}}))
    with pytest.raises(UserError, match="no such settings"), kept(other, work):
        assert resolved_recipe(work) == other
        if begun:
            made = work.root / begun
            made = work.provenance(1) if made == work.version(1) else made
            made.parent.mkdir(parents=True)
            made.write_text("{}")
        raise UserError("no such settings")
    assert resolved_recipe(work) == (other if begun else first)


@pytest.mark.slow
def test_a_work_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """A file where the directory should be: refused to every user, root as well."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    command = [sys.executable, "-m", "recipes.run", "--work", str(tmp_path / "file" / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path / 'file' / 'run'}: Not a directory; check the path\n"


def test_a_gold_alignment_that_is_not_there_is_said_before_anything_is_made(
    work: WorkDirectory[Path], two: dict[str, Files], tmp_path: Path
) -> None:
    for name in ("source", "target"):
        (tmp_path / f"gold.{name}").touch()
    files = [f"--train-{side}={path}" for (_, side), path in two["one"].items()]
    command = ["--work", str(work.root), "--recipe", "tiny", *files, "--until", "evaluate"]
    with pytest.raises(UserError, match=r"gold\.align: no such file; a gold alignment is three files of one name"):
        main([*command, "--align-gold", str(tmp_path / "gold.source")])
    assert not work.recipe.exists()
