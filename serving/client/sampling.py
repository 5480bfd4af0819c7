"""How a client asks for samples: by which signature, with which inputs, and what comes back."""

from __future__ import annotations

import math
import operator
import secrets
from collections.abc import Sequence

from serving.client.answers import Translation
from workspace.errors import UserError
from workspace.layout import (
    SAMPLE_SIGNATURE,
    SAMPLE_WITH_SIGNATURE,
    SEED_INPUT,
    TEMPERATURE_INPUT,
    TOP_K_INPUT,
    TOP_P_INPUT,
)

# Of temperatures and shares; float32 has room for more.
LEAST, MOST = 1e-30, 1e30
MOST_WORDS = 2**31 - 1


def sampling_inputs(
    seed: int | None, temperature: float | None, top_k: int | None, top_p: float | None
) -> tuple[str, dict[str, int | float]]:
    """A signature, and its inputs besides the text.

    Without a seed it is one that nobody knows. Where none of the other three is given, all are those of the recipe;
    else those that are not given change nothing: 1, all words, and 1. Raises UserError for values that cannot be.
    """
    seed = secrets.randbits(63) if seed is None else operator.index(seed)
    if not -(2**63) <= seed < 2**63:
        raise UserError(f"{seed} is no seed; give a whole number of 64 bits, from {-(2**63)} to {2**63 - 1}")
    if temperature is None and top_k is None and top_p is None:
        return SAMPLE_SIGNATURE, {SEED_INPUT: seed}
    temperature = 1.0 if temperature is None else temperature
    top_k = top_k or 0
    top_p = 1.0 if top_p is None else top_p
    if not LEAST <= temperature <= MOST:
        raise UserError(f"{temperature} is no temperature to sample with; give a number from {LEAST:g} to {MOST:g}")
    if not 0 <= top_k <= MOST_WORDS:
        raise UserError(f"{top_k} words cannot be sampled from; give 1 or more, or 0 for all")
    if not LEAST <= top_p <= 1:
        raise UserError(f"{top_p} is no share of words to sample from; give a number above 0, and 1 at most")
    inputs = {SEED_INPUT: seed, TEMPERATURE_INPUT: temperature, TOP_K_INPUT: top_k, TOP_P_INPUT: top_p}
    return SAMPLE_WITH_SIGNATURE, inputs


def first_samples(texts: Sequence[bytes], scores: Sequence[float], count: int) -> list[Translation]:
    """The first ``count`` of what was drawn, none of a text that is too long. Raises UserError where less was drawn."""
    if count > len(texts):
        raise UserError(
            f"{count} samples are asked for, but the model draws {len(texts)} at a time; ask for fewer, and again with "
            "another seed for more"
        )
    drawn = zip(texts[:count], scores[:count], strict=True)
    return [Translation.of(text, score) for text, score in drawn if score > -math.inf]
