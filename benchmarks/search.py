"""How fast search translates on one core, and how fast others do: ``python -m benchmarks.search``.

What is measured, and how, is in ``benchmarks.search_speed``; the ways to search are in ``benchmarks.search_ways``.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import NamedTuple

from workspace.command import command_parser, positive, run_command, starting_up


class Source(NamedTuple):
    """Where a way to search is: the module of ``benchmarks.search_ways``, what of it, and the option that names the
    Python that has what it imports; none is the one that runs this."""

    module: str
    kind: str
    environment: str | None = None


WAYS = {
    "SavedModel's graph": Source("rnnsearch", "folded"),
    "the network unfolded": Source("rnnsearch", "unfolded"),
    "LiteRT, float32": Source("litert", "float32"),
    "LiteRT, int8": Source("litert", "int8"),
    "CTranslate2, float32": Source("ctranslate2_transformer", "float32", "ctranslate2"),
    "CTranslate2, int8": Source("ctranslate2_transformer", "int8", "ctranslate2"),
    "OpenNMT-tf": Source("opennmt_rnn", "float32", "opennmt"),
    "JoeyNMT": Source("joeynmt_rnn", "float32", "joeynmt"),
}
PEAKS = "peaks"


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "benchmarks.search",
        "How fast search translates on one core, by the project and by others.",
        reads="nothing: all weights and sentences are random, of a fixed seed",
        writes="the tables to standard output",
    )
    parser.add_argument("--turns", type=positive, default=3, help="how often to measure every way")
    parser.add_argument("--seconds", type=positive, default=2, help="how long to measure at a time, at least")
    for peer in ("CTranslate2", "OpenNMT-tf", "JoeyNMT"):
        option = "--" + peer.removesuffix("-tf").lower()
        parser.add_argument(option, metavar="PYTHON", help=f"the Python of an environment with {peer}")
    parser.add_argument("--way", choices=[*WAYS, PEAKS], help="this alone, as JSON (used by itself)")
    options = parser.parse_args(arguments)
    if not options.way:
        with starting_up():
            from benchmarks.search_speed import compare
        compare(options)
    elif options.way == PEAKS:
        with starting_up():
            from benchmarks.search_ways.peaks import peaks
        print(json.dumps(peaks()))
    else:
        with starting_up():
            from benchmarks.search_ways.turns import answer_turns

            source = WAYS[options.way]
            module = import_module(f"benchmarks.search_ways.{source.module}")
        answer_turns(lambda: module.way(source.kind))


if __name__ == "__main__":
    run_command(main)
