"""The whole road: resolves a recipe into a work directory, and makes every stage that is not current."""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Mapping
from typing import Any

from recipes.corpora import to_fetch
from recipes.figures import print_summary
from recipes.loading import load_recipe, save_recipe
from recipes.schema import Recipe
from recipes.stages import FETCH, STAGES, resolved_recipe
from workspace.errors import UserError
from workspace.layout import SPLITS, Side, Split, WorkDirectory
from workspace.lock import sole_use


def go(
    work: WorkDirectory,
    recipe_name: str,
    files: Mapping[tuple[Split, Side], str | None],
    until: str,
    flags: Mapping[str, list[str]],
) -> None:
    """Makes the stages up to ``until``.

    ``files``: by split and side, the corpus to take instead of the recipe's; ``flags``: by the name of a stage, what
    its command gets beside the work directory. No result depends on ``flags``.
    """
    recipe = load_recipe(recipe_name, _overrides(files))
    work.root.mkdir(parents=True, exist_ok=True)
    with sole_use(work, "recipes.run"):
        if not work.recipe.is_file() or resolved_recipe(work) != recipe:
            save_recipe(recipe, work.recipe)
        names = [stage.name for stage in STAGES]
        ran = make_stages(recipe, work, names[: names.index(until) + 1], flags)
    if not ran:
        print(f"{work.root} is up to date: nothing to do (make summary shows its figures)")
    elif until == names[-1]:
        print_summary(recipe, work)


def make_stages(recipe: Recipe, work: WorkDirectory, names: list[str], flags: Mapping[str, list[str]]) -> list[str]:
    """Makes those of the named stages that are not current, in the order of the road; returns the names of these."""
    made = []
    for stage in STAGES:
        if stage.name not in names or (stage is FETCH and not to_fetch(recipe)):
            continue
        reason = stage.stale_because(recipe, work)
        if reason is None:
            continue
        print(f"== {stage.name}: {reason}", flush=True)
        began = time.monotonic()
        # By name and only now: a stage that is current costs nothing, not even the import of TensorFlow.
        importlib.import_module(stage.module).main(["--work", str(work.root), *flags.get(stage.name, [])])
        print(f"== {stage.name}: done in {time.monotonic() - began:.0f} s", flush=True)
        made.append(stage.name)
    return made


def _overrides(files: Mapping[tuple[Split, Side], str | None]) -> dict[str, Any]:
    """The corpus given on the command line, in the form of a recipe; files of one's own replace a fetched corpus."""
    corpus: dict[str, Any] = {}
    for split in SPLITS:
        source, target = files[split, "source"], files[split, "target"]
        if bool(source) != bool(target):
            missing = "target" if source else "source"
            raise UserError(f"the {split} corpus has no {missing} side; give both files")
        if source:
            corpus[split] = {"source": source, "target": target}
    if "train" in corpus:
        corpus["source_language"] = _language(corpus["train"]["source"], "source")
        corpus["target_language"] = _language(corpus["train"]["target"], "target")
    return {"corpus": corpus} if corpus else {}


def _language(path: str, otherwise: str) -> str:
    """The language that the name of a file ends with (corpus.en, corpus.pt_BR.gz), or ``otherwise``."""
    name = re.sub(r"\.(gz|zst|xz|bz2)$", "", path, flags=re.IGNORECASE)
    found = re.search(r"\.([a-z]{2,3}([-_][a-z]{4})?([-_]([a-z]{2}|\d{3}))?)$", name, re.IGNORECASE)
    return found[1] if found and found[1].lower() not in ("txt", "src", "tgt", "trg") else otherwise
