"""The whole road: resolves a recipe into a work directory and makes every stage that is not current.

    python -m recipes.run --work work/bible --recipe bible [--set training.epochs=2] [-- flags for Beam]

Each stage is also a command of its own (``python -m model.train --work …``) that runs unconditionally.
"""

from __future__ import annotations

import argparse

from recipes.evaluation_flags import add_evaluation_flags, evaluation_flags
from recipes.spread import add_spread_flags, check_spread
from workspace.command import command_parser, run_command, starting_up
from workspace.layout import SIDES, SPLITS, WorkDirectory
from workspace.locations import located

STAGE_NAMES = ("fetch", "prepare", "train", "evaluate", "export")


def main(arguments: list[str]) -> None:
    options, beam_flags = _parse(arguments)
    with starting_up():
        from recipes.loading import settings_given
        from recipes.road import Asked, go
    files = {(split, side): getattr(options, f"{split}_{side}") for split in SPLITS for side in SIDES}
    asked = Asked(options.recipe, files, settings_given(options.set), options.force)
    flags = {
        "prepare": beam_flags,
        "train": _spread_flags(options),
        "evaluate": evaluation_flags(options),
        "export": ["--force"] if options.force else [],
    }
    go(WorkDirectory(options.work), asked, options.until, flags, options.against)


def _parse(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = command_parser(
        "recipes.run",
        __doc__,
        reads="the recipe, the corpus that it or the flags below name, and what is in the work directory",
        writes="the work directory: recipe.yaml, corpus/, intermediate/, data/, training/, evaluation/, export/",
        epilog="Flags after -- are Apache Beam's, for the stage prepare.",
    )
    parser.add_argument("--work", type=located, required=True, help="work directory; made if it does not exist")
    parser.add_argument(
        "--recipe",
        help="name of a recipe, or path of a .yaml file; default: the one that the work directory has, or else bible",
    )
    parser.add_argument(
        "--set",
        default="",
        metavar="KEY=VALUE",
        help="settings that the run has instead of the recipe's, such as 'training.epochs=2 subwords.vocabulary=1000'",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="take a work directory that is of another recipe or corpus; export a model that is refused as too poor",
    )
    parser.add_argument("--until", choices=STAGE_NAMES, default=STAGE_NAMES[-1], help="last stage to make")
    parser.add_argument(
        "--against",
        type=located,
        help="work directory of another evaluated run, to compare with in evaluation/comparison.json (model.compare)",
    )
    add_spread_flags(parser)
    add_evaluation_flags(parser)
    for split in SPLITS:
        for side in SIDES:
            parser.add_argument(f"--{split}-{side}", metavar="FILE", help=f"{side} side of the {split} corpus")
    beam_flags = []
    if "--" in arguments:
        cut = arguments.index("--")
        arguments, beam_flags = arguments[:cut], arguments[cut + 1 :]
    options = parser.parse_args(arguments)
    check_spread(options)
    return options, beam_flags


def _spread_flags(options: argparse.Namespace) -> list[str]:
    workers = [] if options.workers is None else ["--workers", str(options.workers)]
    return ["--strategy", options.strategy, *workers]


if __name__ == "__main__":
    run_command(main)
