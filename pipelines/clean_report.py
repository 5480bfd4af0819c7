"""Shows what every cleaning rule would take: ``python -m pipelines.clean_report --work work/<recipe>``.

Nothing is rejected. What the page has, and how it is made, is in ``pipelines.reports.clean_report_page``.
"""

from __future__ import annotations

import sys

from workspace.command import command_parser, run_command, starting_up
from workspace.layout import WorkDirectory
from workspace.locations import located


def main(arguments: list[str]) -> None:
    """The command: measures the training corpora of the work directory named by ``--work``."""
    parser = command_parser(
        "pipelines.clean_report",
        "Shows what every cleaning rule would take; other flags go to Beam.",
        reads="recipe.yaml of the work directory, and the training corpora that it names or that are in corpus/",
        writes="clean-report.html in the work directory, and intermediate/ on the way there",
        allow_abbrev=False,
    )
    parser.add_argument("--work", type=located, required=True, help="work directory that holds recipe.yaml")
    known, flags = parser.parse_known_args(arguments)
    work = WorkDirectory(known.work)
    with starting_up():
        from recipes.corpora import corpora
        from recipes.stages import resolved_recipe

        recipe = resolved_recipe(work)

        from pipelines.cleaning.languages import unknown_languages
        from pipelines.reports.clean_report_page import write_clean_report
        from pipelines.runners.options import pipeline_options
        from workspace.lock import sole_use
    # A file that is not there ends the command before anything else is said or started.
    corpora(recipe, work)
    if unknown := unknown_languages(recipe):
        print(f"warning: {unknown}", file=sys.stderr)
    with sole_use(work, "pipelines.clean_report"):
        write_clean_report(recipe, work, pipeline_options(flags))
    print(f"what every rule would take: {work.clean_report}")


if __name__ == "__main__":
    run_command(main)
