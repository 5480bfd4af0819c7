"""Shows that another engine leaves the same bytes: ``python -m pipelines.compare_runners --work work/<recipe>``.

Prepares the corpora of a recipe twice, on this machine and as Beam's flags say, ``--runner=flink`` unless told
otherwise (``pipelines.preparation.comparison``).
"""

from __future__ import annotations

from workspace.command import command_parser, run_command, starting_up
from workspace.layout import WorkDirectory
from workspace.locations import located


def main(arguments: list[str]) -> None:
    """The command: prints how long both took; exit code 1 where a file differs."""
    parser = command_parser(
        "pipelines.compare_runners",
        "Prepares a recipe's corpora here and on another engine, and compares the bytes.",
        reads="recipe.yaml of the work directory, and the corpora that it names or that are in corpus/",
        writes="nothing that stays; on the way a directory in the work directory",
        epilog="All other flags are Apache Beam's, for the other engine; --runner=flink if there are none.",
        allow_abbrev=False,
    )
    parser.add_argument("--work", type=located, required=True, help="work directory that holds recipe.yaml and corpus/")
    known, flags = parser.parse_known_args(arguments)
    with starting_up():
        from pipelines.preparation.comparison import compare
    files = compare(WorkDirectory(known.work), flags or ["--runner=flink"])
    print(f"all {files} files have the same SHA-256")


if __name__ == "__main__":
    run_command(main)
