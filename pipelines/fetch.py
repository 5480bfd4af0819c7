"""Fetches the corpora of a recipe that come from elsewhere: ``python -m pipelines.fetch --work work/<recipe>``."""

from __future__ import annotations

from workspace.command import command_parser, run_command, starting_up
from workspace.layout import WorkDirectory
from workspace.locations import located


def main(arguments: list[str]) -> None:
    """The command: fetches what the recipe of ``--work`` names."""
    parser = command_parser(
        "pipelines.fetch",
        "Fetches the corpora of a run that come from elsewhere.",
        reads="recipe.yaml of the work directory, and what it names on the web or in an index of packages",
        writes="corpus/ of the work directory, a directory for each corpus, corpus.json last",
    )
    parser.add_argument("--work", type=located, required=True, help="work directory that holds recipe.yaml")
    run(WorkDirectory(parser.parse_args(arguments).work))


def run(work: WorkDirectory) -> None:
    with starting_up():
        from pipelines.corpora.fetching import fetch
        from recipes.corpora import to_fetch
        from recipes.stages import resolved_recipe
        from workspace.lock import sole_use
    recipe = resolved_recipe(work)
    if not to_fetch(recipe):
        print("nothing to fetch: the recipe names files of its own")
        return
    with sole_use(work, "pipelines.fetch"):
        fetch(recipe, work)
    print(f"fetched {', '.join(to_fetch(recipe))}: {work.corpus}")


if __name__ == "__main__":
    run_command(main)
