"""A sentence pair that is kept, one that is rejected, and why."""

from __future__ import annotations

from typing import NamedTuple


class Pair(NamedTuple):
    """A kept pair. As a tuple it sorts by its place, a digest, with equal pairs side by side in their order.

    ``copy`` counts the times the same pair has been written before, where its corpus has a weight.
    """

    place: bytes
    corpus: int
    line: int
    source: str
    target: str
    copy: int = 0


class Rejected(NamedTuple):
    """A rejected pair: where it was, why, and what its rule measured against its limit; it sorts by where it was."""

    corpus: int
    line: int
    reason: str
    value: float | None
    limit: float | None
    file: str
    source: str
    target: str


class Rejection(NamedTuple):
    """Why a pair is rejected: the rule's reason, and what it measured against its limit."""

    reason: str
    value: float | None = None
    limit: float | None = None
