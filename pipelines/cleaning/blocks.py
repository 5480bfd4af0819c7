"""One block of pairs, from bytes to sentences that are repaired and judged by the rules."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipelines.cleaning.records import Rejection
from pipelines.cleaning.repairs import repaired, without_lone_list_marks
from pipelines.cleaning.rules import NOT_UTF8, rejections
from pipelines.cleaning.sentences import Sentences
from pipelines.corpora.line_files import PairBlock
from recipes.corpora import Corpus, base_name


@dataclass(frozen=True)
class JudgedBlock:
    """The pairs of a block after repair, and for each the rule that it breaks, or None.

    ``files``: by the place of a pair, the base name of the file to look at; where a place is missing, that
    is the corpus's first.
    """

    corpus: Corpus
    lines: range
    source: Sentences
    target: Sentences
    rejections: list[Rejection | None]
    files: dict[int, str]

    def __len__(self) -> int:
        return len(self.lines)

    @cached_property
    def kept(self) -> npt.NDArray[np.int64]:
        """The places of the pairs that break no rule."""
        return np.array([place for place, broken in enumerate(self.rejections) if broken is None], np.int64)


def judged(block: PairBlock, corpus: Corpus) -> JudgedBlock:
    """The block's pairs repaired, and judged by the rules. Raises UserError if the files changed since indexing."""
    source_lines, target_lines = block.lines()
    sources, not_utf8_sources = decoded(source_lines)
    targets, not_utf8_targets = decoded(target_lines)
    source, target = repaired_pairs(sources, targets, corpus)
    broken = rejections(source, target, corpus.cleaning)
    files = dict.fromkeys(not_utf8_targets, base_name(corpus.paths[-1]))
    files |= dict.fromkeys(not_utf8_sources, corpus.file_name)
    for place in files:
        broken[place] = Rejection(NOT_UTF8)
    lines = range(block.first_line, block.first_line + block.pairs)
    return JudgedBlock(corpus, lines, source, target, broken, files)


def decoded(lines: list[bytes]) -> tuple[list[str], list[int]]:
    """The lines as text, and the places of those that are not UTF-8, in which wrong bytes are written as \\xNN."""
    try:
        return b"\n".join(lines).decode().split("\n"), []
    except UnicodeDecodeError:
        texts = [line.decode(errors="backslashreplace") for line in lines]
        # Replaced bytes make a text longer than the bytes it stands for.
        return texts, [place for place, line in enumerate(lines) if texts[place].encode() != line]


def repaired_pairs(sources: list[str], targets: list[str], corpus: Corpus) -> tuple[Sentences, Sentences]:
    """Both sides of some pairs after the repairs of their corpus."""
    settings = corpus.cleaning
    sources = repaired(sources, settings, corpus.source_language)
    targets = repaired(targets, settings, corpus.target_language)
    if settings and settings.strip_list_marks:
        without_lone_list_marks(sources, targets)
    return Sentences(sources, corpus.source_language), Sentences(targets, corpus.target_language)
