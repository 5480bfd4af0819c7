"""Writes the page of every setting a recipe may have: ``python -m recipes.settings --output docs/settings.md``."""

from __future__ import annotations

from pathlib import Path

from workspace.command import command_parser, run_command, starting_up
from workspace.storage import write_text


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "recipes.settings",
        "Writes the page of every setting a recipe may have, with its values, unit, default and meaning.",
        reads="the schema: recipes/schema.py and recipes/data_schema.py",
        writes="the page, in Markdown",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the page: docs/settings.md")
    output = parser.parse_args(arguments).output
    with starting_up():
        from recipes.settings_page import settings_page
    write_text(output, settings_page())


if __name__ == "__main__":
    run_command(main)
