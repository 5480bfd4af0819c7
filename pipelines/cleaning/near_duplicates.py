"""Sentence pairs that are nearly the same, by MinHash and locality-sensitive hashing.

A pair is the set of 5-grams of its letters. The set has a signature of 256 numbers, each of which two sets share
with a probability equal to their Jaccard index (Broder 1997, On the resemblance and containment of documents).
The signature is cut into bands; pairs that have a band in common are taken for nearly the same. With b bands of
r numbers and an index s this happens with probability 1 - (1 - s^r)^b, which rises steeply about (1/b)^(1/r)
(Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import rensa

_NUMBERS = 256
_GRAM = 5
_SEED = 1


def bands_and_rows(similarity: float) -> tuple[int, int]:
    """How many bands of how many rows to take, for the probability to rise nearest to a Jaccard index."""
    candidates = ((_NUMBERS // rows, rows) for rows in range(1, _NUMBERS + 1))
    return min(candidates, key=lambda shape: abs((1 / shape[0]) ** (1 / shape[1]) - similarity))


def band_keys(letters: Sequence[str], similarity: float) -> npt.NDArray[np.uint64]:
    """For every text its bands, each as a number: [texts, bands]. Different bands have different numbers."""
    bands, rows = bands_and_rows(similarity)
    grams = [[text[begin : begin + _GRAM] for begin in range(max(1, len(text) - _GRAM + 1))] for text in letters]
    signatures = np.array(rensa.RMinHash.digests_from_token_sets(grams, _NUMBERS, _SEED), np.uint64)
    signatures = signatures.reshape(len(letters), _NUMBERS)[:, : bands * rows].reshape(-1, bands, rows)
    # A polynomial in the numbers of a band, modulo 2**64; it begins with the band's own number.
    keys = np.broadcast_to(np.arange(bands, dtype=np.uint64), signatures.shape[:2])
    for row in range(rows):
        keys = keys * np.uint64(0x9E3779B97F4A7C15) + signatures[:, :, row]
        keys ^= keys >> np.uint64(29)
    return keys
