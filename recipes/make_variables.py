"""Refuses what cannot be meant on make's command line, before anything runs.

The Makefile passes the names of the variables given on its command line in GIVEN, the targets in TARGETS, and every
variable's value under its own name. Any Python may run this, so it needs nothing but the standard library.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from recipes.files import several
from recipes.spread import STRATEGIES
from workspace.command import command_parser, run_command
from workspace.errors import UserError

# Beam's names for its runners, and short ones for those that need no more flags.
RUNNERS = (
    *("direct", "flink", "DirectRunner", "FlinkRunner", "FnApiRunner"),
    *("DataflowRunner", "PortableRunner", "PrismRunner", "SparkRunner"),
)
FILES = ("SRC", "TGT", "DEV_SRC", "DEV_TGT", "TEST_SRC", "TEST_TGT")
# Characters of a pattern, which IN may be.
_OF_PATTERNS = set("*?[")
PEERS = ("CTRANSLATE2", "OPENNMT", "JOEYNMT")
# What each variable takes: one of some words, a whole number in a range, or, where it is None, any text.
VARIABLES: dict[str, Sequence[str] | range | None] = {
    "RECIPE": None,
    "WORK": None,
    **dict.fromkeys(FILES),
    "SET": None,
    "FORCE": ("1",),
    "AGAINST": None,
    "SHOW": None,
    "ALIGN_GOLD": None,
    "STRATEGY": STRATEGIES,
    "WORKERS": range(1, 10_000),
    "RUNNER": RUNNERS,
    "FLINK_MASTER": None,
    "BEAM": None,
    "TEXT": None,
    "IN": None,
    "OUT": None,
    "FIELD": None,
    "COLUMN": None,
    "SCORE": ("1",),
    "NBEST": range(1, 10_000),
    "ALIGN": ("1",),
    "TERMS": None,
    "OVERWRITE": ("1",),
    "COPIES": range(1, 1_000),
    "SERVER": None,
    "PORT": range(65_536),
    "REST_PORT": range(65_536),
    "TESTS": None,
    "SCRATCH": None,
    "DEBUG": None,
    "PYTHON": None,
    **dict.fromkeys(PEERS),
}
# What each target uses beside PYTHON and DEBUG. A run is named by its recipe, its work directory or its corpus.
_RUN = {"RECIPE", "WORK", *FILES}
_ROAD = {*_RUN, "SET", "FORCE", "SCRATCH"}
_TRAINING = {*_ROAD, "STRATEGY", "WORKERS"}
_EVALUATION = {"AGAINST", "SHOW", "ALIGN_GOLD"}
_BEAM = {"RUNNER", "FLINK_MASTER", "BEAM"}
_BATCH = {*_BEAM, "FIELD", "COLUMN", "SCORE", "NBEST", "ALIGN", "TERMS", "OVERWRITE", "COPIES"}
USED: dict[str, set[str]] = {
    **dict.fromkeys(("train", "export", "quality"), _TRAINING),
    "evaluate": _TRAINING | _EVALUATION,
    "prepare": _ROAD | _BEAM,
    "clean-report": _ROAD | {"BEAM"},
    "summary": _RUN,
    "tensorboard": _RUN | {"PORT", "SCRATCH"},
    "serve": _RUN | {"PORT", "REST_PORT", "SCRATCH"},
    "translate": _RUN | _BATCH | {"SCRATCH", "TEXT", "IN", "OUT", "SERVER", "PORT"},
    "bench-train": {"SRC", "TGT"},
    "bench-search": {*PEERS},
    "bench-serve": _RUN,
    **{target: {"TESTS"} for target in ("test", "test-fast")},
    **{target: set() for target in ("environment", "current", "bible-editions", "settings", "lint", "format", "clean")},
}


def main(arguments: list[str]) -> None:
    command_parser(
        "recipes.make_variables",
        __doc__,
        reads="GIVEN, TARGETS and the variables of make in the environment",
        writes="nothing",
        epilog="Started by make, with what it was given.",
    ).parse_args(arguments)
    given, targets = os.environ.get("GIVEN", "").split(), os.environ.get("TARGETS", "").split()
    check_names(given)
    check_values(os.environ)
    check_targets(targets, os.environ)
    check_used([name for name in given if os.environ.get(name)], targets)


def check_names(given: Sequence[str]) -> None:
    """Raises UserError for the first variable that the Makefile does not have."""
    for name in given:
        if name not in VARIABLES:
            close = difflib.get_close_matches(name.upper(), VARIABLES, n=1)
            raise UserError(
                f"make has no variable {name}; " + (f"did you mean {close[0]}?" if close else "make help lists them")
            )


def check_used(given: Sequence[str], targets: Sequence[str]) -> None:
    """Raises UserError for the first variable that has no effect on any of the targets."""
    if not USED.keys() >= set(targets) or not targets:  # help, or a file
        return
    used = {"PYTHON", "DEBUG"}.union(*(USED[target] for target in targets))
    asked = " ".join(targets)
    if asked == "translate" and "TEXT" in given:
        asked, used = "translate TEXT=", used - _BATCH
    if asked.startswith("translate") and {"SERVER", "PORT"} <= set(given):
        raise UserError("translate: SERVER= and PORT= exclude one another; give one of them")
    for name in given:
        if name not in used:
            others = ", ".join(target for target, variables in USED.items() if name in variables)
            raise UserError(f"{name}= has no effect on make {asked}; leave it out (it is for {others})")


def check_values(values: Mapping[str, str]) -> None:
    """Raises UserError for the first value that no stage takes; an empty one counts as not given."""
    for name, takes in VARIABLES.items():
        value = values.get(name, "").strip()
        if not value or takes is None:
            continue
        if isinstance(takes, range):
            if not value.isascii() or not value.isdecimal() or int(value) not in takes:
                found = re.match(r"-?\d+", value)
                nearest = min(max(int(found[0]) if found else 0, takes[0]), takes[-1])
                raise UserError(
                    f"{name}={value}: it takes a whole number from {takes[0]} to {takes[-1]}; "
                    f"did you mean {name}={nearest}?"
                )
        # Beam takes any class of a runner, by the name of its module.
        elif value not in takes and not (name == "RUNNER" and "." in value):
            raise UserError(
                f"{name}={value}: it takes {', '.join(takes)}; did you mean {name}={_nearest(value, takes)}?"
            )
    _check_recipe(values.get("RECIPE", ""))
    _check_files(values)
    _check_addresses(values)
    against = values.get("AGAINST", "")
    if against and _is_local(against) and not Path(against).is_dir():
        raise UserError(f"AGAINST={against}: there is no such directory; give the WORK of another run")
    if values.get("WORKERS") and values.get("STRATEGY") in ("one", "mirrored", "tpu"):
        raise UserError(f"WORKERS= and STRATEGY={values['STRATEGY']} exclude one another; give one of them")
    for name in ("PYTHON", *PEERS):
        python = values.get(name, "")
        if python and shutil.which(python) is None:
            raise UserError(f"{name}={python}: no such command; give the name or the path of one")


def _check_addresses(values: Mapping[str, str]) -> None:
    # Beam's names for a cluster that it starts itself are in brackets, and gRPC has addresses of its own kinds.
    for name, other_form, example in (("SERVER", r"(unix|dns):.+", 8500), ("FLINK_MASTER", r"\[\w+\]", 8081)):
        value = values.get(name, "")
        found = re.fullmatch(r"(\[[^\]]+\]|[^][:/,\s]+):(\d{1,5})", value)
        if value and not re.fullmatch(other_form, value) and not (found and 0 < int(found[2]) < 65_536):
            raise UserError(f"{name}={value}: it takes host:port, such as localhost:{example}")


def check_targets(targets: Sequence[str], values: Mapping[str, str]) -> None:
    """Raises UserError for a target that lacks a variable it needs, or has two that exclude one another."""
    given = {name for name in VARIABLES if values.get(name)}
    if "translate" in targets:
        if {"TEXT", "IN"} <= given:
            raise UserError("translate: TEXT= and IN= exclude one another; give one of them")
        if "IN" in given and "OUT" not in given:
            raise UserError(f"translate IN={values['IN']}: where to? give OUT=file or directory too")
        if "OUT" in given and "IN" not in given:
            raise UserError(f"translate OUT={values['OUT']}: what? give IN=file or directory too")
        if {"TEXT", "IN"}.isdisjoint(given):
            raise UserError("translate: what? give TEXT='…' to ask the running server, or IN= OUT= for files")
    on_flink = values.get("RUNNER") in ("flink", "FlinkRunner")
    if {"prepare", "translate"} & set(targets) and "FLINK_MASTER" in given and not on_flink:
        raise UserError(f"FLINK_MASTER={values['FLINK_MASTER']}: it is for Flink; give RUNNER=flink too")
    if "bench-train" in targets and not {"SRC", "TGT"} <= given:
        raise UserError("bench-train: on what? give SRC=file TGT=file")


def _check_recipe(recipe: str) -> None:
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.yaml"))
    if recipe and Path(recipe).suffix not in (".yaml", ".yml") and recipe not in names:
        raise UserError(
            f"RECIPE={recipe}: it takes {', '.join(names)}, or a path ending in .yaml; "
            f"did you mean RECIPE={_nearest(recipe, names)}?"
        )


def _check_files(values: Mapping[str, str]) -> None:
    for split in ("", "DEV_", "TEST_"):
        source, target = f"{split}SRC", f"{split}TGT"
        for one, other in ((source, target), (target, source)):
            if values.get(one) and not values.get(other):
                raise UserError(f"{one}={values[one]}: and the other side? give {other}=file too")
    for name in (*FILES, "IN", "RECIPE"):
        value = values.get(name, "")
        paths = several(value) if name == "TEST_TGT" else [value]
        for path in paths:
            # Any other path is on some remote storage, or is the name of a recipe.
            is_local = path and _is_local(path) and (name != "RECIPE" or Path(path).suffix in (".yaml", ".yml"))
            is_there = Path(path).is_file() or (name == "IN" and (Path(path).is_dir() or _OF_PATTERNS & set(path)))
            if is_local and not is_there:
                quote = "; put a path with spaces between quotes of its own" if len(paths) > 1 else ""
                raise UserError(f"{name}={path}: there is no such file{quote}")
    gold = values.get("ALIGN_GOLD", "")
    if gold and _is_local(gold) and not any(Path(name).is_file() for name in (gold, f"{gold}.align")):
        raise UserError(f"ALIGN_GOLD={gold}: there is no {gold}.align; give the name without its endings")


def _is_local(path: str) -> bool:
    """Whether it is on this machine; what is in a store is looked at by the command."""
    return "://" not in path


def _nearest(word: str, words: Sequence[str]) -> str:
    same_case = {each.lower(): each for each in reversed(words)}
    return same_case[difflib.get_close_matches(word.lower(), same_case, n=1, cutoff=0)[0]]


if __name__ == "__main__":
    run_command(main)
