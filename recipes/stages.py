"""The stages of the road, and what each one's result was made from.

Every stage writes ``made_from`` into the mark it leaves when complete: the settings it read, and the
SHA-256 of the files it read. A stage is current while this equals what it would be made from now; so
after a change only the stages downstream of it run again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recipes.corpora import corpora, fingerprint, to_fetch
from recipes.loading import check_recipe, read_settings
from recipes.schema import Recipe
from recipes.tokenizers import tokenizer_of
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.listing import is_file
from workspace.locations import located
from workspace.marks import (
    AnotherVersionError,
    CorpusMark,
    Manifest,
    Mark,
    Provenance,
    Scores,
    TrainingMark,
    changed_file,
    find_mark,
)
from workspace.storage import sha256_of

MadeFrom = dict[str, Any]

# The settings of a corpus that decide what is fetched.
_ORIGIN = {"source", "target", "file", "sha256", "bible", "mtdata"}


@dataclass(frozen=True)
class Stage:
    """One step of the road: the module that makes it, and the kind of mark that it leaves."""

    name: str
    module: str
    made_from: Callable[[Recipe, WorkDirectory], MadeFrom]
    mark: type[Mark]

    def stale_because(self, recipe: Recipe, work: WorkDirectory) -> str | None:
        """Why the stage must run, or None while its result is current."""
        try:
            mark = find_mark(work, self.mark)
        except AnotherVersionError:
            return "made by another version of the project"
        if mark is None:
            return "not made yet"
        if difference := _difference(mark.made_from, self.made_from(recipe, work)):
            return difference
        return changed_file(work, mark)


def resolved_recipe(work: WorkDirectory) -> Recipe:
    """The recipe written into a work directory. Raises UserError where there is none."""
    if not is_file(work.recipe):
        raise UserError(f"{work.root} holds no run (no {work.recipe.name}); make one with {work.command('train')}")
    return check_recipe(read_settings(work.recipe, str(work.recipe)), str(work.recipe))


def _fetch_made_from(recipe: Recipe, _: WorkDirectory) -> MadeFrom:
    languages = {"source": recipe.corpus.source_language, "target": recipe.corpus.target_language}
    fetched = {name: files.model_dump(mode="json", include=_ORIGIN) for name, files in to_fetch(recipe).items()}
    return {**fetched, "languages": languages}


def _prepare_made_from(recipe: Recipe, work: WorkDirectory) -> MadeFrom:
    settings = recipe.model_dump(mode="json", include={"split", "subwords", "shards"})
    other = settings["subwords"].pop("from_work")
    if other is not None:
        settings["subwords"]["from_work"] = _subword_models(WorkDirectory(located(other)), recipe)
    # In their order, which decides what is a copy of what.
    found = [{"name": corpus.name, **fingerprint(corpus)} for corpus in corpora(recipe, work)]
    return {**settings, "corpora": found}


def _subword_models(work: WorkDirectory, recipe: Recipe) -> dict[str, str]:
    """SHA-256 of a run's subword models by name. Raises UserError where it has none of the recipe's kind."""
    joint = recipe.subwords.joint
    paths = {work.subword_model(side, joint) for side in ("source", "target")}
    if missing := [path for path in sorted(paths, key=str) if not is_file(path)]:
        raise UserError(
            f"subwords.from_work: {missing[0]}: no such file; make it with {work.command('prepare')}, "
            f"and set subwords.joint (it is {joint}) as it is there"
        )
    return {path.name: sha256_of(path) for path in sorted(paths, key=str)}


def _train_made_from(recipe: Recipe, work: WorkDirectory) -> MadeFrom:
    settings = recipe.model_dump(mode="json", include={"model", "training"})
    # How often checkpoints are written, how many are kept, or the host is asked, does not change the result.
    for setting in ("checkpoint_seconds", "keep_checkpoints", "updates_per_call"):
        del settings["training"][setting]
    settings["bleu"] = tokenizer_of(recipe)
    other = settings["training"].pop("init_from")
    if other is not None:
        settings["initial_weights"] = _weights(WorkDirectory(located(other))) or "none yet"
    manifest = find_mark(work, Manifest)
    if manifest is None:
        return {**settings, "shards": None, "subwords": None}
    return {**settings, "shards": manifest.shards, "subwords": manifest.subwords.model_dump()}


def _evaluate_made_from(recipe: Recipe, work: WorkDirectory) -> MadeFrom:
    made_from = {"bleu": tokenizer_of(recipe), **_export_made_from(recipe, work)}
    if recipe.evaluation.references:
        made_from["references"] = " ".join(map(_sum_of, recipe.evaluation.references))
    if recipe.evaluation.comet is not None:
        made_from["comet"] = recipe.evaluation.comet
    return made_from


def _sum_of(path: str) -> str:
    if not is_file(located(path)):
        raise UserError(f"evaluation.references: {path}: no such file; give one that is there (TEST_TGT=)")
    return sha256_of(located(path))


def _export_made_from(recipe: Recipe, work: WorkDirectory) -> MadeFrom:
    settings = recipe.model_dump(mode="json", include={"search"})
    dictionary = settings["search"].pop("unknown_dictionary")
    if dictionary is not None:
        if not is_file(located(dictionary)):
            raise UserError(f"search.unknown_dictionary: {dictionary}: no such file; give one that is there")
        settings["search"]["unknown_dictionary"] = sha256_of(located(dictionary))
    ensemble = recipe.ensemble
    if not ensemble.runs and ensemble.checkpoints == 1:
        return {**settings, "weights": _weights(work)}
    others = {root: _weights(WorkDirectory(located(root)), ensemble.checkpoints) for root in ensemble.runs}
    members = {"average": ensemble.average, "own": _weights(work, ensemble.checkpoints), **others}
    weights = hashlib.sha256(" ".join(str(member) for member in members.values()).encode()).hexdigest()
    return {**settings, "ensemble": members, "weights": weights}


def _weights(work: WorkDirectory, checkpoints: int = 1) -> str | None:
    """SHA-256 of the best weights of a finished training, and of several checkpoints their updates: a training has one
    course only. None where there are none."""
    mark = find_mark(work, TrainingMark)
    if mark is None or checkpoints == 1:
        return mark.weights if mark else None
    return " ".join(map(str, (mark.weights, *mark.checkpoints[-checkpoints:])))


def _difference(before: MadeFrom, now: MadeFrom) -> str | None:
    """The first key in which the two differ, in words."""
    for key in [*now, *(key for key in before if key not in now)]:
        old, new = before.get(key), now.get(key)
        if old == new:
            continue
        if isinstance(old, list) and isinstance(new, list):
            old, new = ({each["name"]: each for each in corpora} for corpora in (old, new))
            if old == new:
                return f"{key} come in another order"
        if isinstance(old, dict) and isinstance(new, dict):
            inner = next(name for name in [*new, *old] if old.get(name) != new.get(name))
            if isinstance(new.get(inner), (str, int, float, bool)) and inner in old:
                return f"{key}.{inner} changed from {old[inner]} to {new[inner]}"
            return f"{key}.{inner} changed"
        return f"{key} changed"
    return None


FETCH = Stage("fetch", "pipelines.fetch", _fetch_made_from, CorpusMark)
PREPARE = Stage("prepare", "pipelines.prepare", _prepare_made_from, Manifest)
TRAIN = Stage("train", "model.train", _train_made_from, TrainingMark)
EVALUATE = Stage("evaluate", "model.evaluate", _evaluate_made_from, Scores)
EXPORT = Stage("export", "model.export", _export_made_from, Provenance)
STAGES = (FETCH, PREPARE, TRAIN, EVALUATE, EXPORT)
