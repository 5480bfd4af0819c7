"""Translates from the command line, by a running server.

    python -m serving.translate [--server localhost:8500] [TEXT ...]

Without TEXT it reads lines from standard input, or a file. A line in is a line out, in the same order, blank lines
included; but ``--nbest`` and ``--sample`` give each line several, and ``--align`` on a terminal a picture. A line that
is too long for the model is translated sentence by sentence, with ``--document`` every line is. One that cannot be
split comes out empty, and the command ends with its number and an exit code of 1; so does any line that is too long
for ``--nbest``, ``--sample`` and ``--align``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from workspace.command import command_parser, positive, run_command, say_version, starting_up
from workspace.layout import DEFAULT_ADDRESS, MODEL_NAME
from workspace.locations import located


def main(arguments: list[str]) -> None:
    options = _parse(arguments)
    with starting_up():
        from serving.client.lines import translate_lines
    translate_lines(options)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = command_parser(
        "serving.translate",
        __doc__,
        reads="TEXT, the file of --input, or standard input",
        writes="the translations to standard output",
        conflict_handler="resolve",  # --version is also of the model
    )
    parser.add_argument("--server", default=DEFAULT_ADDRESS, help=f"host:port of its gRPC (default: {DEFAULT_ADDRESS})")
    parser.add_argument(
        "--work", type=located, metavar="DIR", help="end where the server has another model than this work directory"
    )
    parser.add_argument("--model", default=MODEL_NAME, help=f"name of the model (default: {MODEL_NAME})")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--version",
        action=_Version,
        type=int,
        nargs="?",
        metavar="N",
        help="of the model (default: the newest); without N, print the version of the project and exit",
    )
    which.add_argument("--label", help="of the version, as the server's configuration has it: stable, canary …")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for 32 lines (default: 60)")
    parser.add_argument(
        "--beam", type=positive, metavar="K", help="of K hypotheses, the recipe's beam at most; 1 is greedy search"
    )
    more = parser.add_mutually_exclusive_group()
    more.add_argument(
        "--nbest", type=positive, metavar="N", help="N of each: number of the line ||| translation ||| score"
    )
    more.add_argument(
        "--sample", type=positive, metavar="N", help="likewise N drawn at random, as the model finds them likely"
    )
    more.add_argument(
        "--align", action="store_true", help="translation ||| source-target words, from 0; on a terminal a picture"
    )
    more.add_argument(
        "--document", action="store_true", help="lines are whole paragraphs: every sentence is translated by itself"
    )
    parser.add_argument("--prefix", metavar="TEXT", help="how the translation begins, also in the middle of a word")
    parser.add_argument(
        "--require", action="append", default=[], metavar="PHRASE", help="words that it has; may be given again"
    )
    parser.add_argument(
        "--forbid", action="append", default=[], metavar="PHRASE", help="words that it has not; may be given again"
    )
    parser.add_argument(
        "--terms", type=located, metavar="FILE", help="words with the translations that they are to have, a tab between"
    )
    parser.add_argument(
        "--keep", metavar="REGEX", help="what this matches in a line is in its translation: placeholders, tags"
    )
    parser.add_argument("--seed", type=int, metavar="S", help="with --sample: draws the same again (default: others)")
    parser.add_argument(
        "--temperature", type=float, metavar="T", help="with --sample: below 1 for what is likelier, above for variety"
    )
    parser.add_argument("--top-k", type=int, metavar="K", help="with --sample: draw from the K likeliest words; 0: all")
    parser.add_argument(
        "--top-p", type=float, metavar="P", help="with --sample: draw from the likeliest words with a share P together"
    )
    parser.add_argument("--json", action="store_true", help="an object a line: text, translation, score and the like")
    parser.add_argument("--tls", action="store_true", help="speak TLS; the files below do so too")
    parser.add_argument("--tls-authority", type=Path, metavar="FILE", help="who signed the server's certificate (PEM)")
    parser.add_argument("--tls-certificate", type=Path, metavar="FILE", help="the client's own certificate (PEM)")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="and its key (PEM)")
    parser.add_argument("--input", type=located, metavar="FILE", help="translate the lines of this file")
    parser.add_argument("text", nargs="*", metavar="TEXT", help="sentences to translate; none: lines of standard input")
    options = parser.parse_args(arguments)
    if options.text and options.input:
        parser.error("TEXT and --input are both given; give one of them")
    drawing = (options.seed, options.temperature, options.top_k, options.top_p)
    if options.sample is None and any(value is not None for value in drawing):
        parser.error("--seed, --temperature, --top-k and --top-p are of --sample; give it too")
    constrained = options.prefix or options.require or options.forbid or options.terms or options.keep
    if constrained and (options.nbest or options.sample or options.align or options.document):
        parser.error("--nbest, --sample, --align and --document take no --prefix, --require, --forbid, --terms, --keep")
    if options.beam and (constrained or options.sample or options.align or options.document):
        parser.error("--beam is of translations and --nbest; leave it out, or the other options")
    return options


class _Version(argparse.Action):
    """Of the model where there is a number, else of the project."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        if values is None:
            say_version(parser)
        setattr(namespace, self.dest, values)


if __name__ == "__main__":
    run_command(main)
