"""The verses that were aligned by hand are as ``bible_alignments.md`` says."""

from __future__ import annotations

import re
from pathlib import Path

_FILES = Path(__file__).with_name("bible_alignments")
_ALIGNMENT = re.compile(r"\d+[-?]\d+( \d+[-?]\d+)*")


def _lines(ending: str) -> list[str]:
    return _FILES.with_suffix(ending).read_text(encoding="utf-8").removesuffix("\n").split("\n")


def test_every_verse_has_links_between_its_words() -> None:
    sources, targets, alignments = map(_lines, (".source", ".target", ".align"))
    assert len(sources) == len(targets) == len(alignments) == 50
    for source, target, alignment in zip(sources, targets, alignments, strict=True):
        assert _ALIGNMENT.fullmatch(alignment), alignment
        links = [tuple(map(int, re.split("[-?]", link))) for link in alignment.split(" ")]
        assert links == sorted(set(links)), f"{alignment}: a link is there twice, or out of order"
        assert all(i < len(source.split(" ")) and j < len(target.split(" ")) for i, j in links), alignment
        assert "-" in alignment, f"{source}: no link is sure"
    sure, possible = (sum(line.count(mark) for line in alignments) for mark in "-?")
    note = _FILES.with_suffix(".md").read_text(encoding="utf-8")
    assert f"\n{sure} links are sure, {possible} possible.\n" in note


def test_words_and_marks_stand_apart() -> None:
    for ending in (".source", ".target"):
        for line in _lines(ending):
            for token in line.split(" "):
                assert re.fullmatch(r"[.,;:!?]|[\w-]+'?|aujourd'hui", token), f"{line}: {token!r}"
