"""The texts of a chunk, translated: lines of like lengths together, the same line once, and long ones in parts.

What goes together depends on the chunk alone, so that whoever translates it, and whatever else there is, it comes out
the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from pipelines.translation.asked import ALIGNMENT, NBEST, SCORE, TRANSLATION, Answer, Asked
from pipelines.translation.chunks import ChunkTexts, Counts
from serving.client.alignment import Alignment
from serving.client.answers import BLANK, TOO_LONG, Translation
from serving.client.long_text import answered, by_sentence

# Of a batch: enough to keep a core busy. A text counts as the longest beside it, to which it is filled up.
BATCH_TEXTS = 128
BATCH_CHARACTERS = 16_000
_LINE_END = re.compile(r"(\r\n|[\r\n])")
_TOO_LONG = "it is longer than the model translates, and has no sentence end, comma or space where it could be split"


class Found(NamedTuple):
    """What an engine makes of a text, and why it makes nothing of it, where it refuses it."""

    translation: Translation
    nbest: Sequence[Translation] = ()
    alignment: Alignment | None = None
    why: str | None = None


# Texts, shorter ones first -> what is found for each, as soon as it is there.
Translate: TypeAlias = Callable[[list[str]], Iterable[Found]]


def translate_chunk(
    chunk: ChunkTexts, asked: Asked, translate: Translate, done: Callable[[int], object]
) -> tuple[list[Answer], Counts, list[dict[str, Any]]]:
    """The answer to every text, in their order; how they divide; and file, line and reason of each that has none.

    ``done`` is told of numbers of texts that are finished, as they are.
    """
    texts = _Lines(chunk.texts, done)
    found: dict[str, Found] = {}
    for line, answer in zip(texts.different, translate(texts.different), strict=True):
        found[line] = answer
        texts.note(line)
    long = [line for line in texts.different if found[line].translation.too_long and not found[line].why]
    refused: dict[str, str] = {}

    def in_parts(parts: list[str]) -> Iterator[Translation]:
        for part, answer in zip(parts, _in_order(parts, translate), strict=True):
            if answer.why:
                refused[part] = answer.why
            yield answer.translation

    split = {}
    for line, translation in zip(long, answered(by_sentence(long), in_parts), strict=True):
        if translation.too_long:
            found[line] = Found(TOO_LONG, why=next((why for part, why in refused.items() if part in line), _TOO_LONG))
        else:
            found[line] = Found(translation, [translation])
            split[line] = translation
    answers: list[Answer] = []
    failed: list[dict[str, Any]] = []
    counts = Counts(records=len(chunk.texts))
    seen: set[str] = set()
    for place, (text, lines) in enumerate(zip(chunk.texts, texts.of_texts, strict=True)):
        of_lines = [found.get(line.strip(), _BLANK) for line in lines[::2]]
        why = chunk.whys.get(place) or next((each.why for each in of_lines if each.why), None)
        if why:
            failed.append({"file": chunk.file, "line": chunk.lines[place], "reason": why})
            answers.append(asked.nothing)
            counts = counts._replace(failed=counts.failed + 1)
        elif not text.strip():
            answers.append(asked.nothing)
            counts = counts._replace(blank=counts.blank + 1)
        else:
            answers.append(_answer(of_lines, lines, asked))
            counts = counts._replace(
                translated=counts.translated + 1,
                split=counts.split + any(line.strip() in split for line in lines[::2]),
                repeated=counts.repeated + (text in seen),
            )
            seen.add(text)
    assert counts.records == counts.translated + counts.blank + counts.failed
    return answers, counts, failed


_BLANK = Found(BLANK)


class _Lines:
    """The lines of some texts, which alternate with their ends, and those to translate, each once, shorter ones first.

    A record may have several lines; each is translated by itself.
    """

    def __init__(self, texts: Sequence[str], done: Callable[[int], object]):
        self.of_texts = [_LINE_END.split(text) for text in texts]
        self._done = done
        # Of every line, the texts that are finished with it: those whose longest it is.
        self._finishes: dict[str, int] = {}
        nothing = 0
        different = set()
        for lines in self.of_texts:
            filled = [line for line in map(str.strip, lines[::2]) if line]
            different.update(filled)
            if filled:
                last = max(filled, key=_by_length)
                self._finishes[last] = self._finishes.get(last, 0) + 1
            else:
                nothing += 1
        self.different = sorted(different, key=_by_length)
        done(nothing)

    def note(self, line: str) -> None:
        if finished := self._finishes.get(line):
            self._done(finished)


def _by_length(line: str) -> tuple[int, str]:
    return len(line), line


def _in_order(texts: list[str], translate: Translate) -> list[Found]:
    order = sorted(range(len(texts)), key=lambda place: _by_length(texts[place]))
    found = dict(zip(order, translate([texts[place] for place in order]), strict=True))
    return [found[place] for place in range(len(texts))]


def _answer(of_lines: Sequence[Found], lines: Sequence[str], asked: Asked) -> Answer:
    """Of a text whose lines, which alternate with their ends, have all been translated."""
    translations = [each.translation for each in of_lines]
    ends = [*lines[1::2], ""]
    filled = [translation for translation in translations if translation is not BLANK]
    whole = Translation(
        "".join(translation.text + end for translation, end in zip(translations, ends, strict=True)),
        sum(translation.score for translation in filled) / len(filled),
    )
    one = of_lines[0] if len(of_lines) == 1 else Found(whole, [whole])
    values: Answer = {
        TRANSLATION: whole.text,
        SCORE: _rounded(whole.score),
        NBEST: [{TRANSLATION: each.text, SCORE: _rounded(each.score)} for each in one.nbest],
        ALIGNMENT: _links(one.alignment) if one.alignment else None,
    }
    return {name: values[name] for name in asked.fields}


def _links(alignment: Alignment) -> dict[str, Any]:
    links = " ".join(f"{source}-{target}" for source, target in alignment.links())
    return {"source": alignment.source, "target": alignment.target, "links": links}


def _rounded(score: float) -> float:
    """A score with the digits that mean something."""
    return round(score, 6)


def batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts, shorter ones first, in batches of as many as BATCH_TEXTS and BATCH_CHARACTERS allow, or of one."""
    batch: list[str] = []
    for text in texts:
        if batch and (len(batch) == BATCH_TEXTS or (len(batch) + 1) * len(text) > BATCH_CHARACTERS):
            yield batch
            batch = []
        batch.append(text)
    if batch:
        yield batch
