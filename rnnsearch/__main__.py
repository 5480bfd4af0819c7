"""The command ``rnnsearch``: every command of the project by a short name.

rnnsearch train --work work/bible        is    python -m model.train --work work/bible
"""

from __future__ import annotations

import argparse
import importlib
import sys

from workspace.command import run_command, say_version

# Each with the module that it runs and what it does.
COMMANDS = {
    "run": ("recipes.run", "the whole road: every stage below that is not current"),
    "fetch": ("pipelines.fetch", "fetch the corpora that come from elsewhere"),
    "prepare": ("pipelines.prepare", "clean, split, encode and shard the corpora"),
    "train": ("model.train", "train the network on the shards"),
    "evaluate": ("model.evaluate", "translate the test set and score it"),
    "compare": ("model.compare", "whether a run translates better than another, and which sentences"),
    "export": ("model.export", "write the best weights as a SavedModel"),
    "summary": ("recipes.summary", "the figures of a finished run"),
    "curves": ("model.curves", "show a training in TensorBoard"),
    "bible-editions": ("pipelines.bible_editions", "the editions of the Bible that a recipe may name"),
    "clean-report": ("pipelines.clean_report", "what every cleaning rule would take"),
    "translate-file": ("pipelines.translate", "translate files, as a batch job"),
    "serve": ("serving.serve", "serve the exported model over gRPC and REST"),
    "server": ("serving.server", "the same, with TensorFlow Serving's flags"),
    "translate": ("serving.translate", "ask a running server"),
    "flink": ("pipelines.flink", "a Flink cluster on this machine"),
    "compare-runners": ("pipelines.compare_runners", "whether another runner prepares the same bytes"),
}


def main() -> None:
    """Reads the name of a command, and runs it with the rest of the command line."""
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:<{width}}  {does}" for name, (_, does) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="rnnsearch",
        description="From a raw parallel corpus to a translation over gRPC.",
        usage="rnnsearch COMMAND …",
        epilog=f"commands:\n{listed}\n\nrnnsearch COMMAND --help says what a command takes, reads and writes.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version of the project and exit")
    parser.add_argument("command", nargs="?", choices=COMMANDS, metavar="COMMAND", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.version:
        say_version(parser)
    if options.command is None:
        parser.error("which command? rnnsearch --help lists them")
    # By this a command calls itself in its help.
    sys.argv = [f"rnnsearch {options.command}", *options.arguments]
    run_command(importlib.import_module(COMMANDS[options.command][0]).main)


if __name__ == "__main__":
    main()
