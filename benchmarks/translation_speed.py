"""The least that a batch job could do, for ``benchmarks.translate``: a model called with one sorted batch after the
other."""

from __future__ import annotations

import time
from pathlib import Path

from model.exported.loading import load_signatures
from pipelines.translation.batching import BATCH_TEXTS
from workspace.layout import SIGNATURE, TEXT_INPUT, TRANSLATION_OUTPUT, WorkDirectory


def loop(root: Path, text: Path) -> float:
    """Seconds for all lines of a text, once the newest version in a work directory is loaded."""
    work = WorkDirectory(root)
    translate = load_signatures(work.version(work.versions()[-1]))[SIGNATURE]
    lines = text.read_text(encoding="utf-8").split("\n")[:-1]
    began = time.monotonic()
    lines.sort(key=len)
    for begin in range(0, len(lines), BATCH_TEXTS):
        batch = lines[begin : begin + BATCH_TEXTS]
        assert len(translate(**{TEXT_INPUT: batch})[TRANSLATION_OUTPUT]) == len(batch)
    return time.monotonic() - began
