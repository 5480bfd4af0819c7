"""A model that is worked by hand: it writes in capitals, takes short texts only, and refuses some."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.translation.asked import Asked
from pipelines.translation.batching import Found
from serving.client.alignment import Alignment
from serving.client.answers import TOO_LONG, Translation

LONGEST = 20
REFUSED = "No"


# The texts that a model of a job in this process was asked for, a list for every call: the job has a copy of the model.
ASKED: list[list[str]] = []


class BrokenOffError(Exception):
    pass


def break_off() -> None:
    raise BrokenOffError


# What happens when a model breaks; a copy of the model finds it here, too.
BREAK: dict[str, Callable[[], object]] = {"how": break_off}


@dataclass
class Capitals:
    """breaks_after: the number of calls before the one in which BREAK happens."""

    name: str = "capitals"
    breaks_after: int | None = None

    def identity(self) -> dict[str, Any]:
        return {"weights": self.name}

    def made_ready(self) -> Capitals:
        return self

    @contextlib.contextmanager
    def for_workers(self, identity: dict[str, Any], are_here: bool) -> Iterator[Capitals]:
        yield self

    @contextlib.contextmanager
    def watched(self, say: Callable[[str], object]) -> Iterator[None]:
        yield

    def batches(self, texts: Collection[str]) -> list[list[str]]:
        return [sorted(texts, key=lambda text: (len(text), text))] if texts else []

    def translate(self, batch: list[str], asked: Asked) -> Iterator[Found]:
        if len(ASKED) == self.breaks_after:
            BREAK["how"]()
        ASKED.append(batch)
        return map(self._found, batch)

    def _found(self, text: str) -> Found:
        if text == REFUSED:
            return Found(TOO_LONG, why="it is refused")
        if len(text) > LONGEST:
            return Found(TOO_LONG)
        best = Translation(text.upper(), -len(text) / 8)
        words = text.split()
        weights = [[float(row == column) for column in range(len(words))] for row in range(len(words))]
        return Found(best, [best, Translation(text.title(), -9.0)], Alignment(best, words, best.text.split(), weights))


def contents(directory: Path) -> dict[str, bytes]:
    """Of every file in a directory and below, by its name there."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}
