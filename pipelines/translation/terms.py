"""Words and phrases of a text with what they have to be in its translation."""

from __future__ import annotations

import functools

from serving.client.constraints import Constraints, Terms
from workspace.errors import UserError, as_given
from workspace.locations import Location
from workspace.word_pairs import read_word_pairs


def read_terms(file: Location) -> tuple[tuple[str, str], ...]:
    """As ``Asked`` has them, of a file with a term and its translation in every line, between them a tab. Raises
    UserError where there are none, or they cannot be asked for."""
    pairs = read_word_pairs(file, "give a file of terms")
    if not pairs:
        raise UserError(f"{file} has no terms; write some there, or leave out {as_given('--terms')}")
    Constraints(required=list(pairs.values()))
    return tuple(sorted(pairs.items()))


def asked_of(text: str, pairs: tuple[tuple[str, str], ...]) -> Constraints:
    """What those of the text have to be."""
    return _terms(pairs).asked_of(text)


def not_met(constraints: Constraints) -> str:
    """Why a text has no translation that keeps to them, as a part of a sentence about it."""
    return f"it has no translation with its terms: {', '.join(constraints.required)}"


@functools.lru_cache(maxsize=1)
def _terms(pairs: tuple[tuple[str, str], ...]) -> Terms:
    """Which takes long to make of many."""
    return Terms(dict(pairs))
