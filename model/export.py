"""Writes the best checkpoint as the next version of a SavedModel that takes and gives text (model.exported).

python -m model.export --work work/bible [--force]
"""

from __future__ import annotations

from workspace.command import command_parser, run_command, starting_up
from workspace.layout import WorkDirectory
from workspace.locations import Location, located
from workspace.scratch import own_temporary_directory


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "model.export",
        "Writes the best checkpoint as the next version of a SavedModel that takes and gives text.",
        reads="recipe.yaml, data/, the best checkpoint in training/ and evaluation/ of the work directory",
        writes="the next version in export/ of the work directory, such as export/1/",
    )
    parser.add_argument("--work", type=located, required=True, help="work directory, with a finished training")
    parser.add_argument("--force", action="store_true", help="export a model that is refused as too poor")
    options = parser.parse_args(arguments)
    run(WorkDirectory(options.work), options.force)


def run(work: WorkDirectory, is_forced: bool = False) -> Location:
    with starting_up():
        from recipes.stages import resolved_recipe

        recipe = resolved_recipe(work)

        from model.data.staging import data_here
        from model.exported.version import export
        from workspace.lock import sole_use
    with sole_use(work, "model.export"), own_temporary_directory(), data_here(work, "dev", "test") as here:
        version = export(here, recipe, is_forced)
    print(f"exported {version}")
    return version


if __name__ == "__main__":
    run_command(main)
