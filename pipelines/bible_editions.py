"""Lists the editions of the Bible that a recipe may name: ``python -m pipelines.bible_editions``."""

from __future__ import annotations

from workspace.command import command_parser, run_command, starting_up


def main(arguments: list[str]) -> None:
    """The command: prints a line for every language."""
    command_parser(
        "pipelines.bible_editions",
        "Lists the editions of the Bible that a recipe may name, by language; nothing is downloaded.",
        reads="nothing",
        writes="nothing",
    ).parse_args(arguments)
    with starting_up():
        from pipelines.corpora.bible import LANGUAGES, editions_of
    print("corpus.train: {bible: {source: LANGUAGE or EDITION, target: LANGUAGE or EDITION}}")
    for language in LANGUAGES:
        first, *others = editions_of(language)
        print(f"{language}  {first}" + (f" (also {', '.join(others)})" if others else ""))


if __name__ == "__main__":
    run_command(main)
