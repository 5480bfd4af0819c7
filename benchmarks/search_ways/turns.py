"""What every way to search is asked for, and how a process that has one answers ``benchmarks.search_speed``.

It also runs in the environments of the peers, so it needs nothing but the standard library.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

# Of a source sentence, and of its translation.
WORDS = 17
VOCABULARY = 6000
# Of the network; the peers are as near to it as they can be.
SIZES = {
    "embedding_units": 256,
    "encoder_units": 256,
    "decoder_units": 512,
    "alignment_units": 256,
    "readout_units": 256,
}
SEED = 1
# The smallest ids are of words that stand for something else in one vocabulary or another, such as the beginning.
FIRST_WORD = 8
# Batches to translate again and again.
BATCHES = 8

# Translates sentences of WORDS ids each, all in one batch.
Translate = Callable[[Sequence[Sequence[int]]], object]


class Way(NamedTuple):
    """A way to search: the program with its version, and what gives its translator for a beam."""

    program: str
    parameters: int
    translator: Callable[[int], Translate]


class Turn(NamedTuple):
    """Translate so many sentences at a time with a beam, for at least so many seconds."""

    beam: int
    sentences: int
    seconds: float


class Rates(NamedTuple):
    """Sentences a second."""

    by_cpu: float
    by_wall: float


def answer_turns(prepare: Callable[[], Way]) -> None:
    """Says on standard output what the way is, and then the rates of each turn that is asked for on standard input."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer

    def say(answer: Sequence[object]) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    way = prepare()
    say([way.program, way.parameters])
    translators: dict[int, Translate] = {}
    for line in sys.stdin:
        turn = Turn(*json.loads(line))
        if turn.beam not in translators:
            translators[turn.beam] = way.translator(turn.beam)
        say(measured(translators[turn.beam], turn))


def measured(translate: Translate, turn: Turn) -> Rates:
    """The rates of a turn; its first batch is not counted."""
    numbers = random.Random(SEED)
    batches = [
        [[numbers.randrange(FIRST_WORD, VOCABULARY) for _ in range(WORDS)] for _ in range(turn.sentences)]
        for _ in range(BATCHES)
    ]
    translate(batches[-1])
    done = 0
    wall, cpu = time.perf_counter(), time.process_time()
    for batch in itertools.cycle(batches):
        translate(batch)
        done += len(batch)
        if time.perf_counter() - wall >= turn.seconds:
            break
    return Rates(done / (time.process_time() - cpu), done / (time.perf_counter() - wall))
