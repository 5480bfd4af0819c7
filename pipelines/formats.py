"""Placeholder until the readers arrive."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator

from recipes.errors import UserError
from recipes.schema import PairFiles


def format_of(files: PairFiles) -> str:
    return files.format or "lines"


def read_pairs(files: PairFiles, source_language: str, target_language: str) -> Iterator[tuple[bytes, bytes]]:
    opened = [gzip.open(path) if path.endswith(".gz") else open(path, "rb") for path in (files.source, files.target)]
    counts = [0, 0]
    for rows in itertools.zip_longest(*opened):
        counts = [count + (row is not None) for count, row in zip(counts, rows)]
        if None in rows:
            continue
        yield tuple(row.rstrip(b"\n") for row in rows)
    if counts[0] != counts[1]:
        raise UserError(f"{files.source} has {counts[0]:,} lines but {files.target} has {counts[1]:,}; x")
