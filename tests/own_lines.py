"""What the commands of the project say beside their results; any other line is a library's."""

from __future__ import annotations

import re

OWN = re.compile(
    r"[a-z]+( [a-z0-9.,()]+)*: [\d.,]+[kMG]?B?(/[\d.,]+[kMG]?B?)?( \w+)?( \d+%)? \[.*\]"  # progress
    r"|step \d+: loss [\d.]+, dev (BLEU|chrF|loss) [\d.]+( \(greedy\))?"
    r"|serving .+ with .+|serving \w+ version \d+: gRPC at .*|(un)?loaded version \d+ of model \w+.*"
    r"|(warning|error): .*"
)


def foreign_lines(standard_error: str) -> list[str]:
    """The lines that are not the project's own."""
    return [line for line in standard_error.splitlines() if not OWN.fullmatch(line)]
