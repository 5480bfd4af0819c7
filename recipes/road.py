"""The whole road: resolves a recipe into a work directory, and makes every stage that is not current."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import re
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from recipes.corpora import check_named, paths_of, to_fetch
from recipes.figures import print_scores, print_summary
from recipes.files import several
from recipes.loading import check_recipe, laid_over, load_recipe, read_settings, save_recipe
from recipes.schema import Recipe
from recipes.stages import EVALUATE, FETCH, STAGES, resolved_recipe
from workspace.errors import UserError
from workspace.layout import SPLITS, Side, Split, WorkDirectory
from workspace.listing import exists, is_file
from workspace.locations import Location, is_url, located
from workspace.lock import sole_use
from workspace.storage import make_directory, read_bytes, read_json, write_bytes

DEFAULT = "bible"

Files: TypeAlias = Mapping[tuple[Split, Side], str | None]


@dataclass(frozen=True)
class Asked:
    """What recipe a run is to have.

    recipe: name or path of one, None for the one that the work directory has, or else the default. files: by split and
    side, the corpus to take instead of the recipe's. settings: laid over the recipe's, in its form. is_forced: whether
    it may take the place of another run in the work directory.
    """

    recipe: str | None = None
    files: Files = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    is_forced: bool = False


def go(
    work: WorkDirectory, asked: Asked, until: str, flags: Mapping[str, list[str]], against: Location | None = None
) -> None:
    """Makes the stages up to ``until``.

    ``flags``: by the name of a stage, what its command gets beside the work directory. No mark depends on them, but
    whether a poor model is exported.
    ``against``: the work directory of a run that this one is compared with, whether or not there was a stage to make.
    """
    recipe = resolve(work, asked)
    # Or a recipe that is of no use would take the place of one that is.
    check_named(recipe)
    check_runs(recipe)
    make_directory(work.root)
    with sole_use(work, "recipes.run"):
        names = [stage.name for stage in STAGES]
        with kept(recipe, work):
            ran = make_stages(recipe, work, names[: names.index(until) + 1], flags)
        if against is not None:
            importlib.import_module("model.compare").main(["--work", str(work.root), "--against", str(against)])
    if flags.get("prepare") and until != FETCH.name and "prepare" not in ran:
        print(f"note: {work.data} is up to date, so that {shlex.join(flags['prepare'])} had no effect", file=sys.stderr)
    if not ran and against is None:
        figures = f" ({work.command('summary')} shows its figures)" if until == names[-1] else ""
        print(f"{work.root} is up to date: nothing to do{figures}")
    elif until == names[-1]:
        print_summary(recipe, work)
    elif until == EVALUATE.name:
        print_scores(work)


def resolve(work: WorkDirectory, asked: Asked) -> Recipe:
    """The recipe that is asked for, which ``keep`` writes into the work directory.

    Raises UserError where it is wrong, or the directory is that of another recipe or corpus, or of something else.
    """
    files = _overrides(asked.files)
    if asked.recipe is None and "train" not in files.get("corpus", {}) and is_file(work.recipe):
        settings = read_settings(work.recipe, str(work.recipe))
        recipe = check_recipe(functools.reduce(laid_over, (files, asked.settings), settings), str(work.recipe))
        own: Recipe | None = None
    else:
        recipe = load_recipe(asked.recipe or DEFAULT, files, asked.settings)
        own = None if asked.is_forced else _own(work)
    if own and (own.name != recipe.name or _have_nothing_in_common(own, recipe)):
        # Without a corpus nothing could be made anew.
        way = (
            "give another WORK, or FORCE=1 to make it anew"
            if recipe.corpus.train
            else "leave RECIPE out to go on with it"
        )
        raise UserError(
            f"{work.root} is of recipe {own.name} with {_in_words(own)}, not of {recipe.name} with "
            f"{_in_words(recipe)}; {way}"
        )
    return recipe


def check_runs(recipe: Recipe) -> None:
    """Raises UserError where another run that the recipe names is not there: before days of training."""
    others = {"subwords.from_work": recipe.subwords.from_work, "training.init_from": recipe.training.init_from}
    for setting, root in [*others.items(), *(("ensemble.runs", root) for root in recipe.ensemble.runs)]:
        if root is not None and not is_file(WorkDirectory(located(root)).recipe):
            raise UserError(f"{setting}: {root} holds no run; give a work directory that has one")


@contextlib.contextmanager
def kept(recipe: Recipe, work: WorkDirectory) -> Iterator[None]:
    """Writes the recipe into the work directory for the body, which makes stages by it. Where they refuse it before any
    is made, or a training begun, the one that was there is put back."""
    before = read_bytes(work.recipe) if is_file(work.recipe) else None
    made = _made(work)
    keep(recipe, work)
    try:
        yield
    except UserError:
        if before is not None and _made(work) == made:
            write_bytes(work.recipe, before)
        raise


def _made(work: WorkDirectory) -> list[Any]:
    """What changes when a stage is made, or a training begins."""
    return [read_json(path) for path in (work.training_start, *(stage.mark.path(work) for stage in STAGES))]


def keep(recipe: Recipe, work: WorkDirectory) -> None:
    """Writes the recipe into the work directory, unless it has it."""
    with contextlib.suppress(UserError):
        if is_file(work.recipe) and resolved_recipe(work) == recipe:
            return
    save_recipe(recipe, work.recipe)


def _own(work: WorkDirectory) -> Recipe | None:
    """The recipe of a work directory; None where it has none, and nothing that a run would take the place of."""
    if is_file(work.recipe):
        try:
            return resolved_recipe(work)
        except UserError as error:
            raise UserError(f"{error}, or give FORCE=1 to write it anew") from error
    stages = (work.corpus, work.intermediate, work.data, work.training, work.evaluation, work.export)
    for directory in stages:
        if exists(directory):
            raise UserError(
                f"{work.root} is no work directory (it has no {work.recipe.name}), and a run would take the place of "
                f"its {directory.name}/; give another WORK, or FORCE=1 to let it"
            )
    return None


def _have_nothing_in_common(own: Recipe, other: Recipe) -> bool:
    """Whether a recipe has none of the training corpora of one that has some."""
    before = _corpora(own)
    return bool(before) and not any(corpus in before for corpus in _corpora(other))


def _corpora(recipe: Recipe) -> list[Any]:
    """What the training corpora are: the same files, however their paths are written, are the same."""
    return [
        [path if is_url(path) else os.path.abspath(path) for path in paths_of(corpus)]  # noqa: PTH100
        or [corpus.bible, corpus.mtdata]
        for corpus in recipe.corpus.train
    ]


def _in_words(recipe: Recipe) -> str:
    """The training corpora in words: the first, and how many there are more."""
    if not recipe.corpus.train:
        return "no corpus"
    first, *more = recipe.corpus.train
    path = next(iter(paths_of(first)), first.name)
    return f"{path} and {len(more)} more" if more else path


def make_stages(recipe: Recipe, work: WorkDirectory, names: list[str], flags: Mapping[str, list[str]]) -> list[str]:
    """Makes those of the named stages that are not current, in the order of the road; returns the names of these. The
    evaluation is made, too, where it is asked for with flags, for its page has what they ask for."""
    made = []
    for stage in STAGES:
        if stage.name not in names or (stage is FETCH and not to_fetch(recipe)):
            continue
        reason = stage.stale_because(recipe, work)
        if reason is None and stage is EVALUATE and flags.get(stage.name):
            reason = f"asked for with {shlex.join(flags[stage.name])}"
        if reason is None:
            continue
        print(f"== {stage.name}: {reason}", flush=True)
        began = time.monotonic()
        # By name and only now: a stage that is current costs nothing, not even the import of TensorFlow.
        importlib.import_module(stage.module).main(["--work", str(work.root), *flags.get(stage.name, [])])
        print(f"== {stage.name}: done in {time.monotonic() - began:.0f} s", flush=True)
        made.append(stage.name)
    return made


def _overrides(files: Files) -> dict[str, Any]:
    """The corpus given on the command line, in the form of a recipe; files of one's own replace a fetched corpus."""
    corpus: dict[str, Any] = {}
    for split in SPLITS:
        source, target = files.get((split, "source")), files.get((split, "target"))
        if bool(source) != bool(target):
            missing = "target" if source else "source"
            raise UserError(f"the {split} corpus has no {missing} side; give both files")
        if source:
            corpus[split] = {"source": source, "target": target}
    if "train" in corpus:
        corpus["source_language"] = _language(corpus["train"]["source"], "source")
        corpus["target_language"] = _language(corpus["train"]["target"], "target")
    if "test" in corpus:
        corpus["test"]["target"], *more = several(corpus["test"]["target"])
        return {"corpus": corpus, "evaluation": {"references": more}}
    return {"corpus": corpus} if corpus else {}


def _language(path: str, otherwise: str) -> str:
    """The language that the name of a file ends with (corpus.en, corpus.pt_BR.gz), or ``otherwise``."""
    name = re.sub(r"\.(gz|zst|xz|bz2)$", "", path, flags=re.IGNORECASE)
    found = re.search(r"\.([a-z]{2,3}([-_][a-z]{4})?([-_]([a-z]{2}|\d{3}))?)$", name, re.IGNORECASE)
    return found[1] if found and found[1].lower() not in ("txt", "src", "tgt", "trg") else otherwise
