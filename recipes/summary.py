"""Prints the table of figures of a finished run: ``python -m recipes.summary --work work/bible``."""

from __future__ import annotations

from workspace.command import command_parser, run_command, starting_up
from workspace.layout import WorkDirectory
from workspace.locations import located


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "recipes.summary",
        "Prints what a finished run read, learnt and scored, where it is, and what to run next.",
        reads="recipe.yaml, and what the stages left in the work directory",
        writes="nothing",
    )
    parser.add_argument("--work", type=located, required=True, help="work directory of a finished run")
    work = WorkDirectory(parser.parse_args(arguments).work)
    with starting_up():
        from recipes.figures import print_summary
        from recipes.stages import resolved_recipe
    print_summary(resolved_recipe(work), work)


if __name__ == "__main__":
    run_command(main)
