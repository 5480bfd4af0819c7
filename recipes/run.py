"""The whole road: resolves a recipe into a work directory and makes every stage that is not current.

    python -m recipes.run --work work/bible --recipe bible [--until prepare] [--workers 2] [-- flags for Beam]

Each stage is also a command of its own (``python -m model.train --work …``) that runs unconditionally.
"""

from __future__ import annotations

import argparse
import importlib
import re
import time
from pathlib import Path
from typing import Any

from recipes.corpora import to_fetch
from recipes.errors import UserError, run_command
from recipes.layout import WorkDirectory
from recipes.loading import load_recipe, save_recipe
from recipes.schema import Recipe
from recipes.stages import FETCH, PREPARE, STAGES, TRAIN, resolved_recipe
from recipes.summary import print_summary


def main(arguments: list[str]) -> None:
    options, beam_flags = _parse(arguments)
    work = WorkDirectory(options.work)
    recipe = load_recipe(options.recipe, _overrides(options))
    if not work.recipe.is_file() or resolved_recipe(work) != recipe:
        save_recipe(recipe, work.recipe)
    names = [stage.name for stage in STAGES]
    ran = make_stages(recipe, work, names[: names.index(options.until) + 1], _flags(options, beam_flags))
    if not ran:
        print(f"{work.root} is up to date: nothing to do (make summary shows its figures)")
    elif options.until == names[-1]:
        print_summary(recipe, work)


def make_stages(recipe: Recipe, work: WorkDirectory, names: list[str], flags: dict[str, list[str]]) -> list[str]:
    """Makes the stages of these names that are not current, in the order of the road; gives those it made.

    ``flags`` has, by the stage's name, what its command gets beside the work directory; no result depends on them.
    """
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


def _parse(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog="python -m recipes.run", description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="work directory; made if it does not exist")
    parser.add_argument("--recipe", default="bible", help="name of a recipe, or path of a .yaml file")
    parser.add_argument(
        "--until", choices=[stage.name for stage in STAGES], default=STAGES[-1].name, help="last stage to make"
    )
    parser.add_argument("--strategy", help="how the training is spread over devices and machines (see model.train)")
    parser.add_argument("--workers", metavar="N", help="spread the training over N processes on this machine's cores")
    for split in ("train", "dev", "test"):
        for side in ("source", "target"):
            parser.add_argument(f"--{split}-{side}", metavar="FILE", help=f"{side} side of the {split} corpus")
    if "--" in arguments:
        cut = arguments.index("--")
        return parser.parse_args(arguments[:cut]), arguments[cut + 1 :]
    return parser.parse_args(arguments), []


def _flags(options: argparse.Namespace, beam_flags: list[str]) -> dict[str, list[str]]:
    given = {"--strategy": options.strategy, "--workers": options.workers}
    training = [part for flag, value in given.items() if value is not None for part in (flag, value)]
    return {PREPARE.name: beam_flags, TRAIN.name: training}


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    """The corpus given on the command line, in the form of a recipe; files of one's own replace a fetched corpus."""
    corpus: dict[str, Any] = {}
    for split in ("train", "dev", "test"):
        source, target = getattr(options, f"{split}_source"), getattr(options, f"{split}_target")
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
    """The language that the name of a file ends with (corpus.en, corpus.en.gz), or ``otherwise``."""
    found = re.search(r"\.([a-z]{2,3})(?:\.(?:gz|zst|xz))?$", path)
    return found[1] if found and found[1] not in ("txt", "gz", "zst", "xz", "src", "tgt", "trg") else otherwise


if __name__ == "__main__":
    run_command(main)
