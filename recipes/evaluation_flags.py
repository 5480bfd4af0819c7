"""The flags that say what the page of an evaluation is to show beside what it always has."""

from __future__ import annotations

import argparse

from workspace.errors import UserError, as_given
from workspace.locations import located


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
    """What the command of the stage gets of them."""
    show = ["--show", " ".join(map(str, options.show))] if options.show else []
    return [*show, *(["--align-gold", str(options.align_gold)] if options.align_gold else [])]


def _numbers(value: str) -> list[int]:
    numbers = value.replace(",", " ").split()
    if wrong := next((number for number in numbers if not number.isdecimal() or int(number) < 1), None):
        raise UserError(f"{as_given('--show')}: {wrong} is no number of a sentence; give some from 1 on, as '3 17'")
    return list(map(int, numbers))
