"""The flags that say what the page of an evaluation is to show beside what it always has, and what they name."""

from __future__ import annotations

import argparse

from workspace.errors import UserError, as_given
from workspace.listing import is_file
from workspace.locations import Location, located

GOLD_ENDINGS = (".source", ".target", ".align")


def add_evaluation_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--show",
        type=_numbers,
        default=[],
        metavar="NUMBERS",
        help="sentences of the test set whose alignments are to be on the page, such as '3 17'; the first is 1",
    )
    parser.add_argument(
        "--align-gold",
        type=located,
        metavar="NAME",
        help="sentences aligned by hand, to measure the alignment error rate: NAME.source, NAME.target (words between "
        "spaces) and NAME.align (Pharaoh's form, counted from 0: 1-2 is sure, 1?2 or 1p2 possible)",
    )


def evaluation_flags(options: argparse.Namespace) -> list[str]:
    """What the command of the stage gets of them. Raises UserError where there is no such gold alignment, before the
    stages that come first are made."""
    show = ["--show", " ".join(map(str, options.show))] if options.show else []
    if options.align_gold is None:
        return show
    check_gold(options.align_gold)
    return [*show, "--align-gold", str(options.align_gold)]


def gold_files(name: Location) -> list[Location]:
    """The files of a gold alignment; ``name`` is that of one of them, or what the three have in common."""
    stem = name.with_name(name.stem) if name.suffix in GOLD_ENDINGS else name
    return [stem.with_name(stem.name + ending) for ending in GOLD_ENDINGS]


def check_gold(name: Location) -> None:
    """Raises UserError where a file of a gold alignment is not there."""
    for file in gold_files(name):
        if not is_file(file):
            raise UserError(
                f"{file}: no such file; a gold alignment is three files of one name, with {', '.join(GOLD_ENDINGS)}"
            )


def _numbers(value: str) -> list[int]:
    numbers = value.replace(",", " ").split()
    if wrong := next((number for number in numbers if not number.isdecimal() or int(number) < 1), None):
        raise UserError(f"{as_given('--show')}: {wrong} is no number of a sentence; give some from 1 on, as '3 17'")
    return list(map(int, numbers))
